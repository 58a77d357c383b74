"""Several processes that compute one run together (`jax.distributed`): the first decides and writes, all compute.

Whatever depends on the moment (how long a portion is, when to save, whether to stop) is decided by the first process
and told to the others, so that all of them make the same calls in the same order; the rest follows from the experiment.
Only the first touches the folder, which all of them can read when the run is over.
"""

from __future__ import annotations

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.experimental import multihost_utils

from ..._learner import NonFiniteStepError, Run, chunks, start
from ..._loop.precision import precise
from ..._loop.randomness import IMPLEMENTATION
from ..._loop.stacking import Learners
from ..experiment import Experiment


GO_ON, SAVE = 0, -1
"""What the first process says after a portion; a number above 0 is the signal that stops the run."""

_STARTED = time.monotonic()


def is_follower() -> bool:
    """Whether this is one of several processes, and not the first."""
    return jax.process_count() > 1 and jax.process_index() > 0


def said(number: int = 0) -> int:
    """A whole number of the first process, on all of them; all must ask at the same time."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def clock() -> float:
    """Seconds since the start, of the first process."""
    if jax.process_count() == 1:
        return time.monotonic()
    return said(int(1000 * (time.monotonic() - _STARTED)) % 2**31) / 1000


def shared(run: Run, fresh: Run, learners: Learners) -> Run:
    """`run`, which the first process has read, on all devices of all processes; `fresh` is how it started."""
    place = learners.placement
    step = said(run.n)
    if place is None or step == 0:
        return fresh if step == 0 else run
    with precise(learners.precision):
        arrays, rest = eqx.partition(run.state, lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray))
        return Run(eqx.combine(place.put(jax.tree.map(_told, arrays)), rest), step, fresh.key)


def whole(run: Run, learners: Learners) -> Run:
    """`run` with arrays that this process has in full; all processes must ask at the same time."""
    if learners.placement is None:
        return run
    with precise(learners.precision):
        state, key = learners.placement.fetched((run.state, run.key))
        return Run(state, run.n, key)


def follow(experiment: Experiment, learners: Learners) -> tuple[int, int]:
    """What every process but the first does: the same steps at the same time.

    Returns the step that was reached, and the signal that stopped the run there, or 0.
    """
    if not said():
        return experiment.num_steps, 0  # it was complete already
    fresh = start(learners, experiment.seeds)
    run = shared(whole(fresh, learners), fresh, learners)
    portions = chunks(
        learners,
        run,
        experiment.num_steps,
        monitor_every=experiment.monitor_every,
        boundary_every=experiment.checkpoint_every,
        clock=clock,
    )
    try:
        for reached, _ in portions:
            run = reached
            word = said()
            if word != GO_ON:
                whole(run, learners)
            if word > 0:
                return run.n, word
    except NonFiniteStepError as problem:
        whole(problem.run, learners)
        raise
    whole(run, learners)
    return run.n, 0


def _told(leaf: Any) -> Any:
    """An array of the first process, on this one too; here only its shape and type count elsewhere."""
    if jax.process_count() == 1:
        return leaf
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    is_first = jax.process_index() == 0
    if is_key:
        shape = jax.eval_shape(jr.key_data, leaf).shape
        data = np.asarray(jr.key_data(leaf)) if is_first else np.zeros(shape, np.uint32)
        return jr.wrap_key_data(jnp.asarray(multihost_utils.broadcast_one_to_all(data)), impl=IMPLEMENTATION)
    data = np.asarray(leaf) if is_first else np.zeros(leaf.shape, leaf.dtype)
    return np.asarray(multihost_utils.broadcast_one_to_all(data))
