"""One run on several devices is the run on one, up to the rounding of a sum in another order.

Devices are virtual ones of this machine, which a process only has when it is told so before it starts.
"""

import json
import os
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._loop.chunk import _compiled
from stackelberg.experiments.sweeping.backends.base import quiet

from .learners import Regression


TOLERANCE = 1e-6
"""For both precisions: float32 rounds at 6e-8, and the loss of the first step is about 5."""

FOUR = """
import json, sys
import stackelberg as sg
from tests.sweep.learners import CountedTooOften, Regression

found = {}
for precision, seeds in (("float32", (0, 1, 2, 3)), ("float32", (5,)), ("float64", (5,))):
    learner = Regression(0.05, 64, precision)
    found[f"{precision}, {len(seeds)} seeds"] = sg.device_difference(learner, 20, seeds).to_json()
right = Regression(0.05, 64, "float32")
found["counted too often"] = sg.device_difference(right, 20, (5,), other=CountedTooOften(right, 4)).to_json()
json.dump(found, sys.stdout)
"""

SEVERAL = """
import sys
import jax
import numpy as np

port, rank, count, folder = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if count > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=count, process_id=rank)

import stackelberg as sg
from stackelberg.experiments import spec
from stackelberg.experiments.running import disk
from tests.sweep.learners import Regression

spec.TABLE["regression"] = Regression
if rank:
    def never(*_):
        raise AssertionError("only the first process writes")
    for name in ("make_folder", "write", "append", "truncate", "rename", "remove"):
        setattr(disk.Disk, name, never)
for name, seeds in (("seeds", (0, 1, 2, 3)), ("minibatch", (5,))):
    experiment = sg.Experiment(Regression(0.05, 64, "float64"), 60, seeds=seeds, checkpoint_every=20)
    asked = iter((0, 0, 15))
    try:
        record = sg.run(experiment, f"{folder}/{name}", stop=lambda: next(asked, 0) if count > 1 else 0)
    except sg.StoppedError as problem:
        assert problem.signal == 15
        record = sg.run(experiment, f"{folder}/{name}")
    assert record.is_complete()
    assert record.provenance["environment"]["num_devices"] == count
"""


def python(script, *arguments, flags="", wait=True):
    environment = quiet({**os.environ, "XLA_FLAGS": f"{flags} --xla_cpu_multi_thread_eigen=false".strip()})
    command = [sys.executable, "-c", script, *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return ended(process) if wait else process


def ended(process, seconds=240):
    try:
        out, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors[-3000:]
    return out


def test_four_devices_agree_with_one_and_gradients_that_are_counted_four_times_would_not(record_property, capsys):
    found = json.loads(python(FOUR, flags="--xla_force_host_platform_device_count=4"))
    largest = {name: max(entry["commitment"], *entry["metrics"].values()) for name, entry in found.items()}
    with capsys.disabled():
        print(f"\nlargest difference between 1 and 4 devices: {largest}")
    record_property("device_difference", largest)
    planted = largest.pop("counted too often")
    assert max(largest.values()) <= TOLERANCE
    assert planted > 1e4 * TOLERANCE
    assert {entry["split"] for entry in found.values()} == {"seeds", "minibatch"}
    assert {entry["num_devices"] for entry in found.values()} == {4}


@pytest.mark.slow
def test_two_processes_compute_what_one_computes_and_only_the_first_one_writes(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [python(SEVERAL, port, rank, 2, tmp_path / "two", wait=False) for rank in range(2)]
    for process in both:
        ended(process)
    python(SEVERAL, 0, 0, 1, tmp_path / "one")
    for name in ("seeds", "minibatch"):
        one, two = (sg_curves(tmp_path / place / name) for place in ("one", "two"))
        assert one.keys() == two.keys()
        np.testing.assert_allclose([two[step] for step in one], list(one.values()), rtol=0, atol=TOLERANCE)


def sg_curves(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["metrics"]["loss"] for line in lines}


def test_more_devices_than_there_are_is_an_error_that_counts_them():
    count = len(jax.devices())
    with pytest.raises(sg.InputError, match=f"{count} are there"):
        sg.train(Regression(0.05), 1, devices=count + 1)


def test_a_run_is_compiled_once():
    """What `init` makes has the types that a step makes, so that the second chunk meets the program of the first."""
    before = jit_programs()
    learner = Regression(0.05, 16)
    run, _ = sg.advance(learner, sg.start(learner), 1)
    once = jit_programs()
    sg.advance(learner, run, 3)
    assert once == before + 1
    assert jit_programs() == once


def jit_programs():
    return _compiled._cached._cache_size()
