"""Ask and tell: an agent that faces the real world, where nobody simulates the answers.

    advisor = sg.Advisor(sg.ResponseEstimation(), rules)
    commitment = advisor.announce()          # announce it
    advisor.observe(action)                  # what the follower then did

The same agent, keys and order as in `Repeated`, whose world is one more caller of `announce` and `observe`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._loop.precision import precise
from .._loop.randomness import ANNOUNCE, INIT, OBSERVE, SAMPLE, STEPS, UPDATE, of_step, role, seed_keys
from .._types import Key
from ..games.choices import Choices
from .agent import AbstractAgent
from .markov_world import MarkovEpisode, MarkovRules
from .world import Episode, Rules, episode_of


class Advisor:
    """An agent with what it has seen: `announce`, `observe`, `recommend`.

    - `agent`: who learns.  `rules`: what is known of the game (`sg.World(...).rules`, or `sg.rules_of(game)`; for play
      over stages `sg.MarkovWorld(...).rules`, or `sg.read_play(path).rules`).
    - `seed`: of whatever the agent draws; the same seed and answers give the same announcements.
    - `num_observed`: how many announcements have been answered.

    Raises `InputError` where the agent says, in the types of its `init`, that it plays by other rules: an agent of one
    stage does not play over stages, nor the other way round.
    """

    def __init__(self, agent: Any, rules: Any, seed: Any = 0) -> None:
        self.agent = boundary.instance("agent", agent, AbstractAgent, "sg.ResponseEstimation()")
        self.rules = rules if isinstance(rules, MarkovRules) else _one_shot(rules)
        _fitting(self.agent, self.rules)
        self.num_observed = 0
        with precise("float64"):
            root = seed_keys([boundary.whole_number("seed", seed)])[0, 0]
            self._steps = role(root, STEPS)
            self._traced_rules = _traced(self.rules)
            self._state = _init(self.agent, self._traced_rules, role(root, INIT))

    def announce(self) -> Float[np.ndarray, "..."]:
        """The next commitment. Asked again before the answer comes, it is the same."""
        with precise("float64"):
            key = role(role(of_step(self._steps, self.num_observed), SAMPLE), ANNOUNCE)
            made = _announce(self.agent, self._traced_rules, self._state, jnp.int32(self.num_observed), key)
            return np.asarray(made)

    def observe(self, action: Any, reward: Any = None, *, commitment: Any = None, count: Any = 1.0) -> dict[str, float]:
        """What the follower did after the announcement; the agent's own numbers come back.

        - `action`: a number from 0, or a list of them when one announcement was answered several times.
        - `reward`: what the leader was paid; its expected payoff when left out.
        - `commitment`: what was really announced, when it was not what `announce` said.
        - `count`: how often each action was seen.
        """
        rules = _one_shot(self.rules)
        announced = self.announce() if commitment is None else commitment
        actions = list(action) if isinstance(action, list | tuple | np.ndarray) and np.ndim(action) else [action]
        if not actions:
            raise InputError(
                boundary.EMPTY,
                "action",
                found="the list is empty",
                allowed="at least one answer is needed",
                remedy="Give the number of the action, from 0.",
            )
        parts = [episode_of(rules, announced, one, count=count, reward=reward) for one in actions]
        counts = np.sum([np.asarray(part.counts) for part in parts], axis=0)
        paid = np.sum([np.asarray(part.leader_reward) for part in parts])
        return self.take(Episode(parts[0].commitment, counts, np.asarray(paid)))

    def take(self, episode: Episode | MarkovEpisode) -> dict[str, float]:
        """The same for an episode that was put together, and checked, elsewhere; the only way over stages."""
        room = self.agent.max_steps
        if room is not None and self.num_observed >= room:
            raise InputError(
                boundary.RANGE,
                "log",
                found=f"there are more than {room} announcements",
                allowed=f"this agent has room for {room}",
                remedy=f"Give the agent a larger capacity, such as capacity={2 * room}.",
            )
        with precise("float64"):
            traced = _traced(episode)
            key = role(role(of_step(self._steps, self.num_observed), UPDATE), OBSERVE)
            self._state, metrics = _observe(
                self.agent, self._traced_rules, self._state, traced, jnp.int32(self.num_observed), key
            )
            self.num_observed += 1
            return {name: float(value) for name, value in metrics.items()}

    def recommend(self) -> Float[np.ndarray, "..."]:
        """The commitment that now looks best, without any wish to learn more."""
        with precise("float64"):
            return np.asarray(_recommend(self.agent, self._traced_rules, self._state))


def episodes(choices: Choices, num_actions: int) -> Iterator[tuple[Float[np.ndarray, "a"], Float[np.ndarray, "b"]]]:
    """The announcements of a log in its order, each with how often every answer was given.

    Rows that follow one another with the same commitment and period belong to one announcement.
    """
    if choices.commitment is None:
        raise InputError(
            boundary.INCONSISTENT,
            "log",
            found="it has no commitments",
            allowed="what was announced must stand beside what was answered",
            remedy="Add the columns commitment.<name>, one for each action of the leader.",
        )
    previous: Any = None
    counts = np.zeros(num_actions)
    for row, action, count, period in zip(
        choices.commitment, choices.action, choices.count, choices.period, strict=True
    ):
        mark = (row.tobytes(), int(period))
        if previous is not None and mark != previous[0]:
            yield previous[1], counts
            counts = np.zeros(num_actions)
        counts[action] += count
        previous = (mark, row)
    if previous is not None:
        yield previous[1], counts


def _one_shot(rules: Any) -> Rules:
    return boundary.instance("rules", rules, Rules, "sg.rules_of(game)")


def _fitting(agent: AbstractAgent, rules: Rules | MarkovRules) -> None:
    """`InputError` where the agent says that it takes rules of another class."""
    try:
        taken: Any = get_type_hints(type(agent).init).get("rules", Any)
    except NameError:  # an agent of one's own may name types that exist for the type checker alone
        return
    if taken is Any or not isinstance(taken, type) or isinstance(rules, taken):
        return
    agents, source = (
        ("an agent of play over stages, such as sg.OptimisticValueIteration()", "sg.rules_of(game)")
        if isinstance(rules, MarkovRules)
        else ("an agent of one stage, such as sg.ResponseEstimation()", "sg.MarkovWorld(...).rules")
    )
    raise InputError(
        boundary.INCONSISTENT,
        "agent",
        found=f"{type(agent).__name__} plays by {taken.__name__}, and `rules` are {type(rules).__name__}",
        allowed="an agent is asked by the rules that it takes: those of one stage, or those of play over stages",
        remedy=f"Take {agents}, or give this agent {source}.",
    )


def _traced(tree: Any) -> Any:
    """Its numbers as arrays of JAX, so that one compiled call serves all values."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float | np.ndarray) else leaf, tree)


@eqx.filter_jit
def _init(agent: AbstractAgent, rules: Any, key: Key) -> Any:
    return agent.init(rules, key)


@eqx.filter_jit
def _announce(agent: AbstractAgent, rules: Any, state: Any, n: Any, key: Key) -> Any:
    return agent.announce(rules, state, n, key)


@eqx.filter_jit
def _observe(agent: AbstractAgent, rules: Any, state: Any, episode: Any, n: Any, key: Key) -> Any:
    return agent.observe(rules, state, episode, n, key)


@eqx.filter_jit
def _recommend(agent: AbstractAgent, rules: Any, state: Any) -> Any:
    return agent.recommend(rules, state)
