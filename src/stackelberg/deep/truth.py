"""What a leader's commitment is really worth, on every line of the log: `BestResponseTruth`.

A leader that learns against an oracle learns the oracle's mistakes too. A training curve above the best value that any
commitment can have is such a mistake, and no win; what counts is the value once followers answer exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, AbstractMonitor, Metrics
from .._record import Certificate
from .._runs import Metric
from .._types import AnyArray, Key
from ..followers.asking_all import AbstractContextual, Answers
from ..followers.several import EXAMPLE as SEVERAL, AbstractEquilibriumOracle, PureNash
from ..followers.stackelberg_pomdp import StackelbergPOMDP
from ..games.environment import Box
from ..games.exact_environment import AbstractExactEnvironment
from ..solvers.deterministic_policies import DeterministicPolicies
from .after_pretraining import AfterPretraining, Material
from .leaders import EXAMPLE, AbstractLeader


PROCESS_OF_SEVERAL = f"sg.StackelbergPOMDP(sg.NoRegret({SEVERAL}))"


class BestResponseTruth(AbstractMonitor):
    """The value of the commitment that a leader would announce, against its oracle and against exact best responses.

    - `process`: the leader's decision process, that of the learner when left out. The values of its game must be known.
    - `best_value`: of a deterministic commitment, ties to the leader; solved once where it is left out.

    "oracle_value" is against the followers that the oracle answers with, "leader_value" and "adverse_value" against a
    best response with ties for and against the leader, "oracle_regret" what the oracle's follower could have had more.
    """

    process: StackelbergPOMDP | None
    best_value: float | None
    is_solved: bool = eqx.field(static=True)

    def __init__(self, process: Any = None, best_value: Any = None) -> None:
        self.process, self.is_solved = None, False
        self.best_value = None if best_value is None else boundary.real_number("best_value", best_value)
        if process is not None:
            self.process = boundary.instance("process", process, StackelbergPOMDP, EXAMPLE)
            self.is_solved = self.best_value is None
            if self.best_value is None:
                self.best_value = float(self._solved.upper)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is measured."""
        return {
            "leader_value": Metric("leader's value, follower best-responds", "payoff", "leader", "higher"),
            "adverse_value": Metric("leader's value, ties against it", "payoff", "leader", "higher"),
            "oracle_value": Metric("leader's value against its oracle", "payoff", "leader", "higher"),
            "oracle_regret": Metric("regret of the oracle's follower", "payoff", "follower", "lower"),
            "suboptimality": Metric("short of the best deterministic commitment", "payoff", "leader", "lower"),
        }

    def attached(self, learner: AbstractLearner) -> BestResponseTruth:
        """The monitor for this learner: its decision process, solved."""
        if self.process is not None:
            return self
        if not isinstance(learner, AbstractLeader | AfterPretraining):
            raise InputError(
                boundary.INCONSISTENT,
                "monitor.process",
                found=f"it was left out, and a {type(learner).__name__} has no decision process",
                allowed="a decision process is needed to know the truth",
                remedy=f"Give one: sg.BestResponseTruth({EXAMPLE}).",
            )
        return BestResponseTruth(learner.process, self.best_value)

    def certificate(self) -> Certificate | None:
        """What was proved about deterministic commitments."""
        return self._solved if self.is_solved else None

    def __call__(self, commitment: Float[AnyArray, "o a"], batch: Any, key: Key) -> Metrics:
        """Exact sums over all rounds; the oracle is asked anew."""
        assert self.process is not None
        game, oracle = self._game, self.process.oracle
        lesson = batch.lesson if isinstance(batch, Material) else batch
        if isinstance(oracle, AbstractContextual) and lesson.policies is not None:
            oracle = eqx.tree_at(lambda follower: follower.policies, oracle, lesson.policies)
        problem = game.induce(commitment)
        is_mixed = isinstance(game.action_spaces[0], Box)
        act = lambda seen, key: commitment[seen] if is_mixed else jnp.argmax(commitment[seen])
        of_init, of_answers = jax.random.split(key)
        state, _ = oracle.asked(act, oracle.init(of_init), of_answers)
        (answer,) = oracle.response(state)
        best, adverse = problem.best_response("leader"), problem.best_response("adversary")
        by_oracle = game.values(commitment, answer)
        values = game.values(commitment, best)
        return {
            "leader_value": values[0],
            "adverse_value": game.leader_value(commitment, adverse),
            "oracle_value": by_oracle[0],
            "oracle_regret": values[1] - by_oracle[1],
            "suboptimality": jnp.asarray(self.best_value) - values[0],
        }

    @property
    def _game(self) -> AbstractExactEnvironment:
        assert self.process is not None
        example = 'an oracle for sg.iterated_matrix_game("chicken")'
        return boundary.instance("process", self.process.game, AbstractExactEnvironment, example)

    @property
    def _solved(self) -> Certificate:
        return DeterministicPolicies()(self._game).certificate


class EquilibriumTruth(AbstractMonitor):
    """The value of a commitment when several followers answer by an equilibrium, and by what the oracle says.

    - `process`: the leader's decision process, that of the learner when left out. Its game must have few enough pure
      profiles for `PureNash`.

    "leader_value" and "adverse_value" are of the pure Nash equilibria that the leader likes best and worst,
    "oracle_value" is against the oracle's response, "oracle_regret" the largest regret of a follower there.
    """

    process: StackelbergPOMDP | None

    def __init__(self, process: Any = None) -> None:
        self.process = None
        if process is not None:
            self.process = boundary.instance("process", process, StackelbergPOMDP, PROCESS_OF_SEVERAL)
            boundary.instance("process.oracle", process.oracle, AbstractEquilibriumOracle, f"sg.NoRegret({SEVERAL})")

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is measured."""
        return {
            "leader_value": Metric("leader's value, best pure equilibrium", "payoff", "leader", "higher"),
            "adverse_value": Metric("leader's value, worst pure equilibrium", "payoff", "leader", "higher"),
            "oracle_value": Metric("leader's value against its oracle", "payoff", "leader", "higher"),
            "oracle_regret": Metric("largest regret of the oracle's followers", "payoff", "follower", "lower"),
        }

    def attached(self, learner: AbstractLearner) -> EquilibriumTruth:
        """The monitor for this learner's decision process."""
        if self.process is not None:
            return self
        return EquilibriumTruth(boundary.instance("learner", learner, AbstractLeader, "sg.LeaderReinforce").process)

    def certificate(self) -> Certificate | None:
        """Nothing is proved about the best commitment."""
        return None

    def __call__(self, commitment: Float[AnyArray, "o a"], batch: Any, key: Key) -> Metrics:
        """Exact sums over all profiles; the oracle is told the commitment as it is."""
        del batch, key
        assert self.process is not None
        oracle = self.process.oracle
        assert isinstance(oracle, AbstractEquilibriumOracle)
        known = Answers(jnp.asarray(commitment), jnp.int32(oracle.num_queries))
        response = oracle.response(known)
        values, _, is_stable = PureNash(oracle.environment).stable(commitment)
        return {
            "leader_value": jnp.max(jnp.where(is_stable, values[:, 0], -jnp.inf)),
            "adverse_value": jnp.min(jnp.where(is_stable, values[:, 0], jnp.inf)),
            "oracle_value": oracle.worth(commitment, response)[0],
            "oracle_regret": jnp.max(oracle.regrets(commitment, response)),
        }
