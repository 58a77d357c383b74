"""The same contextual follower by RLlib, run by an interpreter of its own.

For each line of its input it makes one rollout of 128 steps of 64 copies with its 16 minibatches, all in this process,
and answers with its CPU seconds.
"""

from __future__ import annotations

import sys
import time

import ray
import torch
from contextual_peer import COPIES, ROLLOUT, Dilemma
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env


def main() -> None:
    """Answer until the input ends."""
    torch.set_num_threads(1)
    ray.init(num_cpus=1, include_dashboard=False, logging_level="error")
    register_env("dilemma", lambda config: Dilemma())
    batch = COPIES * ROLLOUT
    model = DefaultModelConfig(fcnet_hiddens=[64, 64], fcnet_activation="tanh", vf_share_layers=False)
    algorithm = (
        PPOConfig()
        .environment("dilemma")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=COPIES, rollout_fragment_length=ROLLOUT)
        .learners(num_learners=0)
        .rl_module(model_config=model)
        .training(train_batch_size=batch, minibatch_size=batch // 4, num_epochs=4, lr=3e-4, use_kl_loss=False)
        .build_algo()
    )
    algorithm.train()
    for _ in sys.stdin:
        start = time.process_time()
        algorithm.train()
        print(f"SECONDS {time.process_time() - start}", flush=True)


if __name__ == "__main__":
    main()
