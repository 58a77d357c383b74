"""Pictures: what is drawn is what the record says, in the two fixed colours, as PNG, SVG and CSV."""

import csv

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

import stackelberg as sg
from stackelberg.report import style
from stackelberg.report.curves import jumps
from stackelberg.report.tables import Table


SHARE = np.linspace(0.0, 1.0, 41)
LEADER_PAYOFF, FOLLOWER_PAYOFF = np.array([[2.0, 4.0], [1.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])


def simplex(steps):
    return np.array([[i, j, steps - i - j] for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps


def landscape(commitment, leader_payoff, follower_payoff):
    follower = commitment @ follower_payoff
    leader = commitment @ leader_payoff
    weight = np.exp(5.0 * (follower - follower.max(axis=1, keepdims=True)))
    best = np.take_along_axis(leader, follower.argmax(axis=1)[:, None], axis=1)[:, 0]
    marks = [{"label": "quantal optimum", "symbol": "qse", "commitment": commitment[3].tolist(), "value": 2.5}]
    names = {"leader_actions": ["north", "south", "east"], "follower_actions": ["wait", "cross", "hide"]}
    return sg.Record(
        "landscape",
        {
            "commitment": commitment,
            "promised": best,
            "best_response": follower.argmax(axis=1),
            "paid": (leader * weight).sum(axis=1) / weight.sum(axis=1),
            "leader_payoff": leader,
            "follower_payoff": follower,
        },
        names | {"follower": "inverse temperature 5", "marks": marks},
    )


GENERATOR = np.random.default_rng(5)
PRECISION = np.geomspace(0.1, 100.0, 31)
RECORDS = {
    "line": landscape(np.column_stack([SHARE, 1 - SHARE]), LEADER_PAYOFF, FOLLOWER_PAYOFF),
    "triangle": landscape(simplex(12), GENERATOR.normal(size=(3, 3)), np.eye(3)),
    "rationality": sg.Record(
        "rationality",
        {
            "inverse_temperature": PRECISION,
            "leader_value": 3.5 - 1 / PRECISION,
            "commitment": np.where(PRECISION[:, None] < 1.0, [[1.0, 0.0]], [[0.2, 0.8]]),
        },
        {"asymptote": 3.5},
    ),
    "estimation": sg.Record(
        "estimation",
        {
            "num_plays": np.array([50, 500]),
            "estimate": np.array([4.8, 5.0]),
            "low": np.array([3.0, 4.4]),
            "high": np.array([7.0, 5.7]),
            "each": GENERATOR.normal(5.0, 1.0, size=(2, 8)),
        },
        {"truth": 5.0},
    ),
    "response": sg.Record("response", {"share": SHARE, "response": np.column_stack([SHARE, 1 - SHARE])}),
    "coverage": sg.Record(
        "coverage", {"coverage": SHARE[:25], "attack": SHARE[:25] / SHARE[:25].sum()}, {"grid": (5, 5)}
    ),
    "demand": sg.Record(
        "demand",
        {name: GENERATOR.uniform(size=4) for name in ("before", "after", "price_before", "price_after")},
        {"periods": ["night", "morning", "day", "evening"], "price_unit": "€/kWh"},
    ),
    "stress": sg.Record(
        "stress",
        {"model": np.array(["quantal", "level-k"]), "leader_value": np.array([3.0, 2.5])},
        {"planned": 3.1},
    ),
    "policy": sg.Record(
        "policy",
        {"commitment": np.array([[0.2, 0.8], [1.0, 0.0]]), "response": np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])},
        {
            "situations": ["rich", "poor"],
            "answered_in": ["rich", "poor"],
            "title": "A lake",
            "leader_actions": ["watch", "rest"],
            "follower_actions": ["wait", "fish", "sail"],
        },
    ),
    "solution": sg.Record("solution", {"commitment": np.array([0.2, 0.8]), "response": np.array([0.1, 0.9])}),
}


def colours(figure):
    """The colours of everything that is written, drawn as a line or filled in one colour."""
    getters = ("get_color", "get_facecolor", "get_edgecolor")
    found = [getattr(artist, name)() for artist in figure.findobj() for name in getters if hasattr(artist, name)]
    return {to_hex(colour).lower() for colour in found if mpl.colors.is_color_like(colour)}


@pytest.mark.parametrize("name", RECORDS)
def test_a_picture_comes_as_png_svg_and_the_numbers_behind_it(name, tmp_path):
    record = RECORDS[name]
    sg.plot(record, tmp_path / "below" / name)
    assert (tmp_path / "below" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "below" / f"{name}.svg").read_bytes()[:2000]
    with (tmp_path / "below" / f"{name}.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    for column, values in record.columns.items():
        places = [place for place, title in enumerate(header) if title == column or title.startswith(f"{column}[")]
        read = np.array([[row[place] for place in places] for row in rows[: len(values)]])
        if values.dtype.kind in "fi":
            assert np.array_equal(read.astype(float), values.reshape(len(values), -1))
        else:
            assert read[:, 0].tolist() == values.tolist()


@pytest.mark.parametrize("name", ["line", "triangle", "coverage", "demand", "policy", "solution"])
def test_the_leader_is_blue_and_the_follower_orange_in_every_picture_of_both(name):
    found = colours(sg.plot(RECORDS[name]))
    assert {style.LEADER.lower(), style.FOLLOWER.lower()} <= found


def test_what_only_one_player_does_is_drawn_in_its_colour():
    assert style.FOLLOWER.lower() not in colours(sg.plot(RECORDS["rationality"]))
    assert style.LEADER.lower() not in colours(sg.plot(RECORDS["response"]))


def test_the_two_colours_differ_for_every_common_colour_vision():
    """Machado, Oliveira and Fernandes (2009): full protanopia, deuteranopia and tritanopia, in linear RGB."""
    simulations = {
        "protanopia": [[0.1523, 1.053, -0.2049], [0.1145, 0.7863, 0.09922], [-0.003882, -0.04812, 1.052]],
        "deuteranopia": [[0.3673, 0.8606, -0.228], [0.2801, 0.6725, 0.04741], [-0.01182, 0.04294, 0.9689]],
        "tritanopia": [[1.256, -0.07675, -0.1788], [-0.07841, 0.9308, 0.1476], [0.004733, 0.6914, 0.3039]],
    }  # fmt: skip
    linear = [np.array(mpl.colors.to_rgb(colour)) ** 2.2 for colour in (style.LEADER, style.FOLLOWER)]
    for matrix in simulations.values():
        leader, follower = (np.clip(np.array(matrix) @ colour, 0, 1) ** (1 / 2.2) for colour in linear)
        assert np.abs(leader - follower).sum() > 0.4


def test_drawing_changes_no_global_setting():
    before = dict(mpl.rcParams)
    sg.plot(RECORDS["line"])
    assert dict(mpl.rcParams) == before


def test_the_same_record_gives_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        sg.plot(RECORDS["line"], tmp_path / name)
    for suffix in ("svg", "csv"):
        first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("first", "second"))
        assert first == second


def test_a_jump_is_where_the_commitment_leaps_and_nowhere_else():
    record = RECORDS["rationality"]
    found = jumps(record["inverse_temperature"], record["commitment"])
    assert len(found) == 1
    assert PRECISION[PRECISION < 1.0].max() < found[0] < PRECISION[PRECISION >= 1.0].min()


def test_a_landscape_of_four_actions_says_what_to_draw_instead():
    record = landscape(np.eye(4), np.eye(4), np.eye(4))
    with pytest.raises(sg.InputError, match=r"2 or 3.*Draw"):
        sg.plot(record)


def test_an_unknown_kind_suggests_the_nearest():
    with pytest.raises(sg.InputError, match="landscape"):
        sg.plot(RECORDS["line"], kind="landscap")


def test_a_picture_that_cannot_be_written_names_its_path(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(sg.FileError, match="file"):
        sg.plot(RECORDS["solution"], tmp_path / "file" / "picture")


def test_a_table_keeps_its_columns_apart():
    table = Table(("name", "value"), [("a [b]", "1.5"), ("long name", "10.25")], right=frozenset({"value"}))
    assert table.plain().splitlines() == ["name       value", "a [b]        1.5", "long name  10.25"]
    assert table.rich() is not None


def test_every_estimate_lies_inside_the_frame_or_is_counted_above_it():
    record = RECORDS["estimation"]
    axes = sg.plot(record).axes[0]
    low, high = axes.get_ylim()
    assert low <= min(record["each"].min(), record["low"].min())
    assert high >= max(record["each"].max(), record["high"].max())
    far = sg.Record("estimation", {**record.columns, "each": record["each"] + [[0.0] * 7 + [95.0]]}, record.attributes)
    written = [text.get_text() for text in sg.plot(far).axes[0].texts]
    assert any("2 of 20 numbers lie above 15" in text for text in written)


def test_the_jump_is_named_and_no_legend_covers_a_line():
    figure = sg.plot(RECORDS["rationality"])
    (legend,) = figure.legends
    assert "here the best commitment jumps" in [text.get_text() for text in legend.get_texts()]
    assert all(axes.get_legend() is None for axes in figure.axes)
    figure.canvas.draw()
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_axes_of_probability_money_and_time_say_so():
    assert "probability" in sg.plot(RECORDS["rationality"]).axes[1].get_ylabel()
    assert sg.plot(RECORDS["demand"]).axes[1].get_ylabel() == "price (€/kWh)"
    times = sg.Record("demand", RECORDS["demand"].columns, {"periods": ["00:00", "06:00", "12:00", "18:00"]})
    lower = sg.plot(times).axes[1]
    assert lower.get_xlabel() == "start of the period"
    assert lower.get_xticks().tolist() == [-0.5, 0.5, 1.5, 2.5]


def test_numbers_on_a_map_are_readable_on_every_shade():
    """Contrast above 3.8 on every colour; dark text alone falls to 2 there, and WCAG 2 asks 3 of figures."""
    for colours in (style.VALUE_MAP, style.CHANCE_MAP):
        for ground in colours(np.linspace(0.0, 1.0, 201)):
            shades = sorted(style._luminance(colour) for colour in (ground, style.readable_on(ground)))
            assert (shades[1] + 0.05) / (shades[0] + 0.05) > 3.8


def test_a_map_says_its_scale_and_whom_it_assumes():
    record = sg.Record("coverage", RECORDS["coverage"].columns, {"grid": (5, 5), "follower": "SUQR", "title": "A park"})
    figure = sg.plot(record)
    assert len(figure.axes) == 4  # two maps, each with its scale
    assert "assumed follower: SUQR" in figure.get_suptitle()
