"""The options that several verbs share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no remarks; the answer only.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Also write the answer to this file.", dir_okay=False)]
Folder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to; made when missing.", file_okay=False)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random draw of this command.", min=0)]
Schema = Annotated[bool, typer.Option("--json-schema", help="Print the JSON schema of this verb's --json, and stop.")]
Game = Annotated[str, typer.Argument(metavar="GAME", help="A game file (.json, .npz, .nfg) or a name of the catalog.")]
