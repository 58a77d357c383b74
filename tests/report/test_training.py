"""Pictures of runs: what is drawn is what was measured, in the colour of its seat, with its interval or why not."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

import stackelberg as sg
from stackelberg.report import statistics, style
from stackelberg.report.series import SERIES, setting_labels

from .samples import run


RUNS = {
    "sweep": run(),
    "single": run(1, 1),
    "missing": run(missing=True),
    "twenty": run(20, 2, 20, metrics=("suboptimality",)),
    "four": run(4, 5, 20, metrics=("leader_value", "suboptimality", "follower_regret", "seconds")),
    "one step": run(2, 3, 1),
}
DRAWN = [(name, kind) for name in RUNS for kind in SERIES if (name, kind) != ("single", "sensitivity")]


def line_colours(axes):
    return {to_hex(line.get_color()).lower() for line in axes.get_lines()}


@pytest.mark.parametrize(("name", "kind"), DRAWN)
def test_every_kind_comes_as_png_svg_and_csv_with_all_its_words_inside_and_no_legend_on_a_panel(name, kind, tmp_path):
    figure = sg.plot(RUNS[name], tmp_path / "picture", kind)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "picture.svg").read_bytes()[:2000]
    with (tmp_path / "picture.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} == set(RUNS[name].metrics)
    assert {int(row["setting"]) for row in rows} == set(range(1, len(RUNS[name].settings) + 1))
    assert {"value", "low", "high", "seeds"} <= set(rows[0])
    with style.drawing():
        words, legend = figure.get_tightbbox(), figure.legends[0].get_window_extent()
        assert not any(legend.overlaps(axes.get_window_extent()) for axes in figure.axes)
    width, height = figure.get_size_inches()
    assert min(words.x0, words.y0) >= -0.01
    assert max(words.x1 - width, words.y1 - height) <= 0.01


def test_a_learning_curve_shows_the_interquartile_mean_of_each_step():
    record = RUNS["sweep"]
    (axes,) = sg.plot(record, kind="learning", metric="suboptimality").axes
    thick = [line for line in axes.get_lines() if line.get_linewidth() > 1.0]
    assert len(thick) == 3
    for place, line in enumerate(thick):
        expected = [statistics.interquartile_mean(row).value for row in record.metrics["suboptimality"][:, place]]
        np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-12)
        np.testing.assert_array_equal(line.get_xdata(), record.steps)
    thin = [line for line in axes.get_lines() if line.get_linewidth() < 1.0]
    assert len(thin) == 3 * 8
    assert len({(to_hex(line.get_color()), str(line.get_linestyle())) for line in thick}) == 3


def test_panels_have_the_colour_of_the_seat_whose_number_they_show():
    axes = sg.plot(RUNS["four"], kind="learning").axes
    blue, same, orange, grey = ({to_hex(line.get_color()) for line in panel.get_lines()} for panel in axes)
    assert blue == same == {shade.lower() for shade in style.SHADES["leader"]}
    assert orange == {shade.lower() for shade in style.SHADES["follower"]}
    assert grey == {shade.lower() for shade in style.SHADES["neither"]}


def test_every_shade_is_readable_on_white():
    for shades in style.SHADES.values():
        for shade in shades:
            assert 1.05 / (style._luminance(shade) + 0.05) >= 3.0


def test_axes_say_what_and_in_which_unit_and_the_legend_says_what_the_band_is():
    figure = sg.plot(RUNS["sweep"])
    upper, lower = figure.axes
    assert (upper.get_title(loc="left"), upper.get_ylabel()) == ("suboptimality", "payoff")
    assert (lower.get_title(loc="left"), lower.get_ylabel()) == ("follower's regret", "payoff")
    assert lower.get_xlabel() == "step"
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:3] == ["learning_rate 0.001", "learning_rate 0.01", "learning_rate 0.1"]
    assert words[3] == "95% interval of the interquartile mean over 8 seeds"
    assert "over 3 to 8 seeds" in sg.plot(RUNS["missing"]).legends[0].get_texts()[-1].get_text()
    assert sg.plot(RUNS["single"]).legends[0].get_texts()[-1].get_text() == "one seed, no interval"


def test_a_loss_that_falls_far_has_a_logarithmic_axis_and_nothing_else_has():
    steps = np.arange(1, 41)
    falling = np.exp(-0.2 * steps)[:, None, None] * np.ones((1, 1, 4))
    sizes = {"steps": steps, "seeds": (0, 1, 2, 3), "status": np.full((1, 4), "complete"), "settings": ({},)}
    record = replace(RUNS["single"], metrics={"loss": falling}, **sizes)
    better = {"lower": "log", "higher": "linear", "neither": "linear"}
    for direction, scale in better.items():
        meanings = {"loss": sg.Metric("loss", "payoff", "leader", direction)}
        drawn = sg.plot(replace(record, meanings=meanings))
        assert drawn.axes[0].get_yscale() == scale
        drawn.draw_without_rendering()
        assert not any("$" in tick.get_text() for tick in drawn.axes[0].get_yticklabels(which="both"))
    shallow = replace(record, metrics={"loss": 1.0 + falling}, meanings={"loss": sg.Metric("loss", better="lower")})
    assert sg.plot(shallow).axes[0].get_yscale() == "linear"


def test_a_name_of_a_metric_is_a_kind_and_means_its_learning_curve():
    direct, named = (
        sg.plot(RUNS["sweep"], kind="follower_regret"),
        sg.plot(RUNS["sweep"], None, "learning", "follower_regret"),
    )
    for one, two in zip(direct.axes[0].get_lines(), named.axes[0].get_lines(), strict=True):
        np.testing.assert_array_equal(one.get_ydata(), two.get_ydata())
    assert len(direct.axes) == 1


def test_a_profile_counts_the_seeds_beyond_each_threshold():
    record = RUNS["sweep"]
    (axes,) = sg.plot(record, kind="profile", metric="suboptimality").axes
    line = axes.get_lines()[0]
    final = record.final("suboptimality")[0]
    expected = [(final < threshold).mean() for threshold in line.get_xdata()]
    np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-12)
    assert axes.get_ylabel() == "share of seeds below τ"


def test_a_number_that_spans_more_than_30_times_is_drawn_on_a_logarithmic_axis():
    assert sg.plot(RUNS["sweep"], kind="sensitivity").axes[0].get_xscale() == "log"
    near = run(3, settings=tuple({"learner.horizon": number} for number in (5, 10, 20)))
    axes = sg.plot(near, kind="sensitivity").axes[-1]
    assert axes.get_xscale() == "linear"
    assert axes.get_xlabel() == "learner.horizon"


def test_a_second_field_that_was_swept_gives_one_line_each():
    settings = tuple({"rate": rate, "follower": name} for name in ("quantal", "best") for rate in (0.1, 0.2))
    figure = sg.plot(run(4, settings=settings), kind="sensitivity")
    assert len(figure.axes[0].get_lines()) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["follower quantal", "follower best"]


def test_a_sensitivity_without_a_number_says_what_to_draw():
    words = run(2, settings=({"follower": "quantal"}, {"follower": "best"}))
    with pytest.raises(sg.InputError, match=r"no number.*follower.*comparison"):
        sg.plot(words, kind="sensitivity")


@pytest.mark.parametrize(
    ("kind", "metric", "near"), [("learnin", None, "learning"), ("profile", "suboptimalty", "suboptimality")]
)
def test_an_unknown_kind_or_metric_suggests_the_nearest(kind, metric, near):
    with pytest.raises(sg.InputError, match=f"Did you mean '{near}'"):
        sg.plot(RUNS["sweep"], kind=kind, metric=metric)


def test_a_run_without_metrics_says_so():
    with pytest.raises(sg.InputError, match="nothing was recorded"):
        sg.plot(run(metrics=()))


def test_long_runs_are_thinned_to_400_steps_with_both_ends():
    record = run(1, 2, 3000, metrics=("suboptimality",))
    drawn = SERIES["learning"](record, ["suboptimality"])
    assert len(drawn["step"]) == 400
    assert (drawn["step"][0], drawn["step"][-1]) == (record.steps[0], record.steps[-1])


def test_settings_are_named_by_what_differs_and_never_alike():
    settings = [{"a.rate": 0.1, "b.rate": 1, "same": 3}, {"a.rate": 0.2, "b.rate": 1.5, "same": 3}]
    assert setting_labels(settings) == ["a.rate 0.1, b.rate 1", "a.rate 0.2, b.rate 1.5"]
    assert setting_labels([{}]) == [""]
    assert len(set(setting_labels([{"rate": 0.12345678}, {"rate": 0.12345679}]))) == 2


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        sg.plot(RUNS["sweep"], tmp_path / name, "comparison")
    for suffix in ("svg", "csv"):
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
