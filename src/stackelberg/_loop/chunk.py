"""Many steps at once: one compiled program for chunks of every length, or step by step on the host.

On the device a chunk is one loop whose *length is an argument*, not a shape: one program serves every portion, so that
however a run is cut, each step is computed by the same instructions and gives the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from .._types import Key
from .devices import Placement
from .randomness import MONITOR, SAMPLE, STEPS, UPDATE, of_step, role
from .stacking import Learners


CAPACITY = 1024
"""The most steps in one chunk: the size of the buffers in which metrics wait."""


class Failure(NamedTuple):
    """The step that was not finite: the state and metrics it made."""

    state: Any
    metrics: dict[str, np.ndarray]


class Chunk(NamedTuple):
    """The state after the last good step, metrics `(length, g, s)` of the good steps, and what failed, if anything."""

    state: Any
    metrics: dict[str, np.ndarray]
    length: int
    failure: Failure | None = None


def chunk_on_device(
    learners: Learners, state: Any, key: Key, first: int, length: int, monitor_every: int, last: int
) -> Chunk:
    """Steps first, ..., first + length - 1 in one call; when one is not finite, again one by one up to it."""
    made, metrics, is_finite = _call(learners, state, key, first, length, monitor_every, last)
    if is_finite:
        return Chunk(made, metrics, length)
    good: list[dict[str, np.ndarray]] = []
    for n in range(first, first + length):
        made, metrics, is_finite = _call(learners, state, key, n, 1, monitor_every, last)
        if not is_finite:
            is_measured = (n + 1) % monitor_every == 0 or n + 1 == last
            seen = metrics if is_measured else _of_learner(learners, state, key, n, metrics)
            return Chunk(state, together(good), n - first, Failure(made, seen))
        good.append(metrics)
        state = made
    return Chunk(state, together(good), length)  # every state was finite after all, one step at a time


def chunk_on_host(
    learners: Learners, state: Any, key: Key, first: int, length: int, monitor_every: int, last: int
) -> Chunk:
    """The same, calling the learner in Python for each step, setting and seed."""
    step_key, monitor_key = role(key, STEPS), role(key, MONITOR)
    good: list[dict[str, np.ndarray]] = []
    for n in range(first, first + length):
        is_measured = learners.has_monitor and ((n + 1) % monitor_every == 0 or n + 1 == last)

        def one(learner: Any, monitor: Any, state: Any, step: Key, watch: Key, n=n, is_measured=is_measured) -> Any:
            batch, state, metrics = _step(learner, state, step, n)
            seen = monitor(learner.commitment(state), batch, watch) if is_measured else {}
            numbers = {name: np.asarray(value, float) for name, value in _merged(metrics, seen).items()}
            return jax.tree.map(_on_host, state), numbers

        made, metrics = learners.each(one, state, of_step(step_key, n), of_step(monitor_key, n))
        metrics = {name: np.asarray(values)[None] for name, values in metrics.items()}
        if not _all_finite_on_host((made, metrics)):
            return Chunk(state, together(good), n - first, Failure(made, metrics))
        good.append(metrics)
        state = made
    return Chunk(state, together(good), length)


def sampled(learners: Learners, state: Any, key: Key, n: int, setting: int, seed: int) -> Any:
    """The batch of step n of one setting and seed, drawn once more."""
    keys = role(of_step(role(key, STEPS), n), SAMPLE)
    if learners.on_host:
        batches = learners.each(lambda learner, _, state, key: learner.sample(state, n, key), state, keys)
    else:
        batches = _sample_compiled(learners, state, keys, jnp.int32(n))
    if learners.placement is not None:
        batches = learners.placement.fetched(batches)
    arrays = eqx.filter(batches, lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray))
    return jax.tree.map(lambda leaf: leaf[setting, seed], arrays)


def first_non_finite(failure: Failure) -> tuple[int, int, tuple[str, ...]]:
    """Setting, seed, and the names of all that is not finite there."""
    named = {f"metric {name}": values[-1] for name, values in failure.metrics.items()}
    for path, leaf in jax.tree_util.tree_leaves_with_path(failure.state):
        if _is_float(leaf):
            named[f"state{jax.tree_util.keystr(path)}"] = np.asarray(leaf)
    bad = {name: ~np.isfinite(values).reshape(*values.shape[:2], -1).all(axis=-1) for name, values in named.items()}
    setting, seed = map(int, np.argwhere(np.any(list(bad.values()), axis=0))[0])
    return setting, seed, tuple(name for name, mask in bad.items() if mask[setting, seed])


def _of_learner(
    learners: Learners, state: Any, key: Key, n: int, metrics: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The metrics that the learner records itself: those of a monitor that was not asked are NaN and mean nothing."""
    if not learners.has_monitor:
        return metrics
    placed = learners.placement
    own = eqx.filter_eval_shape(
        lambda state, keys: learners.batched(
            lambda learner, _, state, key: _step(learner, state, key, n, placed)[2], state, keys
        ),
        state,
        of_step(role(key, STEPS), n),
    )
    return {name: metrics[name] for name in own}


def _call(
    learners: Learners, state: Any, key: Key, first: int, length: int, monitor_every: int, last: int
) -> tuple[Any, dict[str, np.ndarray], bool]:
    numbers = np.array([first, length, monitor_every, last], np.int32)  # in one piece: each array costs a dispatch
    state, buffers, is_finite = _compiled(learners, state, key, numbers)
    return state, {name: np.asarray(values)[:length] for name, values in buffers.items()}, bool(is_finite)


@eqx.filter_jit
def _compiled(learners: Learners, state: Any, key: Key, numbers: Any) -> tuple[Any, dict[str, Any], Any]:
    first, length, monitor_every, last = (jnp.asarray(numbers)[place] for place in range(4))
    step_key, monitor_key = role(key, STEPS), role(key, MONITOR)
    arrays, rest = eqx.partition(state, eqx.is_array)
    placed = learners.placement

    def step(arrays: Any, n: Any) -> tuple[Any, dict[str, Any], Any]:
        batch, made, metrics = learners.batched(
            lambda learner, _, state, key: _step(learner, state, key, n, placed),
            eqx.combine(arrays, rest),
            of_step(step_key, n),
        )
        made = made if placed is None else placed.held(made)
        metrics, is_finite = dict(metrics), _all_finite(metrics)
        if learners.has_monitor:
            is_measured = ((n + 1) % monitor_every == 0) | (n + 1 == last)
            seen, is_seen_finite = _measured(learners, made, batch, of_step(monitor_key, n), is_measured)
            metrics, is_finite = _merged(metrics, seen), is_finite & is_seen_finite
        made = _like(arrays, eqx.filter(made, eqx.is_array))
        # The state is looked at after each step: what is infinite only for a while must not depend on portions.
        return made, metrics, is_finite & _all_finite(made)

    shapes = eqx.filter_eval_shape(step, arrays, first)[1]
    blank = {name: jnp.full((CAPACITY, *shape.shape), jnp.nan, shape.dtype) for name, shape in shapes.items()}

    def body(carry: Any) -> Any:
        i, arrays, buffers, _ = carry
        arrays, metrics, is_finite = step(arrays, first + i)
        buffers = {name: buffers[name].at[i].set(metrics[name]) for name in buffers}
        return i + 1, arrays, buffers, is_finite

    start = (jnp.int32(0), arrays, blank, jnp.bool_(True))
    _, arrays, buffers, is_finite = jax.lax.while_loop(lambda carry: (carry[0] < length) & carry[3], body, start)
    if placed is not None:
        buffers, is_finite = placed.everywhere((buffers, is_finite))
    return eqx.combine(arrays, rest), buffers, is_finite


@eqx.filter_jit
def _sample_compiled(learners: Learners, state: Any, keys: Key, n: Any) -> Any:
    return learners.batched(lambda learner, _, state, key: learner.sample(state, n, key), state, keys)


def _step(learner: Any, state: Any, key: Key, n: Any, placed: Placement | None = None) -> tuple[Any, Any, Any]:
    batch = learner.sample(state, n, role(key, SAMPLE))
    batch = batch if placed is None else placed.divided(batch)
    state, metrics = learner.update(state, batch, n, role(key, UPDATE))
    return batch, state, {name: _scalar(name, value) for name, value in metrics.items()}


def _measured(learners: Learners, state: Any, batch: Any, key: Key, is_measured: Any) -> tuple[dict[str, Any], Any]:
    """What the monitor says, or NaN where it is not asked; the question is one for all, so that it stays a branch."""

    def look() -> dict[str, Any]:
        def one(learner: Any, monitor: Any, state: Any, batch: Any, key: Key) -> Any:
            seen = monitor(learner.commitment(state), batch, key)
            return {name: _scalar(name, value) for name, value in seen.items()}

        return dict(learners.batched(one, state, batch, key))

    shapes = eqx.filter_eval_shape(look)
    skip = lambda: {name: jnp.full(shape.shape, jnp.nan, shape.dtype) for name, shape in shapes.items()}
    seen = jax.lax.cond(is_measured, look, skip)
    return seen, ~is_measured | _all_finite(seen)


def _merged(metrics: Any, seen: Any) -> dict[str, Any]:
    if doubled := sorted(set(metrics) & set(seen)):
        raise InputError(
            boundary.INCONSISTENT,
            "monitor",
            found=f"the learner and the monitor both record {doubled[0]!r}",
            allowed="names of metrics must differ",
            remedy="Rename one of the two.",
        )
    return {**metrics, **seen}


def _scalar(name: str, value: Any) -> Any:
    if np.shape(value) != ():
        raise InputError(
            boundary.SHAPE,
            f"metrics.{name}",
            found=f"its shape is {np.shape(value)}",
            allowed="a metric is one number a step",
            remedy="Record its mean, or one metric for each entry.",
        )
    return jnp.asarray(value, float)


def _like(before: Any, after: Any) -> Any:
    """`after` with the dtypes of `before`; shapes and structure must be the same."""
    one, two = jax.tree.structure(before), jax.tree.structure(after)
    shapes = [(np.shape(a), np.shape(b)) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=False)]
    if one != two or any(a != b for a, b in shapes):
        changed = next((f"a leaf of shape {a[2:]} became {b[2:]}" for a, b in shapes if a != b), f"{one} became {two}")
        raise InputError(
            boundary.SHAPE,
            "state",
            found=changed,
            allowed="the state has the same structure and shapes after every step",
            remedy="Give arrays their full size in `init` (a log has a capacity), and write into them in `update`.",
        )
    return jax.tree.map(
        lambda a, b: b if jnp.issubdtype(a.dtype, jax.dtypes.extended) else b.astype(a.dtype), before, after
    )


def _is_float(leaf: Any) -> bool:
    return (eqx.is_array(leaf) or isinstance(leaf, np.ndarray)) and jnp.issubdtype(leaf.dtype, jnp.floating)


def _all_finite(tree: Any) -> Any:
    flags = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree) if _is_float(leaf)]
    return jnp.all(jnp.stack(flags)) if flags else jnp.bool_(True)


def _all_finite_on_host(tree: Any) -> bool:
    return all(bool(np.isfinite(np.asarray(leaf)).all()) for leaf in jax.tree.leaves(tree) if _is_float(leaf))


def _on_host(leaf: Any) -> Any:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key or not eqx.is_array(leaf) else np.asarray(leaf)


def together(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Portions of metrics one after the other; a name that a portion lacks (its monitor was not asked) is NaN there."""
    names = dict.fromkeys(name for part in parts for name in part)
    blank = [np.full_like(next(iter(part.values())), np.nan) if part else np.zeros((0, 1, 1)) for part in parts]
    return {
        name: np.concatenate([part.get(name, empty) for part, empty in zip(parts, blank, strict=True)])
        for name in names
    }
