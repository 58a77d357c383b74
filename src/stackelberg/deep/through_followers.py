"""Leaders that know the game and differentiate through the follower: through its answer, or through how it learns.

`LeaderThroughResponse` takes the derivative of the soft best response at its fixed point, `LeaderThroughLearning` that
of some steps of a follower that climbs its own value, as in "The Good Shepherd" (Balaguer et al., 2022). Both climb the
exact value of a policy in a Markov game, such as `game.as_markov(discount)` of an iterated matrix game.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, AbstractMonitor, Metrics, Precision
from .._record import Certificate
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import quantal_choice
from ..games.markov import MarkovGame
from ..rl.learner import AbstractCompiledLearner


GAME = 'sg.iterated_matrix_game("chicken").as_markov(0.96)'

Counted: TypeAlias = Literal["last", "all"]
Slope: TypeAlias = Literal["gradient", "evolution"]


class Climb(eqx.Module):
    """Logits of the leader's policy, and the optimiser's moments."""

    logits: Float[AnyArray, "... a"]
    moments: Any


class AbstractThroughFollowers(AbstractCompiledLearner):
    """Adam on the logits of a policy, along the slope of what the leader is paid once followers have answered."""

    game: eqx.AbstractVar[MarkovGame]
    learning_rate: eqx.AbstractVar[float]
    spread: eqx.AbstractVar[float]

    @property
    def precision(self) -> Precision:
        """The leader's best policies sit where the follower is indifferent."""
        return "float64"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is climbed."""
        return {"anticipated_value": Metric("leader's value that is climbed", "payoff", "leader", "higher")}

    @abstractmethod
    def anticipated(self, logits: Float[AnyArray, "... a"], n: Any, key: Key) -> Float[AnyArray, ""]:
        """What the leader is paid once followers have answered, at step n; a differentiable function of `logits`."""

    def slope(
        self, logits: Float[AnyArray, "... a"], n: Any, key: Key
    ) -> tuple[Float[AnyArray, ""], Float[AnyArray, "... a"]]:
        """The value at `logits`, and its slope."""
        return jax.value_and_grad(self.anticipated)(logits, n, key)

    def init(self, key: Key) -> Climb:
        """Logits drawn from a normal law of deviation `spread`: every seed is a start of its own."""
        logits = self.spread * jr.normal(key, np.shape(self.game.uniform_commitment()))
        return Climb(logits, self._adam.init(logits))

    def sample(self, state: Climb, n: Any, key: Key) -> tuple[()]:
        """Nothing: the game is known."""
        del state, n, key
        return ()

    def update(self, state: Climb, batch: Any, n: Any, key: Key) -> tuple[Climb, Metrics]:
        """One step of Adam upward."""
        del batch
        value, slope = self.slope(state.logits, n, key)
        push, moments = self._adam.update(slope, state.moments)
        return Climb(state.logits + self.learning_rate * jnp.asarray(push), moments), {"anticipated_value": value}

    def commitment(self, state: Climb) -> Float[AnyArray, "... a"]:
        """The mixed policy."""
        return quantal_choice(state.logits, 1.0)

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()


class LeaderThroughResponse(AbstractThroughFollowers):
    """A leader that climbs its value against a quantal follower who gets more and more rational as it climbs.

    - `game`: a Markov game; without a horizon the follower's answer is the fixed point of soft policy iteration.
    - `learning_rate`: of Adam.  `spread`: deviation of the first logits.
    - `inverse_temperature`: of the follower at the first step, in 1 / payoff.
    - `last_inverse_temperature`: after `annealing_steps` steps; in between it grows by the same factor each step.

    The derivative through the answer is implicit: one linear system at the fixed point, whatever it took to get there.
    While the follower is soft every answer has some weight, and a threat is felt before it is needed; where it is
    rational from the start the value is piecewise constant in what the follower does, and climbing it sticks.
    """

    game: MarkovGame
    learning_rate: float
    spread: float
    inverse_temperature: float
    last_inverse_temperature: float
    annealing_steps: int

    def __init__(
        self,
        game: Any,
        learning_rate: Any = 0.05,
        spread: Any = 1.0,
        inverse_temperature: Any = 1.0,
        last_inverse_temperature: Any = 30.0,
        annealing_steps: Any = 400,
    ) -> None:
        self.game = boundary.instance("game", game, MarkovGame, GAME)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.spread = boundary.real_number("spread", spread, low=0.0)
        self.inverse_temperature = boundary.real_number(
            "inverse_temperature", inverse_temperature, low=0.0, low_open=True
        )
        self.last_inverse_temperature = boundary.real_number(
            "last_inverse_temperature", last_inverse_temperature, low=0.0, low_open=True
        )
        self.annealing_steps = boundary.whole_number("annealing_steps", annealing_steps, low=1)

    def anticipated(self, logits: Float[AnyArray, "... a"], n: Any, key: Key) -> Float[AnyArray, ""]:
        """The value against the quantal response of this step."""
        del key
        gone = jnp.minimum(n / jnp.asarray(self.annealing_steps, float), 1.0)
        growth = jnp.asarray(self.last_inverse_temperature) / self.inverse_temperature
        problem = self.game.induce(quantal_choice(logits, 1.0))
        return problem.leader_value(problem.quantal_response(self.inverse_temperature * growth**gone))


class LeaderThroughLearning(AbstractThroughFollowers):
    """A leader that climbs what it is paid after, or while, followers learn by `num_updates` gradient steps.

    - `game`: a Markov game.  `learning_rate`: of the leader's Adam.  `spread`: deviation of the leader's first logits.
    - `num_updates`: steps of a follower, each of size `update_size` along the gradient of its own value in its logits.
    - `num_followers`: learners from different first logits (standard normal), drawn anew at each step of the leader.
    - `counts`: "last" pays the leader against what followers have learned in the end, "all" the mean along the way.
    - `slopes`: "gradient" differentiates through all updates, "evolution" compares `num_tries` shaken leaders.
    - `num_tries`: shaken leaders, half of them the mirror images of the others.  `deviation`: of the shaking.

    "all" is the objective of Balaguer et al. (2022, section 3): what is paid along a learning trajectory is no
    Stackelberg value; with "last" and enough updates it comes near one.
    """

    game: MarkovGame
    learning_rate: float
    spread: float
    num_updates: int = eqx.field(static=True)
    update_size: float
    num_followers: int = eqx.field(static=True)
    counts: Counted = eqx.field(static=True)
    slopes: Slope = eqx.field(static=True)
    num_tries: int = eqx.field(static=True)
    deviation: float

    def __init__(
        self,
        game: Any,
        learning_rate: Any = 0.05,
        spread: Any = 1.0,
        num_updates: Any = 20,
        update_size: Any = 1.0,
        num_followers: Any = 16,
        counts: Any = "last",
        slopes: Any = "gradient",
        num_tries: Any = 32,
        deviation: Any = 0.1,
    ) -> None:
        self.game = boundary.instance("game", game, MarkovGame, GAME)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.spread = boundary.real_number("spread", spread, low=0.0)
        self.num_updates = boundary.whole_number("num_updates", num_updates, low=1)
        self.update_size = boundary.real_number("update_size", update_size, low=0.0, low_open=True)
        self.num_followers = boundary.whole_number("num_followers", num_followers, low=1)
        self.counts = boundary.one_of("counts", counts, ("last", "all"))  # type: ignore[assignment]
        self.slopes = boundary.one_of("slopes", slopes, ("gradient", "evolution"))  # type: ignore[assignment]
        self.num_tries = 2 * (boundary.whole_number("num_tries", num_tries, low=2) // 2)
        self.deviation = boundary.real_number("deviation", deviation, low=0.0, low_open=True)

    def anticipated(self, logits: Float[AnyArray, "... a"], n: Any, key: Key) -> Float[AnyArray, ""]:
        """The mean over followers of what the leader is paid against what they have learned."""
        del n
        policy = quantal_choice(logits, 1.0)
        problem = self.game.induce(policy)
        own = lambda answer: problem.value(quantal_choice(answer, 1.0))
        paid = lambda answer: problem.leader_value(quantal_choice(answer, 1.0))

        def one(first):
            def update(answer, _):
                answer = answer + self.update_size * jax.grad(own)(answer)
                return answer, paid(answer) if self.counts == "all" else jnp.zeros(())

            last, along = jax.lax.scan(update, first, length=self.num_updates)
            return paid(last) if self.counts == "last" else jnp.mean(along)

        shape = (self.num_followers, *np.shape(self.game.uniform_commitment())[:-1], self.game.shape[2])
        return jnp.mean(jax.vmap(one)(jr.normal(key, shape, logits.dtype)))

    def slope(
        self, logits: Float[AnyArray, "... a"], n: Any, key: Key
    ) -> tuple[Float[AnyArray, ""], Float[AnyArray, "... a"]]:
        """The value at `logits`, and its slope: by differentiation, or the mean of noise × value (antithetic)."""
        if self.slopes == "gradient":
            return super().slope(logits, n, key)
        of_noise, of_followers = jr.split(key)
        noise = jr.normal(of_noise, (self.num_tries // 2, *logits.shape), logits.dtype)
        worth = jax.vmap(lambda shaken: self.anticipated(shaken, n, of_followers))
        above, below = worth(logits + self.deviation * noise), worth(logits - self.deviation * noise)
        slope = jnp.tensordot((above - below) / (2.0 * self.deviation), noise, 1) / len(noise)
        return 0.5 * jnp.mean(above + below), slope


class MarkovTruth(AbstractMonitor):
    """What a policy in a Markov game is worth once the follower best-responds, measured as the leader learns.

    - `game`: the game, that of the learner when left out.

    "leader_value" has ties for the leader, "adverse_value" against it.
    """

    game: MarkovGame | None

    def __init__(self, game: Any = None) -> None:
        self.game = None if game is None else boundary.instance("game", game, MarkovGame, GAME)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is measured."""
        return {
            "leader_value": Metric("leader's value, follower best-responds", "payoff", "leader", "higher"),
            "adverse_value": Metric("leader's value, ties against it", "payoff", "leader", "higher"),
        }

    def attached(self, learner: AbstractLearner) -> MarkovTruth:
        """The monitor for the learner's game."""
        if self.game is not None:
            return self
        if not isinstance(learner, AbstractThroughFollowers):
            raise InputError(
                boundary.INCONSISTENT,
                "monitor.game",
                found=f"it was left out, and a {type(learner).__name__} has no Markov game",
                allowed="a game is needed to know the truth",
                remedy=f"Give one: sg.MarkovTruth({GAME}).",
            )
        return MarkovTruth(learner.game)

    def certificate(self) -> Certificate | None:
        """Nothing is proved about the best policy."""
        return None

    def __call__(self, commitment: Float[AnyArray, "... a"], batch: Any, key: Key) -> Metrics:
        """Exact values."""
        del batch, key
        assert self.game is not None
        problem = self.game.induce(commitment)
        worth = lambda ties: problem.leader_value(problem.best_response(ties))
        return {"leader_value": worth("leader"), "adverse_value": worth("adversary")}
