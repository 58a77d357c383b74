"""Several settings of one learner as one tree, so that settings × seeds run as one compiled call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from .devices import Placement, placement
from .precision import precise


class Learners(eqx.Module):
    """Settings of a learner (and of its monitor) that differ only in floats and arrays.

    - `varied`: the leaves that differ, stacked along a first axis g; `None` elsewhere.
    - `fixed`: everything else; `None` where a leaf is varied.
    - `originals`: the learners and monitors one by one, kept only where steps run on the host.
    - `size`: g.  `precision`, `on_host`: as the learner says.
    - `placement`: on which devices they run; None for the one that JAX picks.
    """

    varied: Any
    fixed: Any
    originals: tuple[tuple[Any, Any], ...]
    size: int = eqx.field(static=True)
    precision: str = eqx.field(static=True)
    on_host: bool = eqx.field(static=True)
    has_monitor: bool = eqx.field(static=True)
    placement: Placement | None = eqx.field(static=True, default=None)

    def on_devices(self, devices: Any, num_seeds: int) -> Learners:
        """The same, to run on several devices: a number, "all", or None for one. Raises `InputError`."""
        place = placement(devices, num_seeds)
        if place is not None and self.on_host:
            raise InputError(
                boundary.INCONSISTENT,
                "devices",
                found="steps of this learner run in Python",
                allowed="only compiled steps run on several devices",
                remedy="Leave `devices` away.",
            )
        return replace(self, placement=place)

    def batched(self, function: Callable[..., Any], *trees: Any) -> Any:
        """`function(learner, monitor, *parts)` for every setting and seed, where each of `trees` has axes `(g, s)`."""

        def one(varied: Any, *parts: Any) -> Any:
            learner, monitor = eqx.combine(varied, self.fixed)
            return function(learner, monitor, *parts)

        each = eqx.if_array(0)
        over_seeds = eqx.filter_vmap(one, in_axes=(None, *(each for _ in trees)))
        return eqx.filter_vmap(over_seeds, in_axes=(each, *(each for _ in trees)))(self.varied, *trees)

    def each(self, function: Callable[..., Any], *trees: Any) -> Any:
        """The same on the host, one after the other, the results stacked again."""
        first = next(leaf for leaf in jax.tree.leaves(trees) if eqx.is_array(leaf) or isinstance(leaf, np.ndarray))
        settings, seeds = first.shape[:2]
        made = [
            [function(*self.originals[g], *(_part(tree, g, s) for tree in trees)) for s in range(seeds)]
            for g in range(settings)
        ]
        return _stack_leaves([_stack_leaves(row) for row in made])


def stacked(learner: Any) -> Learners:
    """One learner as a stack of one; a stack stays what it is."""
    return learner if isinstance(learner, Learners) else stack([learner])


def stack(learners: Sequence[Any], monitors: Sequence[Any] | None = None) -> Learners:
    """The settings as one tree.

    Raises `InputError` naming the field when settings differ in more than floats and arrays of one shape: whole
    numbers, words and names decide what is compiled, and such settings are run one by one.
    """
    watched = [None] * len(learners) if monitors is None else list(monitors)
    if not learners or len(watched) != len(learners):
        raise InputError(
            boundary.SHAPE,
            "monitors",
            found=f"there are {len(watched)} monitors for {len(learners)} learners",
            allowed="at least one learner is needed, and one monitor for each",
            remedy="Give as many monitors as learners, or none.",
        )
    pairs = list(zip(learners, watched, strict=True))
    precision = str(learners[0].precision)
    with precise(precision):
        varied, fixed = _divided(pairs)
    on_host = bool(learners[0].on_host)
    return Learners(
        varied, fixed, tuple(pairs) if on_host else (), len(pairs), precision, on_host, watched[0] is not None
    )


def _divided(pairs: Sequence[Any]) -> tuple[Any, Any]:
    flat = [jax.tree_util.tree_flatten_with_path(pair) for pair in pairs]
    structure = flat[0][1]
    for leaves, other in flat[1:]:
        if other != structure:
            raise _not_stackable("settings", _first_difference(flat[0][0], leaves))
    varied, fixed = [], []
    for column in zip(*(leaves for leaves, _ in flat), strict=True):
        name, values = jax.tree_util.keystr(column[0][0]), [leaf for _, leaf in column]
        is_same = all(_equal(values[0], value) for value in values[1:])
        if not is_same and not all(_is_number(value) and np.shape(value) == np.shape(values[0]) for value in values):
            raise _not_stackable(name, f"it is {boundary.shown(values[0])} in one and another in the next")
        varied.append(None if is_same else jnp.stack([jnp.asarray(value) for value in values]))
        fixed.append(_traced(values[0]) if is_same else None)
    return jax.tree.unflatten(structure, varied), jax.tree.unflatten(structure, fixed)


def _traced(leaf: Any) -> Any:
    """Floats and NumPy arrays become arrays that are traced; every other leaf decides what is compiled."""
    return jnp.asarray(leaf) if _is_number(leaf) else leaf


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, float | np.floating | np.ndarray | jax.Array)


def _equal(one: Any, two: Any) -> bool:
    if _is_number(one) and _is_number(two):
        return np.shape(one) == np.shape(two) and bool(np.all(np.asarray(one) == np.asarray(two)))
    return type(one) is type(two) and bool(one == two)


def _first_difference(one: Sequence[Any], two: Sequence[Any]) -> str:
    names = [{jax.tree_util.keystr(path) for path, _ in leaves} for leaves in (one, two)]
    differing = sorted(names[0] ^ names[1])
    return f"they differ in {differing[0]}" if differing else "they differ in a word, a whole number or a size"


def _not_stackable(field: str, found: str) -> InputError:
    return InputError(
        boundary.INCONSISTENT,
        field,
        found=found,
        allowed="settings that run as one compiled call differ in floats and in arrays of one shape only",
        remedy="Run these settings as jobs of their own (a sweep on local processes), or sweep a float.",
    )


def _part(tree: Any, g: int, s: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[g, s] if eqx.is_array(leaf) or isinstance(leaf, np.ndarray) else leaf, tree)


def _stack_leaves(trees: Sequence[Any]) -> Any:
    def together(*leaves: Any) -> Any:
        if isinstance(leaves[0], jax.Array):
            return jnp.stack(leaves)  # keys and whatever else only JAX can hold
        return np.stack(leaves) if isinstance(leaves[0], np.ndarray | np.generic | float | int) else leaves[0]

    return jax.tree.map(together, *trees)
