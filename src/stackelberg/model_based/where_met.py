"""Where the networks of a world model are wrong, against where the policy goes: the picture of a deep run."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .._record import Record
from .._types import AnyArray
from ..games.control import AbstractControl
from ..rl.actor import random_action
from .ensemble import Ensemble, Transitions


BINS_OF_A_LINE, BINS, TRIED, FARTHEST = 22, 24, 4_000, 10.0
"""Of pictures along one feature and over two; actions tried along a line; and how many scales long a line can be."""

UNIT = "error of the model (in sizes of a change)"


def where_met(world: AbstractControl, ensemble: Ensemble, met: Transitions, lately: Transitions) -> Record:
    """Where the means of some networks are wrong, and where the policy went `lately`.

    An error is the root mean square, over features and networks, of what a mean is off by, in units of the deviation of
    a change. Over two features or more it is known where anything was `met`, and shown over the two that vary most; on
    a line that is open it is tried everywhere, with random actions, also where nothing was ever met.
    """
    shown = Transitions(*(jnp.asarray(part) for part in (met.states, met.actions, met.thens, met.rewards, met.ends)))
    if world.num_features == 1 and world.is_open:
        shown = _along(world, shown)
    errors = np.asarray(jax.jit(off)(ensemble, shown))
    states, gone = np.asarray(shown.states), np.asarray(lately.states)
    if world.num_features == 1:
        return _line(world, states[:, 0], errors, gone[:, 0])
    return _plane(world, states, errors, gone)


def off(ensemble: Ensemble, data: Transitions) -> Float[AnyArray, "n"]:
    """The error of each transition."""

    def one(net, state, action, then):
        mean, *_ = ensemble.predict(net, state, action)
        return ((then - state - ensemble.shift[:-1]) / ensemble.size[:-1] - mean[:-1]) ** 2

    rows = jax.vmap(one, in_axes=(None, 0, 0, 0))
    each = jax.vmap(rows, in_axes=(0, None, None, None))(ensemble.networks, data.states, data.actions, data.thens)
    return jnp.sqrt(jnp.mean(each, axis=(0, 2)))


def _along(world: AbstractControl, met: Transitions) -> Transitions:
    """Random actions everywhere between the ends of the line, or between what was met where it has none."""
    ends = [world.settled(jnp.full(1, sign * FARTHEST) * jnp.asarray(world.scale)) for sign in (-1.0, 1.0)]
    is_endless = jnp.abs(ends[1] - ends[0]) >= 2.0 * FARTHEST * jnp.asarray(world.scale)
    low, high = jnp.where(is_endless, met.states.min(axis=0), ends[0]), jnp.where(is_endless, met.states.max(), ends[1])
    of_act, of_world = jr.split(jr.key(0))
    states = jnp.linspace(low, high, TRIED)
    actions = jax.vmap(lambda key: random_action(world, key))(jr.split(of_act, TRIED))
    thens = jax.vmap(world.step)(states, actions, jr.split(of_world, TRIED))
    return Transitions(states, actions, thens, jnp.zeros(TRIED), jnp.zeros(TRIED))


def _line(world: AbstractControl, places: np.ndarray, errors: np.ndarray, gone: np.ndarray) -> Record:
    edges = np.linspace(places.min(), places.max() + 1e-9, BINS_OF_A_LINE + 1)
    count = np.histogram(places, edges)[0]
    mean = np.histogram(places, edges, weights=errors)[0] / np.maximum(count, 1)
    visits = np.histogram(np.clip(gone, edges[0], edges[-1]), edges)[0] / len(gone)
    return Record(
        "model error",
        {"visits": visits, "loss": mean},
        {
            "names": [f"{low:.2g} to {high:.2g}" for low, high in itertools.pairwise(edges)],
            "title": f"The model along the line ({world.feature_names[0]})",
            "visits_label": "where its last episodes went (share of steps)",
            "loss_label": UNIT,
        },
    )


def _plane(world: AbstractControl, states: np.ndarray, errors: np.ndarray, gone: np.ndarray) -> Record:
    size = np.std(states, axis=0) / np.asarray(world.scale)
    across, up = sorted(np.argsort(-size, kind="stable")[:2].tolist())
    both = np.concatenate([states, gone])
    ends = [np.quantile(both[:, column], (0.005, 0.995)) for column in (across, up)]
    edges = [np.linspace(low, high, BINS + 1) for low, high in ends]

    def counted(rows: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        x, y = (np.clip(rows[:, column], edge[0], edge[-1]) for column, edge in zip((across, up), edges, strict=True))
        return np.histogram2d(x, y, bins=(edges[0], edges[1]), weights=weights)[0]

    count = counted(states)
    total, visits = counted(states, errors), counted(gone) / len(gone)
    return Record(
        "model error map",
        {
            "visits": visits,
            "error": np.where(count > 0, total / np.maximum(count, 1), np.nan),
            "across": edges[0],
            "up": edges[1],
        },
        {
            "x_label": world.feature_names[across],
            "y_label": world.feature_names[up],
            "visits_label": "where its last episodes went (share of steps)",
            "error_label": UNIT,
        },
    )
