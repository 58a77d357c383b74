"""Gambit's `.nfg` files mean here what they mean there, in both directions."""

import io

import numpy as np
import pygambit

import stackelberg as sg


def test_our_nfg_files_are_read_alike_by_gambit(tmp_path):
    rng = np.random.default_rng(3)
    for _ in range(30):
        shape = tuple(rng.integers(1, 6, size=2))
        game = sg.NormalFormGame(rng.normal(size=shape), rng.integers(-9, 9, size=shape), title="from here")
        sg.write_game(game, tmp_path / "game.nfg")
        theirs = pygambit.read_nfg(str(tmp_path / "game.nfg"))
        leader, follower = theirs.to_arrays(dtype=float)
        assert np.array_equal(np.asarray(leader, float), game.leader_payoff)
        assert np.array_equal(np.asarray(follower, float), game.follower_payoff)
        assert theirs.title == "from here"


def test_gambits_nfg_files_are_read_alike_here(tmp_path):
    rng = np.random.default_rng(4)
    for _ in range(30):
        shape = tuple(rng.integers(1, 6, size=2))
        leader, follower = rng.normal(size=shape), rng.integers(-9, 9, size=shape)
        theirs = pygambit.Game.from_arrays(leader, follower, title="from there")
        (tmp_path / "game.nfg").write_text(theirs.to_nfg())
        game = sg.read_game(tmp_path / "game.nfg")
        assert np.array_equal(game.leader_payoff, leader)
        assert np.array_equal(game.follower_payoff, follower)
        assert game.title == "from there"


def test_the_rows_run_fastest_as_in_gambit(tmp_path):
    text = 'NFG 1 R "T" { "1" "2" } { { "a" "b" } { "c" "d" "e" } } "why" 1 2 3 4 5 6 7 8 9 10 11 12'
    (tmp_path / "game.nfg").write_text(text)
    ours, theirs = sg.read_game(tmp_path / "game.nfg"), pygambit.read_nfg(io.StringIO(text)).to_arrays(dtype=float)
    assert np.array_equal(ours.leader_payoff, np.asarray(theirs[0], float))
    assert np.array_equal(ours.follower_payoff, np.asarray(theirs[1], float))
