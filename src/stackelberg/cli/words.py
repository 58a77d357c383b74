"""What errors of the library say, in the words of the command line."""

from __future__ import annotations

import re

from .early import MODELS


OPTIONS = {
    "announcement": "--announcement",
    "tolerance": "--tolerance",
    "time_limit": "--time-limit",
    "level": "--level",
    "folds": "--folds",
    "seed": "--seed",
    "num_plays": "--plays",
}
"""Fields of the library that are options here."""

_SPOKEN = [
    *((rf"\b(?:sg\.)?{model}\b", f"--model {name}") for name, model in MODELS.items()),
    (r"sg\.solve\(game\), or sg\.MultipleLPs\(\)", "--response best"),
    (r"\b(?:sg\.)?(?:MultipleLPs|BayesianMILP|SecurityLP)\b(?:\(\))?", "--response best"),
    (r"\b(?:sg\.)?QuantalResponse\((\d+)(?:\.0)?\)", r"--response quantal:\1"),
    (r"\b(?:sg\.)?GradientAscent\b(?:\(\))?", "--response quantal:NUMBER"),
    (r"\b(?:sg\.)?rationality_curve\b", "--kind rationality"),
    (r"\bstackelberg\.write_game\b", "`stackelberg games convert`"),
]


def spoken(text: str) -> str:
    """`text` with names of classes replaced by the options that choose them."""
    for name, option in _SPOKEN:
        text = re.sub(name, option, text)
    return text


def option(field: str) -> str:
    """The option that stands for a field of the library; the field itself where there is none."""
    return OPTIONS.get(field, field)
