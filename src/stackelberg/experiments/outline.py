"""What a record needs to know of an experiment, taken from its plain values: no object of it has to be built.

So the record of a run can be read where its learner is not known: a class of the program that ran it, or of a later
version.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._boundary import is_plain
from .digests import canonical, sha256


COSMETIC = ("title", "checkpoint_every")
"""What may change between two starts of one run: it decides no number."""


@dataclass(frozen=True)
class Outline:
    """Title, budget, seeds, settings and fingerprint of an experiment."""

    title: str
    num_steps: int
    seeds: tuple[int, ...]
    settings: tuple[dict[str, Any], ...]
    config: str


def outline(data: Mapping[str, Any]) -> Outline:
    """The outline of an experiment's plain values, or a `ValueError` that names what is not as it is written."""
    title, steps, seeds, over = data.get("title", ""), data.get("num_steps"), data.get("seeds"), data.get("over", {})
    if not isinstance(title, str) or not is_plain(title):
        raise ValueError("its title is no line of text")
    if type(steps) is not int or steps < 1:
        raise ValueError("its num_steps is no whole number above 0")
    if not isinstance(seeds, list) or not seeds or len(set(map(str, seeds))) < len(seeds):
        raise ValueError("its seeds are no list of different numbers")
    if any(type(seed) is not int or seed < 0 for seed in seeds):
        raise ValueError("its seeds are not all whole numbers")
    if not isinstance(over, dict) or not all(isinstance(values, list) and values for values in over.values()):
        raise ValueError("what it varies is not written as lists")
    combined = tuple(dict(zip(over, values, strict=True)) for values in itertools.product(*over.values()))
    return Outline(title, steps, tuple(seeds), combined, fingerprint(data))


def fingerprint(data: Mapping[str, Any]) -> str:
    """The fingerprint of everything in an experiment's plain values that decides a number."""
    return sha256(canonical({name: entry for name, entry in data.items() if name not in COSMETIC}))
