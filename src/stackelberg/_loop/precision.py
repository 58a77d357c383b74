"""The precision that a learner declares, entered around every call of the loop and left again."""

from __future__ import annotations

from contextlib import AbstractContextManager

import jax


def precise(precision: str) -> AbstractContextManager[object]:
    """A context in which JAX computes in "float32" or "float64", whatever the caller's flags, in this thread alone."""
    return jax.enable_x64(precision == "float64")
