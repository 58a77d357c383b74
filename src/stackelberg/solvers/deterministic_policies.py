"""Games played step by step, by going through every deterministic policy of the leader, each answered exactly."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _boundary as boundary
from .._record import Certificate, Estimate, Solution
from .._types import AnyArray, Ties
from ..followers.asking_all import TIES
from ..games.exact_environment import AbstractExactEnvironment
from .base import AbstractSolver


BATCH = 64
"""Leaders at once: what they need stays in the processor's cache."""


class DeterministicPolicies(AbstractSolver[AbstractExactEnvironment]):
    """The best deterministic policy of the leader against a follower who best-responds by what it observes.

    - `ties`: "leader" or "adversary", who gains when the follower is indifferent.

    The certificate is about deterministic policies of both: a leader who mixes can get more.
    """

    ties: Ties = eqx.field(static=True)

    def __init__(self, ties: Any = "leader") -> None:
        self.ties = boundary.one_of("ties", ties, TIES)  # type: ignore[assignment]

    def __call__(self, game: AbstractExactEnvironment) -> Solution:
        """The first of the best, in the order of `game.policies(0)`."""
        policies = game.policies(0)
        with jax.enable_x64(True):
            answers, values = _answered(game, jnp.asarray(policies), self.ties)
        of_leader = np.asarray(values)[:, 0]
        best = int(np.argmax(of_leader >= of_leader.max() - 1e-9))
        value, own = (float(entry) for entry in np.asarray(values)[best])
        method = f"all {len(policies)} deterministic policies of the leader, each answered exactly"
        note = "The bound is over deterministic policies; a policy that mixes can be worth more."
        certificate = Certificate(value, float(of_leader.max()), 0.0, "optimal", method, (note,))
        count = int(np.sum(of_leader >= of_leader.max() - 1e-9))
        return Solution(
            policies[best],
            np.asarray(answers)[best],
            Estimate.exact(value),
            Estimate.exact(own),
            certificate,
            type(self).__name__,
            {"policies": len(policies), "optimal": count},
        )


@eqx.filter_jit
def _answered(game: AbstractExactEnvironment, policies: AnyArray, ties: Ties) -> tuple[AnyArray, AnyArray]:
    def one(commitment):
        answer = game.induce(commitment).best_response(ties)
        return answer, game.values(commitment, answer)

    return jax.lax.map(one, policies, batch_size=BATCH)
