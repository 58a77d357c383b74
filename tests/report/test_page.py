"""The page of a run: everything that was measured and nothing that was not; tables that add up; no style of others."""

import csv
import hashlib
import io
import json
import re
from base64 import b64encode

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.report import statistics
from stackelberg.report.chart import chart
from stackelberg.report.summary import together

from .conftest import CITATION, CLAIMS
from .samples import run
from .test_injection import Skeleton


PAGE = sg.report_page(run(missing=True), claims=CLAIMS, citation=CITATION)


def test_the_policy_admits_the_style_and_the_script_of_the_page_and_nothing_else():
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', PAGE)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for element, pattern in (("style", r"<style>(.*?)</style>"), ("script", r"<script>(.*?)</script>")):
        (text,) = re.findall(pattern, PAGE, flags=re.DOTALL)
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy.replace("&#39;", "'")


def test_the_page_is_complete_in_itself_and_well_formed():
    found = Skeleton(PAGE)
    tags = [tag for tag, _ in found.tags]
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1
    assert not {"iframe", "object", "embed", "form", "base"} & set(tags)
    assert not re.search(r'(?:src|href)="(?!#|data:)', PAGE)
    assert not re.search(r"\s(?:style|on\w+)=", PAGE)
    assert '<html lang="en">' in PAGE
    opened = []
    for tag in tags:
        if tag.startswith("/"):
            assert opened.pop() == tag[1:]
        elif tag not in {"meta", "link", "input", "img"}:
            opened.append(tag)
    assert opened == []
    names = re.findall(r'\sid="([^"]*)"', PAGE)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "words",
    ["17 complete, 2 incomplete, 5 missing", "Gradient ascent on the commitment game", "learning_rate", "Theorem 3",
     "branch and bound", "not measured", "@software{stackelberg", "The first ten steps are warm-up.", "0.1.0",
     "inverse_temperature",
     "count with the last value that they recorded", "3.100 [3.090, 3.110]"],
)  # fmt: skip
def test_the_page_shows(words):
    assert words in PAGE


def test_what_is_not_there_has_no_section():
    page = sg.report_page(run(certificate=None, notes=()))
    for heading in ("Certificate", "Claims", "Citation", "Notes", "Pictures"):
        assert f">{heading}</h2>" not in page
        assert f">{heading}</a>" not in page


@pytest.mark.parametrize("changes", [{"metrics": ()}, {"num_steps": 1}, {"num_seeds": 1}, {"num_settings": 1}])
def test_small_runs_have_a_page(changes):
    assert "<h1>" in sg.report_page(run(**changes))


def test_runs_that_measured_nothing_say_so():
    record = run(2, 2, 5)
    empty = {name: np.full_like(values, np.nan) for name, values in record.metrics.items()}
    page = sg.report_page(run(2, 2, 5, metrics=tuple(empty)) if not empty else _with(record, metrics=empty))
    assert "not measured" in page
    assert "Nothing was measured." in page


def _with(record, **changes):
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return sg.RunRecord(**(fields | changes))


def test_the_chart_shows_the_same_numbers_as_its_table():
    data = next(json.loads(text) for name, text in Skeleton(PAGE).data.items() if name != "record")
    for texts in data["texts"]:
        for text in filter(None, texts):
            assert f"<td>{text}</td>" in PAGE
    assert len(data["steps"]) == len(data["across"]) == len(data["heights"][0])
    assert data["across"][0] == 0.0
    assert data["across"][-1] == 100.0


@pytest.mark.parametrize("low", [0.0, -0.37, 1234.5, 1e-4])
@pytest.mark.parametrize("spread", [0.003, 0.25, 1.0, 7.0, 950.0, 2e5])
def test_ticks_are_written_exactly_and_stand_where_their_number_is(low, spread):
    record = run(1, 1, 2, metrics=("suboptimality",))
    values = {"suboptimality": np.array([low, low + spread])[:, None, None]}
    drawn = chart(_with(record, metrics=values), "suboptimality", "chart-1")
    first, last = (drawn.data["heights"][0][place] for place in (0, 1))
    assert len(drawn.up) >= 2
    for tick in drawn.up:
        expected = low + spread * (first - tick.place) / (first - last)
        assert float(tick.text.replace(",", "")) == pytest.approx(expected, abs=2e-4 * spread)


def test_numbers_that_are_not_finite_never_reach_the_data():
    for text in Skeleton(PAGE).data.values():
        json.loads(text, parse_constant=lambda word: pytest.fail(word))


def test_a_summary_has_a_row_per_setting_with_the_estimates_of_its_seeds():
    record = run(missing=True)
    table = sg.summary(record, ["suboptimality"])
    assert table.headers == ("learning_rate", "seeds", "IQM", "95% interval", "mean")
    assert [row[1] for row in table.rows] == ["6/8", "8/8", "3/8"]
    for row, values in zip(table.rows, record.final("suboptimality"), strict=True):
        found = statistics.interquartile_mean(values)
        assert float(row[2]) == pytest.approx(found.value, rel=1e-3)
        low, high = (float(end) for end in row[3].strip("[]").split(", "))
        assert (low, high) == pytest.approx((found.low, found.high), abs=0.1 * (found.high - found.low))
        assert float(row[4]) == pytest.approx(np.nanmean(values), rel=1e-3)
    assert sg.summary(run(1, 1)).rows[0][3] == "one seed, no interval"
    assert len(sg.summary(record).headers) == 2 + 3 * 2
    assert sg.summary(record).plain()


def test_a_summary_of_an_unknown_metric_suggests_the_nearest():
    with pytest.raises(sg.InputError, match="suboptimality"):
        sg.summary(run(), ["suboptimalty"])


def test_the_long_form_holds_every_number_that_was_measured_exactly():
    record = run(missing=True)
    rows = list(csv.DictReader(io.StringIO(sg.tidy(record))))
    assert len(rows) == sum(np.isfinite(values).sum() for values in record.metrics.values())
    back = {name: np.full_like(values, np.nan) for name, values in record.metrics.items()}
    rates = [setting["learner.optimiser.learning_rate"] for setting in record.settings]
    for row in rows:
        place = (
            record.steps.tolist().index(int(row["step"])),
            rates.index(float(row["learner.optimiser.learning_rate"])),
            record.seeds.index(int(row["seed"])),
        )
        back[row["metric"]][place] = float(row["value"])
    for name, values in record.metrics.items():
        np.testing.assert_array_equal(back[name], values)


def test_intervals_are_written_to_two_digits_of_their_width():
    assert together(0.019856, 0.001998, 0.04549) == "0.020 [0.002, 0.045]"
    assert together(1234.5, 1200.0, 1300.0) == "1234 [1200, 1300]"
    assert together(2.0, 2.0, 2.0) == "2 [2, 2]"
    assert together(2.0, float("nan"), float("nan")) == "2"
    assert together(1e-9, 0.5e-9, 2e-9) == "1e-09 [5e-10, 2e-09]"


def test_a_picture_that_is_neither_png_nor_svg_is_refused():
    with pytest.raises(sg.InputError, match="PNG or SVG"):
        sg.report_page(run(1, 1), pictures={"photo": b"GIF89a"})


def test_a_page_is_written_whole_with_its_ending(tmp_path):
    path = sg.write_report(run(1, 2, 5), tmp_path / "below.v2")
    assert path.name == "below.v2.html"
    assert path.read_text() == sg.report_page(run(1, 2, 5))
    assert sg.write_report(run(1, 1, 2), tmp_path / "new" / "page.html").exists()
    with pytest.raises(sg.FileError, match="below"):
        sg.write_report(run(1, 1, 2), path / "page.html")


def test_claims_come_as_mappings_or_as_objects_that_give_them():
    class Verdict:
        def to_json(self):
            return dict(CLAIMS[0])

    page = sg.report_page(run(1, 1), claims=[Verdict(), *CLAIMS[1:]])
    assert page == sg.report_page(run(1, 1), claims=CLAIMS)
    for words in ("at least 3.1 (tolerance 0.01)", "3.100 [3.090, 3.110]", ">yes<", ">no<", ">not measured<"):
        assert words in page


@pytest.mark.parametrize("claim", [{"statement": "x"}, "x", dict(CLAIMS[0], holds="maybe")])
def test_a_claim_that_lacks_something_is_refused(claim):
    with pytest.raises(sg.InputError, match=r"claims\[0\].*holds"):
        sg.report_page(run(1, 1), claims=[claim])
