"""TD3+BC and IQL by d3rlpy, run by an interpreter of its own: its pins do not go together with ours.

It reads the name of a method from each line of its input, makes 100 steps of it, and answers with its CPU seconds.
"""

from __future__ import annotations

import sys
import time

import d3rlpy
import numpy as np
import torch


STEPS, BATCH, ROWS = 100, 256, 10_000


def main() -> None:
    """Answer until the input ends."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    narrow = lambda values: values.astype(np.float32)
    data = d3rlpy.dataset.MDPDataset(
        narrow(rng.normal(size=(ROWS, 3))),
        narrow(rng.uniform(-1.0, 1.0, (ROWS, 1))),
        narrow(rng.normal(size=ROWS)),
        narrow(np.arange(ROWS) % 200 == 199),
    )
    made = {}
    for name, config in (("TD3BC", d3rlpy.algos.TD3PlusBCConfig), ("IQL", d3rlpy.algos.IQLConfig)):
        made[name] = config(batch_size=BATCH).create(device="cpu:0")
        made[name].build_with_dataset(data)
        for _ in range(20):
            made[name].update(data.sample_transition_batch(BATCH))
    for line in sys.stdin:
        start = time.process_time()
        for _ in range(STEPS):
            made[line.strip()].update(data.sample_transition_batch(BATCH))
        print(f"SECONDS {time.process_time() - start}", flush=True)


if __name__ == "__main__":
    main()
