"""TD3+BC and IQL by d3rlpy on a log in a file, and what they earn in Gymnasium's pendulum; run by its own interpreter.

    python offline_level_peer.py LOG.npz NUM_STEPS NUM_EPISODES

The log's actions are in [-1, 1]; the task's torque is twice that.
"""

from __future__ import annotations

import sys

import d3rlpy
import gymnasium
import numpy as np
import torch


def main(path: str, num_steps: int, num_episodes: int) -> None:
    """Train, play, and print a line for each method."""
    torch.set_num_threads(1)
    log = np.load(path)
    data = d3rlpy.dataset.MDPDataset(
        log["observation"].astype(np.float32),
        log["action"].astype(np.float32),
        log["reward"].astype(np.float32),
        log["terminal"].astype(np.float32),
        log["truncated"].astype(np.float32),
    )
    observe = d3rlpy.preprocessing.StandardObservationScaler()
    settings = {"gamma": 0.97, "batch_size": 256, "observation_scaler": observe}
    for name, config in (("TD3+BC", d3rlpy.algos.TD3PlusBCConfig), ("IQL", d3rlpy.algos.IQLConfig)):
        learner = config(**settings).create(device="cpu:0")
        learner.fit(data, n_steps=num_steps, n_steps_per_epoch=num_steps, show_progress=False, save_interval=10**9)
        env, returns = gymnasium.make("Pendulum-v1"), []
        for episode in range(num_episodes):
            seen, paid, is_on = env.reset(seed=episode)[0], 0.0, True
            while is_on:
                action = np.clip(learner.predict(seen[None].astype(np.float32))[0], -1.0, 1.0)
                seen, reward, over, cut, _ = env.step(2.0 * action)
                paid, is_on = paid + float(reward), not (over or cut)
            returns.append(paid)
        print(f"RETURN {name} {np.mean(returns)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
