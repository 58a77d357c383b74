"""Every error code has an entry in the docs, and every entry a code."""

import importlib
import pkgutil
import re
from pathlib import Path

import stackelberg


ROOT = Path(__file__).parent.parent
CODE = re.compile(r"[EW]-[A-Z]+-\d{3}")


def codes_in_source():
    found = set()
    for module in pkgutil.walk_packages(stackelberg.__path__, "stackelberg."):
        if module.name.endswith("__main__"):  # to import it is to run it
            continue
        for value in vars(importlib.import_module(module.name)).values():
            code = vars(value).get("code") if isinstance(value, type) else value
            if isinstance(code, str) and CODE.fullmatch(code):
                found.add(code)
    for path in Path(stackelberg.__path__[0]).rglob("*.py"):
        found |= set(CODE.findall(path.read_text(encoding="utf-8")))
    return found


def codes_in_docs(text):
    return [line.removeprefix("### ") for line in text.splitlines() if line.startswith("### ")]


def test_every_code_has_one_entry_and_every_entry_a_code():
    entries = codes_in_docs((ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))
    assert len(entries) == len(set(entries))
    assert set(entries) == codes_in_source()


def test_a_forgotten_entry_would_be_noticed():
    entries = codes_in_docs("### E-INPUT-001\ntext\n### E-NONE-001\n")
    assert set(entries) - codes_in_source() == {"E-NONE-001"}
    assert len(codes_in_source()) > 40
