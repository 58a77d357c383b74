"""What can be seen of the arguments of runs before anything heavy is imported: names, settings, seeds, locks, sinks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from importlib import resources, util
from pathlib import Path
from typing import Any

from .._disk import printable
from .._errors import FileError, InputError, RunError
from ..experiments.running.folder import NOT_A_RUN, existing, run_path
from ..experiments.running.lock import LOCK, locked
from . import early


BAD_SETTING, BAD_SEEDS, MISSING_SINK = "E-CLI-001", "E-CLI-002", "E-SINK-001"

SINKS = {"tensorboard": ("tensorboardX", "tracking"), "wandb": ("wandb", "wandb"), "mlflow": ("mlflow", "mlflow")}
"""What `--sink` takes: the library that it needs, and the extra that brings it."""

PLACES = ("local", "ray", "slurm", "batch")
"""Where a sweep may run; a test compares with what the library takes."""

BUDGETS = ("smoke", "small", "full")
"""What `--budget` takes; a test compares with what claims know."""

SWEEP = "sweep.json"

EXAMPLES = {
    "--set": "learner.agent.ridge=0.01",
    "--over": "learner.agent.ridge=0.001,0.01",
    "--with": "partition=short",
}

HOME = "runs"
"""The folder in which runs are kept when nothing else is said."""


def experiment(path: str) -> None:
    """Refuse a file that is not there, or has another suffix than experiments have."""
    suffix(path)
    early.file(path)


def suffix(path: str, only: str = "") -> None:
    """Refuse a name that does not end as an experiment file does."""
    if Path(path).suffix.lower() not in ((only,) if only else (".toml", ".json")):
        raise FileError(
            "E-SPEC-002",
            printable(path),
            found="its name does not end in .toml" if only else "its name ends neither in .toml nor in .json",
            remedy="Name an experiment file; `stackelberg config new` starts one",
        )


def changes(path: str, words: Sequence[str] | None, seed_words: str | None) -> dict[str, Any]:
    """What `--set` and `--seeds` change in the experiment file `path`, which must be there."""
    experiment(path)
    found = settings(words)
    if (chosen := seeds(seed_words)) is not None:
        found["seeds"] = chosen
    return found


def run_folder(out: Path | None, path: str, ending: str = "") -> Path:
    """Where the run is kept: `out`, or a folder in `runs` with the name of the experiment file."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-.")
    return run_path(Path(HOME) / f"{name}{ending}" if out is None else out)


def a_run(path: str) -> None:
    """Refuse a folder that holds neither a run nor a sweep."""
    if not (Path(path) / SWEEP).is_file():
        existing(path)


def unlocked(folder: Path) -> None:
    """Refuse a folder in which another process works; the run itself takes the lock for good."""
    if not (folder / LOCK).is_file():
        return
    try:
        with locked(folder):
            pass
    except RunError:
        raise
    except OSError:
        return  # whatever is wrong with the folder, the run says it better


def settings(words: Sequence[str] | None, option: str = "--set") -> dict[str, Any]:
    """The settings in `--set FIELD=VALUE ...`; a value is TOML where it can be, and plain text otherwise."""
    return {name: value(text) for name, text in _pairs(words, option)}


def grid(words: Sequence[str] | None) -> dict[str, list[Any]]:
    """The values in `--over FIELD=VALUE,VALUE ...`; they may also stand as a list in TOML."""
    found: dict[str, list[Any]] = {}
    for name, text in _pairs(words, "--over"):
        whole = value(text)
        listed = value(f"[{text}]")
        if not isinstance(listed, list):  # words without quotes
            listed = [value(part.strip()) for part in text.split(",")]
        found[name] = whole if isinstance(whole, list) else listed
    return found


def place(word: str) -> str:
    """Where a sweep may run; the library of a cluster must be there."""
    early.one_of("--on", word, PLACES)
    return word


def _pairs(words: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for word in words or ():
        name, is_given, text = word.partition("=")
        name = name.strip()
        if not is_given or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", name) or name in found:
            raise InputError(
                BAD_SETTING,
                option,
                found=f"{printable(repr(word), 80)} " + ("sets a field twice" if name in found else "sets nothing"),
                allowed=f"it must be {EXAMPLES[option].partition('=')[0]}=VALUE, each field once",
                remedy=f"Write it as {option} {EXAMPLES[option]}.",
            )
        found[name] = text
    return list(found.items())


def value(text: str) -> Any:
    """What `text` says in TOML, or `text` itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return text
    return table["value"] if list(table) == ["value"] else text


def seeds(words: str | None) -> int | list[int] | None:
    """The seeds in "0,1,2", or their number in "32"."""
    if words is None:
        return None
    numbers = [word.strip() for word in words.rstrip(",").split(",")]
    if not all(re.fullmatch(r"\d{1,10}", word) for word in numbers):
        raise InputError(
            BAD_SEEDS,
            "--seeds",
            found=f"{printable(repr(words), 60)} are no seeds",
            allowed="whole numbers with commas between them, or one number: how many",
            remedy="Write 0,1,2 for three seeds, 32 for that many, or 7, for the one seed 7.",
        )
    return [int(word) for word in numbers] if "," in words else int(numbers[0])


def sinks(words: Sequence[str] | None) -> list[tuple[str, str]]:
    """The sinks in `--sink NAME[:WHERE] ...`, when their libraries are there."""
    found = []
    for word in words or ():
        name, _, where = word.partition(":")
        early.one_of("--sink", name, SINKS)
        library, extra = SINKS[name]
        if util.find_spec(library) is None:
            raise InputError(
                MISSING_SINK,
                "--sink",
                found=f"{library} is not installed",
                allowed="a sink needs the library that it writes for",
                remedy=f'Install it: pip install "stackelberg[{extra}]".',
            )
        found.append((name, where))
    return found


def folder_of_runs(folder: Path) -> None:
    """Refuse a folder that is not there, when it was named."""
    if not folder.is_dir() and folder != Path(HOME):
        raise RunError(
            NOT_A_RUN,
            printable(str(folder)),
            found="there is no such folder",
            remedy="Check the name, and the folder that you are in",
        )


def template() -> str:
    """An experiment with comments, which is also an example of the repository."""
    return resources.files("stackelberg.cli").joinpath("stored", "experiment.toml").read_text("utf-8")
