"""The built wheel, alone in an empty environment, runs the demo without the repository."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent


def run(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_types_the_stub_and_the_schemas(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "stackelberg/py.typed" in names
    assert "stackelberg/__init__.pyi" in names
    assert any(name.startswith("stackelberg/cli/schema/") for name in names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "examples"))]


def test_the_wheel_runs_the_demo_in_an_empty_environment(wheel, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel, cwd=tmp_path)
    command = tmp_path / "env" / "bin" / "stackelberg"
    story = run(command, "demo", "--out", tmp_path / "pictures", cwd=tmp_path)
    assert "3.106" in story
    assert len(list((tmp_path / "pictures").glob("*.png"))) >= 3
    answer = json.loads(run(command, "solve", "conitzer-sandholm", "--json", cwd=tmp_path))
    assert answer["leader_value"] == pytest.approx(3.5, abs=1e-9)
    assert answer["certificate"]["gap"] <= 3e-6
