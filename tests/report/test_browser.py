"""Pages in a real browser: nothing is fetched, refused or cut off; numbers are read off by pointer and by keyboard."""

import io
import json
import re

import numpy as np
import pytest
from matplotlib.image import imread

import stackelberg as sg
from stackelberg.report import series

from . import browser as headless
from .conftest import claim
from .payloads import PAYLOADS
from .samples import run
from .test_injection import spoilt


WIDTHS = (390, 1280)
NAMES = ("sweep", "single", "missing", "forty", "four")


def pixels(picture):
    return imread(io.BytesIO(picture), format="png")


@pytest.mark.parametrize("name", NAMES)
def test_pages_ask_for_nothing_complain_of_nothing_and_fit(name, pages, browser):
    grounds = []
    for width in WIDTHS:
        for dark in (False, True):
            browser.open(pages[name], width=width, dark=dark)
            assert browser.complaints() == []
            assert browser.requests() == []
            assert browser.evaluate("performance.getEntriesByType('resource').length") == 0
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.evaluate(OUTSIDE) == []
            grounds.append(pixels(browser.picture(whole=False))[5, 5, :3].mean())
    assert grounds[0] > 0.9 > 0.3 > grounds[1]
    assert grounds[2] > 0.9 > 0.3 > grounds[3]


# Elements that stick out of the page and of nothing that scrolls.
OUTSIDE = """[...document.querySelectorAll("body *")].filter(node => {
  const box = node.getBoundingClientRect();
  return box.width > 0 && !node.closest(".scroll, pre") && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(node => node.tagName + "." + node.className)"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_text_has_the_contrast_of_wcag_aa_and_lines_that_of_graphics(width, dark, pages, browser):
    browser.open(pages["sweep"], width=width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(node => node.open = true)")
    found = browser.evaluate(CONTRASTS)
    assert len(found) > 100
    assert not [entry for entry in found if entry[1] < entry[2]]
    weak = "rgb(90, 90, 90)" if dark else "rgb(150, 150, 150)"  # planted bugs, with contrasts of 2.6 and 3.0
    browser.evaluate(f"document.querySelector('h1').style.color = '{weak}'")
    browser.evaluate("document.querySelector('.line').style.stroke = getComputedStyle(document.body).backgroundColor")
    assert len([entry for entry in browser.evaluate(CONTRASTS) if entry[1] < entry[2]]) == 2


# The contrast of each text with the ground below it (4.5 asked for), and of each line with the page (3).
CONTRASTS = """(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (parts(colour).length < 4 || parts(colour)[3] > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const ratio = (one, two) => {
    const [dark, bright] = [light(one), light(two)].sort((x, y) => x - y);
    return (bright + 0.05) / (dark + 0.05);
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; text = walk.nextNode();) {
    const node = text.parentElement;
    if (!text.data.trim() || node.closest("script") || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const colour = node.closest("svg") ? style.fill : style.color;
    found.push([text.data.trim().slice(0, 40), ratio(colour, ground(node)), 4.5]);
  }
  for (const line of document.querySelectorAll(".line"))
    found.push([line.getAttribute("class"), ratio(getComputedStyle(line).stroke, ground(line)), 3]);
  return found;
})()"""


def test_the_leader_is_blue_and_the_follower_orange_in_light_and_dark(pages, browser):
    for dark in (False, True):
        browser.open(pages["sweep"], width=1280, dark=dark)
        strokes = browser.evaluate(
            "['.leader .shade0', '.follower .shade0'].map(name => getComputedStyle(document.querySelector("
            "name + '.line')).stroke)"
        )
        (red, _, blue), (warm, _, cold) = ([int(part) for part in re.findall(r"\d+", stroke)] for stroke in strokes)
        assert blue > red + 60
        assert warm > cold + 60


def box(browser):
    browser.evaluate("document.querySelector('svg.plot').scrollIntoView({block: 'center'})")
    return browser.evaluate(
        "(() => { const box = document.querySelector('svg.plot').getBoundingClientRect();"
        " return [box.left, box.top, box.width, box.height]; })()"
    )


def values(browser):
    return browser.evaluate(
        "[...document.querySelector('figure.chart').querySelectorAll('.legend .value')].map(node => node.textContent)"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_hovering_reads_the_values_of_the_nearest_step(width, pages, browser):
    record = run()
    drawn = series.learning(record, ["suboptimality"])
    browser.open(pages["sweep"], width=width)
    left, top, wide, high = box(browser)
    for place in (0, 37, 99):
        share = (record.steps[place] - record.steps[0]) / (record.steps[-1] - record.steps[0])
        browser.move(left + share * wide * 0.998 + 0.2, top + high / 2)
        assert browser.evaluate("document.querySelector('output').textContent") == f"{record.steps[place]:,}"
        for setting, text in enumerate(values(browser)):
            row = np.flatnonzero((drawn["setting"] == setting + 1) & (drawn["step"] == record.steps[place]))[0]
            value, low, low_end, seeds = *re.findall(r"-?[\d.]+", text)[:3], text.rsplit(", ", 1)[1]
            half = 0.51 * 10.0 ** -len(value.partition(".")[2])
            assert abs(float(value) - drawn["value"][row]) <= half
            assert abs(float(low) - drawn["low"][row]) <= half
            assert abs(float(low_end) - drawn["high"][row]) <= half
            assert seeds == "8 seeds"
        dots = browser.evaluate("document.querySelectorAll('.cursor circle').length")
        assert dots == 3
    assert browser.complaints() == []


def test_the_keyboard_reads_values_too_and_says_them(pages, browser):
    browser.open(pages["missing"], width=390)
    browser.evaluate("document.querySelector('input[type=range]').focus()")
    browser.press("Home")
    browser.press("ArrowRight")
    assert browser.evaluate("document.querySelector('output').textContent") == "20"
    spoken = browser.evaluate("document.querySelector('input[type=range]').getAttribute('aria-valuetext')")
    assert spoken.startswith("step 20: learning_rate 0.001 ")
    browser.press("ArrowLeft")
    assert "not measured here" in values(browser)
    assert browser.complaints() == []


def test_everything_that_scrolls_or_opens_can_be_reached_by_keyboard(pages, browser):
    browser.open(pages["sweep"], width=390)
    unreachable = browser.evaluate(
        "[...document.querySelectorAll('.scroll, pre')].filter(node => node.tabIndex < 0).length"
    )
    assert unreachable == 0
    assert browser.evaluate("document.querySelectorAll('h1').length") == 1
    assert browser.evaluate("document.querySelectorAll('th:not([scope])').length") == 0


def test_print_shows_tables_whole_on_white(pages, browser):
    browser.open(pages["sweep"], width=1280, dark=True, media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_no_payload_runs_in_a_browser(browser, tmp_path):
    """Every payload, each in all places of one page: no script of theirs runs, nothing is asked for or refused."""
    for place, text in enumerate(PAYLOADS[::6]):
        path = sg.write_report(spoilt(text), tmp_path / f"page-{place}.html", claims=[claim(text, text, text)])
        browser.open(path, width=390)
        assert browser.complaints() == [], text
        assert browser.requests() == []
        assert json.loads(browser.evaluate("document.getElementById('record').textContent"))["name"] == text


def test_a_style_or_script_that_is_not_ours_is_refused_and_noticed(pages, browser, tmp_path):
    """Planted bugs: a page with a foreign script, one with a foreign style, one that fetches a picture."""
    page = pages["sweep"].read_text()
    for place, foreign in enumerate(
        ("<script>document.title = 'x'</script>", '<p style="color: red">x</p>', "<img src='http://127.0.0.1:9/x.png'>")
    ):
        path = tmp_path / f"page-{place}.html"
        path.write_text(page.replace("</main>", foreign + "</main>"))
        browser.open(path, width=390)
        assert browser.complaints()
        assert browser.evaluate("document.title") != "x"


def test_without_a_browser_tests_fail_where_ci_is_set_and_are_skipped_elsewhere(monkeypatch):
    monkeypatch.setattr(headless.shutil, "which", lambda name: None)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        headless.executable()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        headless.executable()
