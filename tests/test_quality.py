"""The rules of the house, held by tools: style, types, import direction, what no file may do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import stackelberg


ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "stackelberg"
MODULES = sorted(SOURCE.rglob("*.py"))


def run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"


def test_ruff_has_nothing_to_say():
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")


def test_types_hold():
    run("basedpyright", "--pythonpath", sys.executable)


def test_imports_go_one_way():
    run("importlinter.cli")


def calls(path: Path) -> set[str]:
    """The dotted names of everything that a file calls."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


EXPONENTIALS = ("jnp.exp", "jnp.expm1", "jnp.log", "jnp.log1p", "jax.nn.softmax", "jax.nn.log_softmax", "logsumexp")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_simplex_module_exponentiates_in_jax(path):
    if path == SOURCE / "calculus" / "simplex.py":
        return
    found = {call for call in calls(path) if any(call == name or call.endswith("." + name) for name in EXPONENTIALS)}
    assert not found, f"move {found} to calculus/simplex.py, where overflow and gradients are looked after"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_file_runs_what_it_reads(path):
    assert not {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml"} & imports(path)
    assert not {"eval", "exec", "compile", "__import__", "os.system", "importlib.import_module"} & calls(path)
    assert "shell=True" not in path.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in path.read_text(encoding="utf-8")


def test_every_public_name_can_be_imported():
    for name in stackelberg.__all__:
        assert getattr(stackelberg, name) is not None


def test_every_public_name_has_a_docstring():
    missing = [name for name in stackelberg.__all__ if not (getattr(stackelberg, name).__doc__ or "").strip()]
    assert not missing


def test_files_stay_small():
    long = {str(path.relative_to(SOURCE)): n for path in MODULES if (n := len(path.read_text().splitlines())) > 400}
    assert not long
