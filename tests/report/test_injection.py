"""What people write stays text: on the page, in its data, in a CSV and in a picture."""

import csv
import io
import json
import re
from functools import cache
from html.parser import HTMLParser
from unittest import mock

import jinja2
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.report import page, style
from stackelberg.report.cells import FORMULA_STARTS, cell, is_unseen, visible
from stackelberg.report.figures import table

from .conftest import claim
from .payloads import PAYLOADS
from .samples import run


def short(text):
    """The name of a test."""
    return ascii(text)[1:41]


class Skeleton(HTMLParser):
    """The tags of a page with the names of their attributes, and the text of its data blocks."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self._block = [], {}, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        if tag == "script" and ("type", "application/json") in attrs:
            self._block = dict(attrs).get("id") or f"chart-{len(self.data)}"

    def handle_endtag(self, tag):
        self.tags.append(("/" + tag, ()))
        self._block = None

    def handle_data(self, data):
        if self._block is not None:
            self.data[self._block] = self.data.get(self._block, "") + data

    def handle_comment(self, data):
        self.tags.append(("comment", ()))

    def handle_pi(self, data):
        self.tags.append(("pi", ()))


def spoilt(text):
    """A small sweep with `text` in every place that a person can write to."""
    settings = tuple({f"learner.{text}": f"{text}{place}", "rate": 0.1 * (place + 1)} for place in range(2))
    return run(
        2,
        3,
        4,
        metrics=("suboptimality",),
        name=text,
        title=text,
        settings=settings,
        meanings={"suboptimality": sg.Metric(text, text, "leader", "lower")},
        experiment={"kind": text, text: {"a": [text, 1], text: [{text: text}]}},
        provenance={text: text},
        certificate={"status": text},
        notes=(text, text),
    )


@cache
def page_of(text):
    said = claim(text, text, text, text, unit=text, relation=text)
    return sg.report_page(spoilt(text), claims=[said], citation=text or "-", pictures={text: b"\x89PNG\r\n\x1a\n"})


HARMLESS = Skeleton(page_of("harmless")).tags


def test_there_are_enough_payloads():
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 150


@pytest.mark.parametrize("text", PAYLOADS, ids=short)
def test_no_text_changes_the_tags_of_the_page_and_its_data_read_back(text):
    found = Skeleton(page_of(text))
    assert found.tags == HARMLESS
    data = json.loads(found.data["record"])
    assert (data["name"], data["title"], data["notes"]) == (text, text, [text, text])
    assert data["settings"][0] == {f"learner.{text}": f"{text}0", "rate": 0.1}
    assert data["experiment"] == {"kind": text, text: {"a": [text, 1], text: [{text: text}]}}
    assert data["claims"][0]["statement"] == text
    (chart,) = (json.loads(block) for name, block in found.data.items() if name != "record")
    assert chart["metric"] == text
    assert not [block for block in found.data.values() if re.search("[<>&]", block)]


@pytest.mark.parametrize("text", PAYLOADS, ids=short)
def test_the_page_hides_nothing_and_runs_no_template(text):
    written = page_of(text)
    written.encode()
    hidden = {mark for mark in set(written) if is_unseen(mark)} - {"\n"}
    assert not hidden
    assert "{{7*7}}" in written or text != "{{7*7}}"


def test_a_page_that_escapes_nothing_is_caught():
    """Planted bug: templates without autoescape."""
    loader = jinja2.PackageLoader("stackelberg.report", "templates")
    careless = jinja2.Environment(loader=loader, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    careless.policies["json.dumps_kwargs"] = {"ensure_ascii": True}
    with mock.patch.object(page, "templates", return_value=careless):
        caught = [text for text in PAYLOADS[::4] if Skeleton(page_of.__wrapped__(text)).tags != HARMLESS]
    assert len(caught) >= 20


def test_data_that_is_not_escaped_is_caught():
    """Planted bug: JSON as it is, inside a script element."""
    careless = json.dumps({"title": "</script><script>alert(1)//"})
    found = Skeleton(f'<script type="application/json" id="record">{careless}</script>')
    assert found.tags != Skeleton('<script type="application/json" id="record">{}</script>').tags


def test_no_template_and_no_code_marks_text_as_safe():
    folder = page.templates().loader
    for name in folder.list_templates():
        text = folder.get_source(page.templates(), name)[0]
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), name
        assert not re.search(r"\sstyle=|\son\w+=|https?://(?!www\.w3\.org/2000/svg)", text), name
    assert page.templates().autoescape is True
    assert page.templates().undefined is jinja2.StrictUndefined


def runs_as_a_formula(text):
    """What spreadsheets do: blanks and unseen characters are skipped, then the first character decides."""
    return "".join(mark for mark in text[:100] if not is_unseen(mark)).lstrip().startswith(FORMULA_STARTS)


@pytest.mark.parametrize("text", PAYLOADS, ids=short)
def test_no_cell_of_a_csv_runs_or_hides(text):
    rows = list(csv.reader(io.StringIO(sg.tidy(spoilt(text)), newline="")))
    assert {len(row) for row in rows} == {7}  # run, two fields, seed, step, metric, value
    assert len(rows) == 1 + 4 * 2 * 3
    for value in {entry for row in rows for entry in row}:
        is_number = re.fullmatch(r"-?[\d.]+(e-?\d+)?", value)
        assert is_number or not runs_as_a_formula(value)
        assert not any(is_unseen(mark) for mark in set(value))


def test_cells_that_are_not_escaped_are_caught():
    """Planted bug: text as it is."""
    assert sum(runs_as_a_formula(text) for text in PAYLOADS) >= 20
    assert not any(runs_as_a_formula(cell(text)) for text in PAYLOADS)


def test_numbers_in_a_csv_stay_numbers():
    assert cell(-1.5) == -1.5
    assert cell("-1.5") == "'-1.5"
    record = sg.Record("stress", {"model": np.array(["=1+1"]), "leader_value": np.array([-2.0])})
    assert table(record) == "model,leader_value\n'=1+1,-2.0\n"


def outline(svg):
    """The elements of a picture without its letters, which are drawn as paths."""
    text = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    tags = re.findall(r"<(/?[a-zA-Z][\w:]*)", text)
    letters = {"use", "/use", "defs", "/defs", "path", "/path", "g", "/g"}
    return {tag: tags.count(tag) for tag in set(tags) - letters}


@cache
def picture_of(text):
    written = io.StringIO()
    with style.drawing():
        sg.plot(spoilt(text), kind="comparison").savefig(written, format="svg")
    return outline(written.getvalue())


@pytest.mark.parametrize("text", PAYLOADS[::5], ids=short)
def test_a_picture_has_the_same_parts_whatever_its_words(text):
    assert picture_of(text) == picture_of("harmless")


def test_dollars_and_backslashes_are_drawn_as_they_stand():
    figure = sg.plot(spoilt("$\\frac{"), kind="comparison")
    assert figure.get_suptitle() == "$\\frac{"


@pytest.mark.parametrize("text", PAYLOADS, ids=short)
def test_visible_text_is_printable_and_keeps_what_was_printable(text):
    shown = visible(text)
    assert not any(is_unseen(mark) for mark in set(shown))
    assert text.isprintable() <= (shown == text)
