"""Our environments as PettingZoo's: `to_pettingzoo`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ... import _boundary as boundary
from ..environment import AbstractEnvironment, Discrete
from .spaces import check_begun, missing, to_gymnasium


def to_pettingzoo(environment: Any, seed: Any = 0) -> Any:
    """An environment of ours as a PettingZoo `ParallelEnv`.

    Agents are "leader", "follower_1", "follower_2" …; steps are compiled once and run one by one. `seed` is that of the
    first `reset` if it is given none. Episodes that reach `num_steps` are truncated, others terminated. Raises
    `InputError` where PettingZoo is not installed.
    """
    example = 'sg.iterated_matrix_game("chicken")'
    game = boundary.instance("environment", environment, AbstractEnvironment, example)
    number = boundary.whole_number("seed", seed, low=0)
    try:
        from pettingzoo import ParallelEnv as base
    except ImportError as problem:
        raise missing("pettingzoo") from problem

    class Played(base):
        """The environment, as PettingZoo plays it."""

        metadata = {"name": type(game).__name__, "render_modes": [], "is_parallelizable": True}  # noqa: RUF012
        render_mode = None

        def __init__(self) -> None:
            self.possible_agents = ["leader", *(f"follower_{one}" for one in range(1, game.num_seats))]
            self.agents: list[str] = []
            pairs = zip(self.possible_agents, game.observation_spaces, game.action_spaces, strict=True)
            self.observation_spaces, self.action_spaces = {}, {}
            for agent, seen, done in pairs:
                self.observation_spaces[agent], self.action_spaces[agent] = to_gymnasium(seen), to_gymnasium(done)
            self._key = jax.random.key(number)
            self._reset, self._step = eqx.filter_jit(game.reset), eqx.filter_jit(game.step)
            self._state: Any = None
            self._time = 0

        def observation_space(self, agent: str) -> Any:
            """Of one agent."""
            return self.observation_spaces[agent]

        def action_space(self, agent: str) -> Any:
            """Of one agent."""
            return self.action_spaces[agent]

        def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
            """A first state."""
            del options
            if seed is not None:
                self._key = jax.random.key(seed)
            self._key, key = jax.random.split(self._key)
            self._state, observations = self._reset(key)
            self._time, self.agents = 0, list(self.possible_agents)
            return self._named(observations), {agent: {} for agent in self.agents}

        def step(self, actions: dict[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
            """All agents act at once."""
            check_begun(bool(self.agents))
            self._key, key = jax.random.split(self._key)
            chosen = tuple(
                jnp.int32(actions[agent]) if isinstance(space, Discrete) else jnp.asarray(actions[agent], jnp.float32)
                for agent, space in zip(self.agents, game.action_spaces, strict=True)
            )
            made = self._step(self._state, chosen, key)
            self._state, self._time = made.state, self._time + 1
            is_over, is_long = bool(made.is_over), self._time >= game.num_steps
            seen = self._named(made.observations)
            rewards = {agent: float(one) for agent, one in zip(self.agents, made.rewards, strict=True)}
            ended = dict.fromkeys(self.agents, is_over and not is_long)
            cut = dict.fromkeys(self.agents, is_long)
            told: dict[str, Any] = {agent: {} for agent in self.agents}
            if is_over or is_long:
                self.agents = []
            return seen, rewards, ended, cut, told

        def _named(self, observations: Any) -> dict[str, Any]:
            pairs = zip(self.possible_agents, observations, game.observation_spaces, strict=True)
            plain = lambda value, space: (
                np.int64(value) if isinstance(space, Discrete) else np.asarray(value, np.float32)
            )
            return {agent: plain(value, space) for agent, value, space in pairs}

    return Played()
