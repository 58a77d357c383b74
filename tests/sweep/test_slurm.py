"""A sweep through submitit, with stand-ins for Slurm's commands on the PATH: the scripts that are submitted really run.

The stand-in of `sbatch` runs each task of the array in the background and notes its state where `sacct` reads it. One
task is killed, by its number, the first time it runs: nothing is left to chance.
"""

import os
import stat
import sys

import pytest

import stackelberg as sg
from stackelberg.experiments.sweeping.attempts import attempts_of
from stackelberg.experiments.sweeping.backends import slurm

from .samples import RIDGES, Scripted, experiment
from .test_processes import agree


SBATCH = """#!{python}
import os, re, subprocess, sys
state = os.environ["STAND_IN"]
number = 1000 + len([name for name in os.listdir(state) if name.endswith(".script")])
script = open(sys.argv[-1]).read()
open(f"{{state}}/{{number}}.script", "w").write(script)
array = re.search(r"^#SBATCH --array=0-(\\d+)", script, re.M)
tasks = range(int(array.group(1)) + 1) if array else [None]
for task in tasks:
    id = str(number) if task is None else f"{{number}}_{{task}}"
    runner = [sys.executable, f"{{state}}/run.py", sys.argv[-1], str(number), "" if task is None else str(task), id]
    subprocess.Popen(runner, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                     start_new_session=True)
print(f"Submitted batch job {{number}}")
"""

RUN = """
import os, subprocess, sys
script, number, task, id = sys.argv[1:]
state = os.environ["STAND_IN"]
def say(word):
    with open(f"{state}/{id}.state.tmp", "w") as file:
        file.write(word)
    os.rename(f"{state}/{id}.state.tmp", f"{state}/{id}.state")
say("RUNNING")
if number == "1000" and task == "1":
    say("NODE_FAIL")
    sys.exit(1)
own = {"SLURM_JOB_ID": number, "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0",
       "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_NODELIST": "here"}
if task:
    own |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": task}
code = subprocess.run(["bash", script], env={**os.environ, **own}).returncode
say("COMPLETED" if code == 0 else "FAILED")
"""

SACCT = """#!{python}
import os
state = os.environ["STAND_IN"]
print("JobID|State|NodeList")
for name in sorted(os.listdir(state)):
    if name.endswith(".state"):
        print(f"{{name[:-6]}}|{{open(os.path.join(state, name)).read()}}|here")
"""

SRUN = """#!/bin/bash
while [[ "$1" == -* ]]; do
  case "$1" in --output|--error) shift 2 ;; *) shift ;; esac
done
exec "$@"
"""


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """Commands of Slurm that work on this machine; the folder where they keep their state."""
    folder, state = tmp_path / "bin", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    scancel = "#!/bin/sh\nexit 0\n"
    commands = {"sbatch": SBATCH, "sacct": SACCT, "srun": SRUN, "scancel": scancel, "squeue": scancel}
    for name, text in commands.items():
        path = folder / name
        path.write_text(text.format(python=sys.executable) if "{python}" in text else text)
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
    (state / "run.py").write_text(RUN)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(state))
    return state


def test_a_sweep_runs_as_a_job_array_and_a_lost_node_is_tried_again(tmp_path, stand_ins, monkeypatch):
    asked = {"time": 7, "memory": 1.5, "cpus": 2, "partition": "short", "array_parallelism": 2, "poll": 0.2}
    path = tmp_path / "sweep"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    record = sg.sweep(experiment(), RIDGES, path, on="slurm", setup=["module load python"], **asked)
    assert record.is_complete()
    script = (stand_ins / "1000.script").read_text()
    for line in (
        "#SBATCH --job-name=stackelberg",
        "#SBATCH --time=7",
        "#SBATCH --mem=1536MB",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --partition=short",
        "#SBATCH --array=0-1%2",
        "module load python",
        "export OMP_NUM_THREADS=1",
    ):
        assert line in script.splitlines(), line
    ends = [entry["ended"] for entry in attempts_of(path)]
    assert ends.count("complete") == 2
    assert "Slurm: NODE_FAIL" in ends
    assert "--array" not in (stand_ins / "1001.script").read_text()  # one job is left, and is submitted alone
    agree(record, sg.sweep(experiment(), RIDGES, tmp_path / "alone", on=Scripted()))


def test_a_machine_without_slurm_is_told_apart_from_a_missing_library(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sg.InputError, match="sbatch") as caught:
        sg.sweep(experiment(), RIDGES, tmp_path / "sweep", on="slurm")
    assert caught.value.code == slurm.NO_SLURM
