"""`plot`: the picture of a record, as PNG and SVG, with the numbers behind it as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .. import _boundary as boundary
from .._disk import UNWRITABLE, write_whole
from .._errors import FileError
from .._record import Record
from . import curves, landscapes, maps, style


KINDS: dict[str, Callable[[Record], Figure]] = {
    "landscape": landscapes.landscape,
    "rationality": curves.rationality,
    "estimation": curves.estimation,
    "response": curves.response,
    "coverage": maps.coverage,
    "demand": curves.demand,
    "stress": curves.stress,
    "solution": curves.solution,
    "policy": maps.policy,
}


def plot(record: Record, path: str | Path | None = None, kind: str | None = None) -> Figure:
    """Draw `record`, and with `path` write `path.png`, `path.svg` and `path.csv`.

    `kind` is how to draw it, the record's own kind when left out; the ending of `path` is ignored. Returns the
    Matplotlib figure. Raises `InputError` on a kind that is not known and `FileError` where nothing can be written.
    """
    record = boundary.instance("record", record, Record, "sg.landscape(game, follower)")
    draw = KINDS[boundary.one_of("kind", record.kind if kind is None else kind, KINDS)]
    with style.drawing():
        figure = draw(record)
        if path is not None:
            _write(figure, record, Path(path))
    return figure


def table(record: Record) -> str:
    """The columns of `record` as CSV, one row per entry; columns of several dimensions get one header each.

    Shorter columns end in empty cells. Numbers are written so that they read back exactly.
    """
    headers, columns = [], []
    for name, values in record.columns.items():
        array = np.asarray(values)
        flat = array.reshape(array.shape[0], -1) if array.ndim > 1 else array.reshape(-1, 1)
        inner = list(np.ndindex(*array.shape[1:])) if array.ndim > 1 else [()]
        headers += [name if not place else f"{name}[{','.join(map(str, place))}]" for place in inner]
        columns += [column.tolist() for column in flat.T]
    rows = max((len(column) for column in columns), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows([column[row] if row < len(column) else "" for column in columns] for row in range(rows))
    return text.getvalue()


def _write(figure: Figure, record: Record, path: Path) -> None:
    base = path.with_suffix("") if path.suffix in {".png", ".svg", ".csv"} else path
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(
            UNWRITABLE,
            str(base),
            found=f"the picture cannot be written ({problem.strerror or problem})",
            remedy="Choose a folder that exists or can be made, with room and permission to write.",
        ) from problem
    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix, metadata=metadata)
        write_whole(f"{base}.{suffix}", drawn.getvalue())
    write_whole(f"{base}.csv", table(record).encode())
