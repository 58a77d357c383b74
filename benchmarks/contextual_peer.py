"""The same contextual follower by Stable-Baselines3, where it is installed: a peer of `ContextualPPO`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import gymnasium
import numpy as np


LENGTH, COPIES, ROLLOUT = 100, 64, 128
PAYOFF = np.array([[3.0, 4.0], [1.0, 2.0]])  # the follower's, by the leader's action and its own


class Dilemma(gymnasium.Env):
    """The prisoner's dilemma of 100 rounds against a new mixed leader of memory one in each episode."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (10,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def reset(self, seed=None, options=None):
        self._leader = self._rng.random(5)
        self._time, self._seen = 0, 0
        return self._observation(), {}

    def step(self, action):
        a = int(self._rng.random() >= self._leader[self._seen])
        self._seen, self._time = 1 + a + 2 * int(action), self._time + 1
        return self._observation(), PAYOFF[a, int(action)], False, self._time >= LENGTH, {}

    def _observation(self):
        return np.concatenate([np.eye(5)[self._seen], self._leader]).astype(np.float32)


def peer() -> Callable[[], object] | None:
    """One rollout of 128 steps of 64 copies and its 16 minibatches; None where Stable-Baselines3 is missing."""
    if importlib.util.find_spec("stable_baselines3") is None:
        return None
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    torch.set_num_threads(1)
    batch = COPIES * ROLLOUT // 4
    model = PPO(
        "MlpPolicy", DummyVecEnv([Dilemma] * COPIES), n_steps=ROLLOUT, batch_size=batch, n_epochs=4, device="cpu"
    )
    return lambda: model.learn(COPIES * ROLLOUT, reset_num_timesteps=False)
