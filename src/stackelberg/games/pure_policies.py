"""All policies without chance, where they are few enough to go through."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError


def pure_policies(
    field: str, num_rows: int, num_actions: int, *, rows: str, most: int, remedy: str
) -> Float[np.ndarray, "k o a"]:
    """One action in each of `num_rows`, the last row changing fastest.

    Raises `InputError` about `field` where there are more than `most`; `rows` is what the rows are called, `remedy`
    what to do then.
    """
    if num_actions**num_rows > most:
        raise InputError(
            boundary.RANGE,
            field,
            found=f"with {num_rows} {rows} and {num_actions} actions there are {num_actions}^{num_rows} policies",
            allowed=f"at most {most:,} are gone through one by one",
            remedy=remedy,
        )
    actions = np.array(list(itertools.product(range(num_actions), repeat=num_rows)), dtype=int)
    return np.eye(num_actions)[actions]
