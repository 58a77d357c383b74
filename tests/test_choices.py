"""Logs of choices: what is written is read back, and what cannot be used is named."""

import numpy as np
import pytest

import stackelberg as sg


GAME = sg.NormalFormGame(
    [[2, 4], [1, 3]], [[1, 0], [0, 1]], leader_actions=["up", "down"], follower_actions=["left", "right"]
)
HEADER = "commitment.up,commitment.down,action,count,period,type\n"


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_written_log_is_read_back_as_it_was(tmp_path):
    commitments = np.random.default_rng(0).dirichlet(np.ones(2), size=7)
    choices = sg.sample_choices(GAME, sg.QuantalResponse(2.0), commitments, 40)
    sg.write_choices(choices, tmp_path / "log.csv", GAME)
    read = sg.read_choices(tmp_path / "log.csv", GAME)
    assert np.allclose(read.commitment, choices.commitment, rtol=0, atol=1e-15)
    for column in ("action", "count", "period", "type", "by_leader"):
        assert np.array_equal(getattr(read, column), getattr(choices, column))


def test_published_frequencies_survive_a_file(tmp_path):
    game, choices = sg.ochs_matching_pennies()
    sg.write_choices(choices, tmp_path / "ochs.csv", game)
    read = sg.read_choices(tmp_path / "ochs.csv", game)
    assert np.allclose(read.count, choices.count, rtol=1e-15)
    assert read.commitment is None
    assert read.num_plays == pytest.approx(256)


def test_types_of_a_bayesian_game_survive_a_file(tmp_path):
    game = sg.BayesianGame(
        [[2, 4], [1, 3]], [[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [0.3, 0.7], types=["cautious", "bold"]
    )
    choices = sg.sample_choices(game, sg.QuantalResponse(2.0), [[0.5, 0.5], [0.2, 0.8]], 200)
    sg.write_choices(choices, tmp_path / "log.csv", game)
    assert "bold" in (tmp_path / "log.csv").read_text()
    assert np.array_equal(sg.read_choices(tmp_path / "log.csv", game).type, choices.type)


def test_byte_order_marks_windows_lines_numbers_and_missing_columns_are_taken(tmp_path):
    text = b"\xef\xbb\xbfcommitment.up,commitment.down,action\r\n0.25,0.75,2\r\n\r\n0.25,0.75,left\r\n"
    read = sg.read_choices(write(tmp_path / "log.csv", text), GAME)
    assert read.action.tolist() == [1, 0]
    assert read.count.tolist() == [1, 1]


def test_commitments_may_stand_in_a_second_table(tmp_path):
    second = write(tmp_path / "plans.csv", "commitment_id,commitment.up,commitment.down\nA,1,0\nB,0.5,0.5\n")
    first = write(tmp_path / "log.csv", "commitment_id,action,count\nB,left,3\nA,right,2\n")
    read = sg.read_choices(first, GAME, commitments=second)
    assert read.commitment.tolist() == [[0.5, 0.5], [1.0, 0.0]]


def test_a_template_is_a_log_without_plays(tmp_path):
    path = write(tmp_path / "log.csv", sg.choices_template(GAME).replace(",0,0,1", ",1,0,1"))
    assert sg.read_choices(path, GAME).num_plays == 2
    with pytest.raises(sg.InputError, match="holds no choice"):
        sg.read_choices(write(tmp_path / "empty.csv", sg.choices_template(GAME)), GAME)


GOOD = "0.5,0.5,left,3,0,1\n"
BAD_CELLS = {
    "unknown action": (GOOD + "0.5,0.5,middle,3,0,1", "line 3, column 'action'", "left, right"),
    "action 0": ("0.5,0.5,0,3,0,1", "line 2, column 'action'", "from 1 to 2"),
    "action 3": ("0.5,0.5,3,3,0,1", "line 2, column 'action'", "from 1 to 2"),
    "empty action": ("0.5,0.5,,3,0,1", "line 2, column 'action'", "left, right"),
    "fractional count": (GOOD + GOOD + "0.5,0.5,left,2.5,0,1", "line 4, column 'count'", "whole number"),
    "negative count": ("0.5,0.5,left,-1,0,1", "line 2, column 'count'", "at least 0"),
    "count NaN": ("0.5,0.5,left,nan,0,1", "line 2, column 'count'", "whole number"),
    "count inf": ("0.5,0.5,left,inf,0,1", "line 2, column 'count'", "whole number"),
    "huge count": ("0.5,0.5,left,1e30,0,1", "line 2, column 'count'", "whole number"),
    "underscore": ("0.5,0.5,left,1_000,0,1", "line 2, column 'count'", "whole number"),
    "period": ("0.5,0.5,left,1,monday,1", "line 2, column 'period'", "whole number"),
    "probability text": ("half,0.5,left,1,0,1", "line 2, column 'commitment.up'", "finite number"),
    "probability NaN": ("nan,0.5,left,1,0,1", "line 2, column 'commitment.up'", "finite number"),
    "negative probability": (GOOD + "-0.5,1.5,left,1,0,1", "line 3, commitment", "at least 0"),
    "sum below 1": (GOOD + "0.5,0.4,left,1,0,1", "line 3, commitment", "sum to 1"),
    "sum above 1": (GOOD + "0.6,0.6,left,1,0,1", "line 3, commitment", "sum to 1"),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_a_bad_cell_is_named_by_line_column_value_and_remedy(tmp_path, name):
    rows, place, allowed = BAD_CELLS[name]
    with pytest.raises(sg.InputError) as caught:
        sg.read_choices(write(tmp_path / "log.csv", HEADER + rows), GAME)
    message = str(caught.value)
    assert place in message
    assert allowed in message
    assert caught.value.code in message
    assert caught.value.remedy


BAD_FILES = {
    "empty": ("", sg.FileError, "empty"),
    "header alone": (HEADER, sg.FileError, "no rows"),
    "ragged": (HEADER + "0.5,0.5,left,3\n", sg.FileError, "line 2 has 4 cells"),
    "open quote": (HEADER + '0.5,0.5,"left,3,0,1\n', sg.FileError, "line"),
    "NUL": (HEADER.encode() + b"0.5,0.5,le\0ft,3,0,1", sg.FileError, "NUL"),
    "not UTF-8": (HEADER.encode() + b"0.5,0.5,l\xffft,3,0,1", sg.FileError, "UTF-8"),
    "misspelt column": ("commitment.up,comitment.down,action\n1,0,left", sg.InputError, "mean 'commitment.down'"),
    "unknown column": (HEADER.strip() + ",weather\n" + GOOD.strip() + ",rain", sg.InputError, "'weather' is not known"),
    "doubled column": ("action,action\nleft,left", sg.InputError, "twice"),
    "no action": ("commitment.up,commitment.down\n1,0", sg.InputError, "'action' is missing"),
    "half a commitment": ("commitment.up,action\n1,left", sg.InputError, "'commitment.down' is missing"),
    "no second table": ("commitment_id,action\nA,left", sg.InputError, "second table"),
    "leader under a commitment": (
        "player,commitment.up,commitment.down,action\nleader,1,0,up",
        sg.InputError,
        "simultaneous play",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_log_is_refused_with_the_reason(tmp_path, name):
    content, error, words = BAD_FILES[name]
    with pytest.raises(error, match=words):
        sg.read_choices(write(tmp_path / "log.csv", content), GAME)


def test_all_bad_cells_of_a_column_are_counted(tmp_path):
    rows = "0.5,0.5,north,1,0,1\n" * 12
    with pytest.raises(sg.InputError, match="12 bad cells in this column; also line 3"):
        sg.read_choices(write(tmp_path / "log.csv", HEADER + rows), GAME)


def test_a_file_above_the_limit_is_not_read(tmp_path):
    path = write(tmp_path / "log.csv", HEADER + GOOD * 100)
    with pytest.raises(sg.FileError):
        sg.read_choices(path, GAME, limit=100)


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"action": [0, -1]}, "action"),
        ({"action": [0, 0.5]}, "action"),
        ({"action": [0, np.nan]}, "action"),
        ({"action": []}, "action"),
        ({"action": [0, 1], "count": [1]}, "count"),
        ({"action": [0, 1], "count": [-1, 1]}, "count"),
        ({"action": [0, 1], "count": [0, 0]}, "count"),
        ({"action": [0, 1], "commitment": [[0.5, 0.5]]}, "commitment"),
        ({"action": [0, 1], "commitment": [[0.5, 0.5], [np.inf, 0]]}, "commitment"),
        ({"action": [0, 1], "by_leader": [0, 1]}, "by_leader"),
        ({"action": [0, 1], "by_leader": [True, False], "commitment": [0.5, 0.5]}, "by_leader"),
    ],
)
def test_a_column_of_another_kind_is_refused(columns, field):
    with pytest.raises(sg.InputError) as caught:
        sg.Choices.of(**columns)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"action": [0, 2], "commitment": [0.5, 0.5]}, "action"),
        ({"action": [0, 1], "commitment": [0.5, 0.6]}, "commitment"),
        ({"action": [0, 1], "commitment": [0.5, 0.2, 0.3]}, "commitment"),
    ],
)
def test_a_log_of_another_game_is_refused(columns, field):
    with pytest.raises(sg.InputError) as caught:
        sg.fit_response(sg.Choices.of(**columns), GAME)
    assert caught.value.field == field


def test_collapsing_a_log_loses_no_play():
    rng = np.random.default_rng(1)
    commitments = np.array([[0.5, 0.5], [0.2, 0.8], [1.0, 0.0]])[rng.integers(0, 3, 500)]
    actions, counts = rng.integers(0, 2, 500), rng.integers(0, 5, 500)
    table = sg.Choices.of(actions, commitment=commitments, count=counts).table(GAME)
    assert len(table.counts) == 3
    for commitment, row in zip(table.commitment, table.counts, strict=True):
        same = np.all(commitments == commitment, axis=1)
        assert row.tolist() == [counts[same & (actions == action)].sum() for action in (0, 1)]
