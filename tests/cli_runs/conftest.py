"""One small experiment, run once for all tests that look at a finished run; processes share its compilation."""

import getpass
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stackelberg.cli import app


EXPERIMENT = """schema = "stackelberg-experiment/1"
title = "Small"
num_steps = 600
seeds = 2
record_every = 20
checkpoint_every = 60

[learner]
kind = "repeated"
agent = { kind = "response-estimation", capacity = 600, num_exploring = 20 }

[learner.world]
kind = "world"
game = { kind = "catalog", name = "conitzer-sandholm" }
follower = { kind = "quantal-response", inverse_temperature = 5.0 }

[monitor]
kind = "suboptimality"
"""

COMMAND = [str(Path(sys.executable).with_name("stackelberg"))]


@pytest.fixture(scope="session")
def compiled():
    """The folder of compilations, which processes and repetitions share."""
    place = Path(tempfile.gettempdir()) / f"stackelberg-tests-{getpass.getuser()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


@pytest.fixture(scope="session")
def environment(compiled):
    """What a command is started with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "STACKELBERG_"))}
    return kept | {"STACKELBERG_CACHE": str(compiled), "COLUMNS": "100"}


@pytest.fixture(scope="session")
def command(environment):
    """Run the installed command in a folder, as a process of its own."""

    def run(folder, *arguments, **options):
        words = [*COMMAND, *map(str, arguments)]
        return subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300, **options
        )

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory, command):
    """A folder with small.toml and the finished run runs/small, never interrupted. Not to be written to."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(EXPERIMENT)
    done = command(folder, "train", "small.toml", "--sink", "tensorboard")
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    (folder / "remarked.txt").write_text(done.stderr)
    return folder


@pytest.fixture
def invoke(finished, monkeypatch):
    """Run a command within this process, in the folder of the finished run."""
    monkeypatch.chdir(finished)
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments):
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["stackelberg", *words])
        return CliRunner().invoke(app, words, prog_name="stackelberg")

    return run
