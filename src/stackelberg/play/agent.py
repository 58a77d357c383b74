"""Agents: leaders that know the rules and nothing else. One agent serves online play, a log, and the real world.

state = agent.init(rules, key)
commitment = agent.announce(rules, state, n, key)
state, metrics = agent.observe(rules, state, episode, n, key)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, get_type_hints

import equinox as eqx
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, Metrics, Precision, Resume
from .._loop.randomness import ANNOUNCE, OBSERVE, PLAY, role
from .._runs import Metric
from .._types import AnyArray, Key
from .base import AbstractChangingWorld, AbstractWorld, Belief, Meeting


class AbstractAgent(eqx.Module):
    """A leader that learns from what it is shown. Its fields are settings; what is played comes as `rules`.

    Schedules depend on the number n of announcements made before, which is never batched. `max_steps` is how many
    announcements there is room for, None without limit.
    """

    @property
    @abstractmethod
    def max_steps(self) -> int | None:
        """The most announcements there is room for."""

    @property
    @abstractmethod
    def meanings(self) -> Mapping[str, Metric]:
        """What is recorded."""

    @abstractmethod
    def init(self, rules: Any, key: Key) -> Any:
        """What is known before the first announcement."""

    @abstractmethod
    def announce(self, rules: Any, state: Any, n: Any, key: Key) -> Float[AnyArray, "..."]:
        """The n-th announcement, counted from 0."""

    @abstractmethod
    def observe(self, rules: Any, state: Any, episode: Any, n: Any, key: Key) -> tuple[Any, Metrics]:
        """What is known after the answers to the n-th announcement, and numbers to record."""

    @abstractmethod
    def recommend(self, rules: Any, state: Any) -> Float[AnyArray, "..."]:
        """The commitment that now looks best, without any wish to learn more."""

    @abstractmethod
    def belief(self, rules: Any, state: Any) -> Belief | None:
        """What it expects of its next announcement, to be compared with the truth; None when it does not say."""


class Repeated(AbstractLearner):
    """An agent that meets a world again and again: announce, see the answers, think.

    The agent is handed `world.rules`, never the world. Raises `InputError` where they are not of the class that
    `agent.init` says it takes: an agent for one stage does not play over stages, nor the other way round.
    """

    agent: AbstractAgent
    world: AbstractWorld

    def __init__(self, agent: Any, world: Any) -> None:
        self.agent = boundary.instance("agent", agent, AbstractAgent, "sg.ResponseEstimation()")
        self.world = boundary.instance("world", world, AbstractWorld, "sg.World(game, sg.QuantalResponse(5.0))")
        _fitting(self.agent, self.world)

    @property
    def precision(self) -> Precision:
        """Agents compute in float64."""
        return "float64"

    @property
    def on_host(self) -> bool:
        """Worlds are played on the device."""
        return False

    @property
    def resume(self) -> Resume:
        """Nothing outside of the state remembers."""
        return "exact"

    @property
    def max_steps(self) -> int | None:
        """What the agent has room for."""
        return self.agent.max_steps

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What the agent records, and what it was paid."""
        return {**self.agent.meanings, "leader_reward": Metric("leader's mean reward", "payoff", "leader", "higher")}

    def init(self, key: Key) -> Any:
        """What the agent knows before the first announcement, with what the follower remembers where it does."""
        state = self.agent.init(self.world.rules, key)
        memory = self.world.memory() if isinstance(self.world, AbstractChangingWorld) else None
        return _together(state, memory)

    def sample(self, state: Any, n: Any, key: Key) -> Meeting:
        """One announcement and its answers."""
        known, memory = _apart(state)
        commitment = self.agent.announce(self.world.rules, known, n, role(key, ANNOUNCE))
        belief = self.agent.belief(self.world.rules, known)
        if isinstance(self.world, AbstractChangingWorld):
            now = self.world.at(n, memory)
            return Meeting(now.play(commitment, role(key, PLAY)), belief, n, memory)
        return Meeting(self.world.play(commitment, role(key, PLAY)), belief)

    def update(self, state: Any, batch: Meeting, n: Any, key: Key) -> tuple[Any, Metrics]:
        """What the agent makes of them."""
        known, memory = _apart(state)
        known, metrics = self.agent.observe(self.world.rules, known, batch.episode, n, role(key, OBSERVE))
        if isinstance(self.world, AbstractChangingWorld):
            memory = self.world.remembered(memory, batch.commitment)
        paid = batch.episode.leader_reward / self.world.num_plays
        return _together(known, memory), {**metrics, "leader_reward": paid}

    def commitment(self, state: Any) -> Float[AnyArray, "..."]:
        """What the agent would recommend now."""
        return self.agent.recommend(self.world.rules, _apart(state)[0])


class Acquaintance(eqx.Module):
    """The state of repeated play with a follower who remembers: what the agent knows, and what the follower does."""

    known: Any
    memory: Any


def _together(known: Any, memory: Any) -> Any:
    return known if memory is None else Acquaintance(known, memory)


def _apart(state: Any) -> tuple[Any, Any]:
    return (state.known, state.memory) if isinstance(state, Acquaintance) else (state, None)


def _fitting(agent: AbstractAgent, world: AbstractWorld) -> None:
    """`InputError` where the agent says that it takes other rules than those of the world."""
    shown = getattr(type(world).rules, "fget", None)
    try:
        taken: Any = get_type_hints(type(agent).init).get("rules", Any)
        given: Any = Any if shown is None else get_type_hints(shown).get("return", Any)
    except NameError:  # an agent of one's own may name types that exist for the type checker alone
        return
    if Any in (taken, given) or not (isinstance(taken, type) and isinstance(given, type)) or issubclass(given, taken):
        return
    raise InputError(
        boundary.INCONSISTENT,
        "agent",
        found=f"{type(agent).__name__} plays by {taken.__name__}, {type(world).__name__} by {given.__name__}",
        allowed="an agent and its world play by the same rules: those of one stage, or those of play over stages",
        remedy="sg.ResponseEstimation() plays in a sg.World, sg.OptimisticValueIteration() in a sg.MarkovWorld.",
    )
