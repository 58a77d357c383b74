"""What the docs show of the command line is what the command line prints."""

import re
import runpy
from pathlib import Path

import pytest


DOCS = Path(__file__).parent.parent / "docs"
REFRESH = runpy.run_path(str(DOCS / "refresh.py"))
PAGES = sorted(page for page in DOCS.rglob("*.md") if "```console" in page.read_text(encoding="utf-8"))


def parameter(page):
    """The demo takes seconds of computing, and its numbers are tested elsewhere every day."""
    marks = pytest.mark.slow if "stackelberg demo" in page.read_text(encoding="utf-8") else ()
    return pytest.param(page, marks=marks, id=page.stem)


@pytest.mark.parametrize("page", [parameter(page) for page in PAGES])
def test_a_page_shows_what_its_commands_print(page, monkeypatch):
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    shown = page.read_text(encoding="utf-8")
    real = REFRESH["refreshed"](shown)
    assert REFRESH["differences"](shown, real) == []


def test_a_wrong_number_in_the_docs_is_caught():
    page = (DOCS / "index.md").read_text(encoding="utf-8")
    assert "3.106" in page
    assert REFRESH["differences"](page, page.replace("3.106", "3.206")) != []


def test_links_and_pictures_of_the_docs_exist():
    missing = []
    for page in sorted(DOCS.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.relative_to(DOCS)}: {target}")
    assert missing == []
