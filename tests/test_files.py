"""Files: what is written is read back bit for bit, and what is not a game is refused with a place and a remedy."""

import os

import numpy as np
import pytest

import stackelberg as sg


SUFFIXES = [".json", ".nfg", ".npz"]
ODD = ["a", "λ", '"', "b c", "{", "\\", "ü", '\\"']
EXTREMES = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    0.1,
    1 / 3,
    2.0**53,
    2.0**60,
    -1,
]


def random_games(count, seed):
    """Games of random bit patterns (all finite), odd names included."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = rng.integers(1, 5, size=2)
        bits = rng.integers(0, 2**64, size=(2, *shape), dtype=np.uint64).view(np.float64)
        payoff = np.where(np.isfinite(bits), bits, rng.choice(EXTREMES, size=bits.shape))
        names = [f"{rng.choice(ODD)}{index}" for index in range(10)]
        yield sg.NormalFormGame(
            payoff[0],
            payoff[1],
            leader_actions=names[: shape[0]],
            follower_actions=names[: shape[1]],
            title='a "title" with { and \\ in it',
        )


def same(one, other):
    """Whether two games agree in every bit."""
    return (
        np.asarray(one.leader_payoff).tobytes() == np.asarray(other.leader_payoff).tobytes()
        and np.asarray(one.follower_payoff).tobytes() == np.asarray(other.follower_payoff).tobytes()
        and one.leader_payoff.shape == other.leader_payoff.shape
        and one.leader_actions == other.leader_actions
        and one.follower_actions == other.follower_actions
        and one.title == other.title
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_back_the_same_bits(suffix, tmp_path):
    path = tmp_path / f"game{suffix}"
    for game in random_games(100, seed=1):
        sg.write_game(game, path)
        assert same(sg.read_game(path), game)
        assert sg.read_game(str(path)).title == game.title


def test_formats_can_be_converted_into_one_another_without_loss(tmp_path):
    [game] = random_games(1, seed=2)
    current = game
    for number, suffix in enumerate([*SUFFIXES, *SUFFIXES[::-1]]):
        path = tmp_path / f"{number}{suffix}"
        sg.write_game(current, path)
        current = sg.read_game(path)
    assert same(current, game)


# Files as Gambit's manual and catalogue write them; the numbers of the first are those of the manual's sample.
PAYOFF_VARIANT = 'NFG 1 R "Selten, figure 2" { "Player 1" "Player 2" } { 3 2 }\n\n1 1 0 2 0 2 1 1 0 3 2 0\n'
OUTCOME_VARIANT = """NFG 1 R "Selten, figure 2" { "Player 1" "Player 2" }

{ { "1" "2" "3" }
{ "1" "2" }
}
"A comment
over two lines"

{
{ "" 1, 1 }
{ "" 0, 2 }
{ "" 0, 2 }
{ "" 1, 1 }
{ "" 0, 3 }
{ "" 2, 0 }
}
1 2 3 4 5 6
"""


def nfg(text, tmp_path):
    path = tmp_path / "game.nfg"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sg.read_game(path)


def test_both_variants_of_the_manuals_sample_are_one_game(tmp_path):
    first, second = nfg(PAYOFF_VARIANT, tmp_path), nfg(OUTCOME_VARIANT, tmp_path)
    assert same(first, second)
    assert np.array_equal(first.leader_payoff, [[1, 1], [0, 0], [0, 2]])
    assert np.array_equal(first.follower_payoff, [[1, 1], [2, 3], [2, 0]])


def test_the_rows_run_fastest(tmp_path):
    """As the manual of the format says: the first player's strategy changes with every pair of payoffs."""
    text = 'NFG 1 R "T" { "1" "2" } { { "a" "b" } { "c" "d" "e" } } "why" 1 2 3 4 5 6 7 8 9 10 11 12'
    game = nfg(text, tmp_path)
    assert np.array_equal(game.leader_payoff, [[1, 5, 9], [3, 7, 11]])
    assert np.array_equal(game.follower_payoff, [[2, 6, 10], [4, 8, 12]])
    assert game.leader_actions == ("a", "b")
    assert game.follower_actions == ("c", "d", "e")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1/3", 1 / 3),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e-3", -0.001),
        ("6E2", 600.0),
        ("-7/2", -3.5),
        ("+4", 4.0),
        ("1" * 400 + "/" + "3" * 400, 1 / 3),
        ("0.1000000000000000055511151231257827", 0.1),
        ("-0.0", -0.0),
    ],
)
def test_numbers_are_read_as_the_nearest_float64(written, value, tmp_path):
    game = nfg(f'NFG 1 R "T" {{ "1" "2" }} {{ 1 1 }} {written} 0', tmp_path)
    assert np.float64(game.leader_payoff[0, 0]).tobytes() == np.float64(value).tobytes()


def test_outcome_zero_pays_nobody_and_outcomes_may_be_shared(tmp_path):
    game = nfg('NFG 1 D "T" {"1" "2"} {{"a" "b"}{"c" "d"}} {{"x" 1, 2}{"" 1/2 4}} 1 2 0 1', tmp_path)
    assert np.array_equal(game.leader_payoff, [[1, 0], [0.5, 1]])
    assert np.array_equal(game.follower_payoff, [[2, 0], [4, 2]])


def test_a_mark_of_byte_order_and_foreign_line_ends_are_accepted(tmp_path):
    plain = nfg(OUTCOME_VARIANT, tmp_path)
    assert same(nfg(b"\xef\xbb\xbf" + OUTCOME_VARIANT.replace("\n", "\r\n").encode(), tmp_path), plain)
    sg.write_game(plain, tmp_path / "game.json")
    text = (tmp_path / "game.json").read_bytes()
    (tmp_path / "other.json").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r"))
    assert same(sg.read_game(tmp_path / "other.json"), plain)


def test_empty_and_doubled_names_of_strategies_become_distinct(tmp_path):
    game = nfg('NFG 1 R "T" { "1" "1" } { { "a" "a" } { "" "" } } 1 2 3 4 5 6 7 8', tmp_path)
    assert game.leader_actions == ("a", "a_2")
    assert game.follower_actions == ("1", "2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('NFG 1 R "T" { "1" "2" "3" } { 2 2 2 } 1 2 3', "the game has 3 players, and two are needed"),
        ('NFG 1 R "T" { "1" } { 2 } 1 2', "the game has 1 player, and two"),
        ('NFG 1 R "T" { "1" "2" } { 2 2 }\n1 2 3 4 5 6 7', "line 2, column 14.*payoff 4 of 4 of the follower"),
        ('NFG 1 R "T" { "1" "2" } { 2 2 }\n1 2 3 4 5 6 7 8 9', "line 2, column 17.*'9'.*end of the file"),
        ('NFG 1 R "T" { "1" "2" } { 2 2 } 1 2 3 4 nan 6 7 8', "column 41: 'nan' stands there; payoff 3 of 4"),
        ('NFG 1 R "T" { "1" "2" } { 1 1 } 1e999 2', "'1e999'.*a number such as"),
        ('NFG 1 R "T" { "1" "2" } { 1 1 } 1/0 2', "'1/0'"),
        ('NFG 2 R "T" { "1" "2" } { 1 1 } 1 2', "column 5.*version 1"),
        ("nfg", "'nfg' stands there; the mark of a game file"),
        ("", "line 1, column 1: the file ends there"),
        ('NFG 1 R "T', "not closed"),
        ('NFG 1 R "T" { "1" "2" } { 0 2 }', "'0'.*whole number from 1"),
        ('NFG 1 R "T" { "1" "2" } { 1000000 1000000 } 1', "whole number from 1 to 45"),
        ('NFG 1 R "T" { "1" "2" } { 30 30 } 1', "announces 900"),
        ('NFG 1 R "T" { "1" "2" } {{"a"}{"b"}} {{"x" 1, 2}} 2', "'2'.*from 0 to 1"),
        ('NFG 1 R "T" { "1" "2" } {{"a"}{"b"}} {{"x" 1, 2', r"file ends there; the end of outcome 1"),
    ],
)
def test_a_mistake_in_an_nfg_file_is_named_with_its_place(text, message, tmp_path):
    with pytest.raises(sg.FileError, match=message) as caught:
        nfg(text, tmp_path)
    assert "game.nfg" in str(caught.value)


def test_a_file_that_fails_leaves_the_old_one_and_no_rubbish(tmp_path, monkeypatch):
    [game, other] = random_games(2, seed=5)
    path = tmp_path / "game.json"
    sg.write_game(game, path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(sg.FileError, match=r"no space left on device.*Free some space"):
        sg.write_game(other, path)
    assert same(sg.read_game(path), game)
    assert os.listdir(tmp_path) == ["game.json"]


def test_writing_through_a_link_keeps_the_link(tmp_path):
    [game] = random_games(1, seed=6)
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    sg.write_game(game, tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert same(sg.read_game(tmp_path / "real.json"), game)


def test_a_summary_says_what_the_file_holds(tmp_path):
    game = sg.NormalFormGame([[1.0, 2.0, 3.0]], [[1e13, 1e13 + 1, 1e13]], title="merged")
    sg.write_game(game, tmp_path / "game.npz")
    summary = sg.check_game(tmp_path / "game.npz")
    assert (summary.kind, summary.title) == ("normal-form", "merged")
    assert summary.shapes == {"leader_payoff": (1, 3), "follower_payoff": (1, 3)}
    assert summary.ranges["leader_payoff"] == (1.0, 3.0)
    assert "merged payoffs" in summary.notes[0]
    assert sg.Record("x", {}, summary.to_json()).to_json()


def test_templates_survive_a_round_trip(tmp_path):
    from stackelberg.games.files import GAMES

    for kind in GAMES:
        sg.write_game(sg.game_template(kind), tmp_path / "game.json")
        sg.write_game(sg.game_template(kind), tmp_path / "game.npz")
        assert sg.game_to_json(sg.read_game(tmp_path / "game.json")) == sg.game_to_json(sg.game_template(kind))
        assert sg.game_to_json(sg.read_game(tmp_path / "game.npz")) == sg.game_to_json(sg.game_template(kind))
        assert sg.check_game(tmp_path / "game.json").kind == kind


def test_entries_are_counted_before_they_are_allocated(tmp_path, monkeypatch):
    from stackelberg import _json

    monkeypatch.setattr(_json, "ENTRY_LIMIT", 1000)
    (tmp_path / "game.json").write_text("[" + "0," * 2000 + "0]")
    with pytest.raises(sg.FileError, match=r"E-FILE-012 .*2,000 entries.*at most 1,000.*\.npz"):
        sg.read_game(tmp_path / "game.json")
    (tmp_path / "game.json").write_text('{"a": "' + "0," * 2000 + '"}')
    with pytest.raises(sg.InputError, match="E-FILE-010"):  # commas inside of text are no entries
        sg.read_game(tmp_path / "game.json")


def test_followers_and_games_survive_the_codec_and_wrong_keys_are_named():
    follower = sg.Mixture([sg.QuantalResponse(np.inf), sg.BestResponse("adversary")], [0.25, 0.75])
    again = sg.follower_from_json(sg.follower_to_json(follower))
    assert sg.follower_to_json(again) == sg.follower_to_json(follower)
    assert again.followers[0].inverse_temperature == np.inf
    with pytest.raises(sg.InputError, match=r"follower\.inverse_temperatur: .*Did you mean 'inverse_temperature'"):
        sg.follower_from_json({"kind": "quantal-response", "inverse_temperatur": 1.0})
    with pytest.raises(sg.InputError, match=r"E-CODEC-003 follower\.inverse_temperature: it is missing"):
        sg.follower_from_json({"kind": "quantal-response"})
