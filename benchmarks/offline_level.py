"""Do TD3+BC and IQL of this package learn what d3rlpy's do? Run `python -m benchmarks.offline_level`.

The peer's interpreter is named by `D3RLPY_PYTHON`. Returns of twenty episodes of a pendulum, greedy; the log's tier is
"medium" of `stackelberg reproduce batch:continuous`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import stackelberg as sg
from stackelberg.experiments.catalog.batch_control import actor_critic_policy, greedy_return, tier_log

from .batch import PEER


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
            policy = actor_critic_policy(kind(data, 0.97), asked.steps, seed)
            print(f"seed {seed}: {name} here {greedy_return(sg.Pendulum(), policy):.1f}", flush=True)
        if not interpreter:
            print(f"no peer: name an interpreter with d3rlpy by {PEER}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.npz"
            sg.write_log(data, path)
            made = subprocess.run(
                [interpreter, str(script), str(path), str(asked.steps)], capture_output=True, text=True, cwd=folder
            )
        for line in made.stdout.splitlines():
            if line.startswith("RETURN "):
                _, name, value = line.split()
                print(f"seed {seed}: {name} d3rlpy {float(value):.1f}", flush=True)
        if made.returncode:
            print(made.stderr[-2_000:])


if __name__ == "__main__":
    main()
