"""The options that several verbs share, written once."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from . import early


GROUPS = ("games", "process", "runs", "config")
"""Verbs that have verbs of their own."""


def _print_schema(context: Any, wanted: bool | None) -> None:
    if wanted:
        parent = context.parent.info_name if context.parent is not None else None
        name = f"{parent}-{context.info_name}" if parent in GROUPS else str(context.info_name)
        sys.stdout.write(resources.files("stackelberg.cli").joinpath("schema", f"{name}.json").read_text("utf-8"))
        raise typer.Exit


def finite(parameter: typer.core.TyperOption, value: float | None) -> float | None:
    """A number that is neither NaN nor an infinity."""
    return value if value is None else early.finite(parameter.opts[0], value)


def inverse_temperature(parameter: typer.core.TyperOption, value: float | None) -> float | None:
    """0 or more, or infinity."""
    return value if value is None else _not_negative(parameter, value, infinite=True)


def seconds(parameter: typer.core.TyperOption, value: float | None) -> float | None:
    """A finite number, 0 or more."""
    return value if value is None else _not_negative(parameter, value)


def _not_negative(parameter: typer.core.TyperOption, value: float, infinite: bool = False) -> float:
    if early.finite(parameter.opts[0], value, infinite=infinite) < 0.0:
        raise typer.BadParameter(f"{value:g} is not in the range x>=0.", param=parameter)
    return value


def fraction(parameter: typer.core.TyperOption, value: float) -> float:
    """A number above 0 and at most 1."""
    if not 0.0 < early.finite(parameter.opts[0], value) <= 1.0:
        raise typer.BadParameter(f"{value:g} is not in the range 0<x<=1.", param=parameter)
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no remarks; the answer only.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Also write the answer to this file.", dir_okay=False)]
Folder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to; made when missing.", file_okay=False)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random draw of this command.", min=0)]
Schema = Annotated[
    bool | None,
    typer.Option(
        "--json-schema", is_eager=True, callback=_print_schema, help="Print the JSON schema of --json, and stop."
    ),
]
Experiment = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="An experiment file (.toml, .json); `config new` starts one.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="FIELD=VALUE",
        help="Another value for a dotted field, such as learner.agent.ridge=0.01; may stand several times.",
    ),
]  # fmt: skip
Seeds = Annotated[
    str | None,
    typer.Option("--seeds", metavar="SEEDS", help="0,1,2 for these seeds, or 32 for that many, counted from 0."),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The folder of a run, or of a sweep.")]
Game = Annotated[str, typer.Argument(metavar="GAME", help="A game file (.json, .npz, .nfg) or a name of the catalog.")]
