"""One step of Adam on a tree of weights."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import optax


def at_rest(weights: Any) -> Any:
    """Adam's moments before the first step."""
    return optax.scale_by_adam().init(eqx.filter(weights, eqx.is_inexact_array))


def moved(weights: Any, moments: Any, slope: Any, rate: Any) -> tuple[Any, Any]:
    """Weights and moments after one step down the slope."""
    push, moments = optax.scale_by_adam().update(slope, moments)
    return eqx.apply_updates(weights, jax.tree.map(lambda leaf: -rate * leaf, push)), moments
