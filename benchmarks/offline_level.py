"""Do TD3+BC and IQL of this package learn what d3rlpy's do? Run `python -m benchmarks.offline_level`.

The peer's interpreter is named by `D3RLPY_PYTHON`. Mean returns of the same hundred episodes of Gymnasium's
pendulum for both, greedy: episodes differ by more than methods do. The log's tier is "medium" of `stackelberg
reproduce batch:continuous`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

import stackelberg as sg
from stackelberg.experiments.catalog.batch_baselines import trained
from stackelberg.experiments.catalog.batch_control import tier_log
from stackelberg.rl.batch_policy import AbstractBatchPolicy

from .batch import PEER


EPISODES = 100


def played(policy: AbstractBatchPolicy) -> float:
    """The mean return of the greedy actions."""
    choose = jax.jit(lambda seen: policy.greedy(seen[None])[0])
    act = lambda seen, _: np.clip(np.asarray(choose(jnp.asarray(seen, jnp.float32))), -1.0, 1.0)
    return float(np.mean(sg.gymnasium_returns(gymnasium.make("Pendulum-v1"), act, EPISODES)))


def main() -> None:
    """Print both methods by both packages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="medium")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    interpreter = os.environ.get(PEER)
    script = Path(__file__).with_name("offline_level_peer.py")
    for seed in range(asked.seeds):
        data = tier_log(asked.tier, asked.rows, seed)
        print(f"seed {seed}: the log {np.mean(data.returns()):.1f}", flush=True)
        for name, kind in (("TD3+BC", sg.TD3BC), ("IQL", sg.ImplicitQLearning)):
            policy = trained(kind(data, 0.97), asked.steps, seed)
            print(f"seed {seed}: {name} here {played(policy):.1f}", flush=True)
        if not interpreter:
            print(f"no peer: name an interpreter with d3rlpy by {PEER}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.npz"
            sg.write_log(data, path)
            made = subprocess.run(
                [interpreter, str(script), str(path), str(asked.steps), str(EPISODES)],
                capture_output=True,
                text=True,
                cwd=folder,
            )
        for line in made.stdout.splitlines():
            if line.startswith("RETURN "):
                _, name, value = line.split()
                print(f"seed {seed}: {name} d3rlpy {float(value):.1f}", flush=True)
        if made.returncode:
            print(made.stderr[-2_000:])


if __name__ == "__main__":
    main()
