"""Several followers who answer a leader by an equilibrium among themselves: which one is part of the oracle.

All of them ask for the leader's answer to each of its observations once, and know the leader by these answers.
`PureNash` goes through all pure profiles; `NoRegret` lets followers play many times, each against the others.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from ..calculus.simplex import logarithm, quantal_choice
from ..games.environment import AbstractEnvironment
from ..games.exact_environment import MOST_POLICIES
from ..games.several_followers import AbstractSeveralFollowers
from .asking_all import AbstractAskingAll, Answers


EXAMPLE = "sg.MatrixDesignGame()"

Selection: TypeAlias = Literal["leader", "adversary", "first"]
Rule: TypeAlias = Literal["multiplicative-weights", "regret-matching"]
Counted: TypeAlias = Literal["average", "last"]

Tables: TypeAlias = tuple[AnyArray, ...]


class AbstractEquilibriumOracle(AbstractAskingAll):
    """Followers whose game is known once the leader has answered."""

    @property
    def several(self) -> AbstractSeveralFollowers:
        """The game."""
        assert isinstance(self.environment, AbstractSeveralFollowers)
        return self.environment

    @abstractmethod
    def worth(self, commitment: Float[AnyArray, "o a"], response: Any) -> Float[AnyArray, "seats"]:
        """What every seat is paid in expectation when followers play by `response`."""

    @abstractmethod
    def regrets(self, commitment: Float[AnyArray, "o a"], response: Any) -> Float[AnyArray, "followers"]:
        """What each follower would gain by its best policy, the others playing as they do: 0 in an equilibrium."""


class PureNash(AbstractEquilibriumOracle):
    """The pure Nash equilibrium that the leader's answers make, found by going through all profiles of policies.

    - `environment`: a game with several followers whose values are known, with at most 4,096 pure profiles.
    - `selection`: of several equilibria that which the "leader" likes best, or worst (its "adversary"), or the "first"
      in the order of policies.

    Where there is no pure equilibrium followers play the profile in which the largest regret is least.
    """

    environment: AbstractEnvironment
    selection: Selection = eqx.field(static=True)

    def __init__(self, environment: Any, selection: Any = "leader") -> None:
        self.environment = boundary.instance("environment", environment, AbstractSeveralFollowers, EXAMPLE)
        self.selection = boundary.one_of("selection", selection, ("leader", "adversary", "first"))  # type: ignore[assignment]
        pure_policies(self.several)

    def response(self, state: Answers) -> Tables:
        """The tables of the profile that was selected."""
        values, places, is_stable = self.stable(state.table)
        preference = {"leader": values[:, 0], "adversary": -values[:, 0], "first": jnp.zeros(len(places))}
        best = jnp.argmax(jnp.where(is_stable, preference[self.selection], -jnp.inf))
        policies = pure_policies(self.several)
        return tuple(jnp.asarray(of_one)[places[best, seat]] for seat, of_one in enumerate(policies))

    def worth(self, commitment: Float[AnyArray, "o a"], response: Tables) -> Float[AnyArray, "seats"]:
        """Of the profile."""
        return self.several.values(commitment, response)

    def regrets(self, commitment: Float[AnyArray, "o a"], response: Tables) -> Float[AnyArray, "followers"]:
        """By going through each follower's policies."""
        return gains(self.several, commitment, response)

    def stable(
        self, commitment: Float[AnyArray, "o a"]
    ) -> tuple[Float[AnyArray, "k seats"], Int[AnyArray, "k followers"], Bool[AnyArray, "k"]]:
        """Of all pure profiles: what every seat is paid, the policies' numbers, and whether it is an equilibrium.

        Where there is none, whether the largest regret is the least of all.
        """
        policies = pure_policies(self.several)
        sizes = tuple(len(of_one) for of_one in policies)
        places = jnp.asarray(np.array(list(itertools.product(*map(range, sizes)))))

        def one(place):
            tables = tuple(jnp.asarray(of_one)[place[seat]] for seat, of_one in enumerate(policies))
            return self.several.values(commitment, tables)

        values = jax.vmap(one)(places)
        table = values.reshape(*sizes, -1)
        best = [jnp.max(table[..., 1 + seat], axis=seat, keepdims=True) for seat in range(len(sizes))]
        regrets = jnp.stack([of_best - table[..., 1 + seat] for seat, of_best in enumerate(best)], axis=-1)
        largest = jnp.max(regrets, axis=-1).ravel()
        slack = 32.0 * jnp.finfo(values.dtype).eps * self.several.follower_range
        return values, places, largest <= jnp.min(largest) + slack


class NoRegret(AbstractEquilibriumOracle):
    """Followers who play `num_rounds` times against each other, each by a rule whose regret vanishes.

    - `environment`: a game with several followers whose values are known. Each follower meets one of its observations
      in a play, and acts on it once (its type, say): the rule runs at every observation on its own.
    - `num_rounds`: plays.  `rate`: ε of multiplicative weights, w ← w (1 + ε)^u, with u the expected payoff.
    - `rule`: "multiplicative-weights", or "regret-matching" (Hart and Mas-Colell, 2000; it takes no rate).
    - `counts`: "average" plays a round drawn evenly among all of them, "last" the likeliest actions of the last one.

    The even mixture of all rounds is a coarse correlated equilibrium up to the average regret; it is correlated, so the
    round is drawn once for all followers. The rule itself selects among equilibria. Departure from Brero et al. (2022),
    who sample types and actions in each round and play the last one: payoffs are expected ones.
    """

    environment: AbstractEnvironment
    num_rounds: int = eqx.field(static=True)
    rate: float
    rule: Rule = eqx.field(static=True)
    counts: Counted = eqx.field(static=True)

    def __init__(
        self,
        environment: Any,
        num_rounds: Any = 200,
        rate: Any = 0.1,
        rule: Any = "multiplicative-weights",
        counts: Any = "average",
    ) -> None:
        self.environment = boundary.instance("environment", environment, AbstractSeveralFollowers, EXAMPLE)
        self.num_rounds = boundary.whole_number("num_rounds", num_rounds, low=1)
        self.rate = boundary.real_number("rate", rate, low=0.0, low_open=True)
        self.rule = boundary.one_of("rule", rule, ("multiplicative-weights", "regret-matching"))  # type: ignore[assignment]
        self.counts = boundary.one_of("counts", counts, ("average", "last"))  # type: ignore[assignment]

    def response(self, state: Answers) -> Tables:
        """What each follower played in each round, `(rounds, p, b)`; of one round where the last one counts."""
        shapes = [self.several.shape_of(1 + seat) for seat in range(self.several.num_seats - 1)]
        sums = tuple(jnp.zeros(shape) for shape in shapes)

        def play(sums, _):
            tables = tuple(self._played(one) for one in sums)
            paid = action_values(self.several, state.table, tables)
            if self.rule == "regret-matching":
                paid = tuple(
                    own - jnp.sum(own * table, axis=-1, keepdims=True) for own, table in zip(paid, tables, strict=True)
                )
            return tuple(jnp.add(total, now) for total, now in zip(sums, paid, strict=True)), tables

        sums, rounds = jax.lax.scan(play, sums, length=self.num_rounds)
        if self.counts == "average":
            return rounds
        return tuple(jax.nn.one_hot(jnp.argmax(one, axis=-1), jnp.shape(one)[-1])[None] for one in sums)

    def drawn(self, response: Tables, key: Key) -> Tables:
        """One round, the same for all followers."""
        place = jr.randint(key, (), 0, len(response[0]))
        return tuple(jnp.asarray(table)[place] for table in response)

    def worth(self, commitment: Float[AnyArray, "o a"], response: Tables) -> Float[AnyArray, "seats"]:
        """The mean over rounds."""
        return jnp.mean(jax.vmap(lambda tables: self.several.values(commitment, tables))(response), axis=0)

    def regrets(self, commitment: Float[AnyArray, "o a"], response: Tables) -> Float[AnyArray, "followers"]:
        """Of the best action at each observation, the same in all rounds."""
        paid = jax.vmap(lambda tables: action_values(self.several, commitment, tables))(response)
        best = [jnp.sum(jnp.max(jnp.mean(own, axis=0), axis=-1)) for own in paid]
        had = [
            jnp.sum(jnp.mean(jnp.sum(own * table, axis=-1), axis=0)) for own, table in zip(paid, response, strict=True)
        ]
        return jnp.stack(best) - jnp.stack(had)

    def _played(self, total: Float[AnyArray, "p b"]) -> Float[AnyArray, "p b"]:
        """The chances of this round, by what was summed up so far."""
        if self.rule == "multiplicative-weights":
            return quantal_choice(total, logarithm(1.0 + jnp.asarray(self.rate)))
        above = jnp.maximum(total, 0.0)
        whole = jnp.sum(above, axis=-1, keepdims=True)
        return jnp.where(whole > 0.0, above / jnp.where(whole > 0.0, whole, 1.0), 1.0 / jnp.shape(total)[-1])


def pure_policies(game: AbstractSeveralFollowers) -> tuple[Float[np.ndarray, "k p b"], ...]:
    """All deterministic policies of each follower; `InputError` where they make more than 4,096 profiles.

    Where it has nothing to decide a follower takes action 0.
    """
    seats = range(1, game.num_seats)
    shapes = [(game.num_deciding(seat), game.shape_of(seat)[1]) for seat in seats]
    total = int(np.prod([float(num_actions) ** seen for seen, num_actions in shapes]))
    if total > MOST_POLICIES:
        raise InputError(
            boundary.RANGE,
            "environment",
            found=f"followers have {' × '.join(f'{b}^{p}' for p, b in shapes)} pure profiles",
            allowed=f"at most {MOST_POLICIES} are gone through one by one",
            remedy="Take followers that learn among themselves: sg.NoRegret(environment).",
        )
    every = []
    for seat, (deciding, num_actions) in zip(seats, shapes, strict=True):
        actions = np.array(list(itertools.product(range(num_actions), repeat=deciding)), dtype=int)
        idle = np.zeros((len(actions), game.shape_of(seat)[0] - deciding), dtype=int)
        every.append(np.eye(num_actions)[np.concatenate([actions, idle], axis=1)])
    return tuple(every)


def action_values(
    game: AbstractSeveralFollowers, commitment: Float[AnyArray, "o a"], tables: Tables
) -> tuple[Float[AnyArray, "p b"], ...]:
    """What each follower would be paid by each action at each observation, everything else as in `tables`.

    They are derivatives of its value, which is linear in the chances at an observation that a play meets once.
    """

    def own(seat):
        def worth(table):
            others = tuple(table if place == seat else one for place, one in enumerate(tables))
            return game.values(commitment, others)[1 + seat]

        return jax.grad(worth)(jnp.asarray(tables[seat]))

    return tuple(own(seat) for seat in range(len(tables)))


def gains(
    game: AbstractSeveralFollowers, commitment: Float[AnyArray, "o a"], tables: Tables
) -> Float[AnyArray, "followers"]:
    """What each follower would gain by the best of all its deterministic policies."""
    now = game.values(commitment, tables)[1:]

    def best(seat, policies):
        def worth(policy):
            others = tuple(policy if place == seat else one for place, one in enumerate(tables))
            return game.values(commitment, others)[1 + seat]

        return jnp.max(jax.vmap(worth)(jnp.asarray(policies)))

    return jnp.stack([best(seat, of_one) for seat, of_one in enumerate(pure_policies(game))]) - now
