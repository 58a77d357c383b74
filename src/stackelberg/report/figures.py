"""`plot`: the picture of a record, as PNG and SVG, with the numbers behind it as CSV."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .. import _boundary as boundary
from .._disk import write_whole
from .._errors import InputError
from .._record import Record
from .._runs import RunRecord
from . import bars, curves, landscapes, laws, log_pictures, maps, model_error, style, training
from .cells import csv_text
from .folders import make_folder
from .series import SERIES


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
    "power law": laws.power_law,
    "curves": laws.plain_curves,
    "likelihood ratio": laws.likelihood_ratio,
    "grouped bars": bars.grouped_bars,
    "model error": model_error.model_error,
    "model error map": model_error.model_error_map,
    "log coverage": log_pictures.log_coverage,
    "offline value": log_pictures.offline_value,
}

DRAWN: dict[str, Callable[[Record], Figure]] = {
    "learning": training.learning,
    "comparison": training.comparison,
    "profile": training.profile,
    "sensitivity": training.sensitivity,
}


def plot(
    record: Record | RunRecord, path: str | Path | None = None, kind: str | None = None, metric: str | None = None
) -> Figure:
    """Draw `record`, and with `path` write `path.png`, `path.svg` and `path.csv`.

    - `record`: a `Record`, or a `RunRecord` with the curves of a run or a sweep.
    - `kind`: how to draw it. A record has its own kind; a run has "learning" (the default), "comparison", "profile" and
      "sensitivity", and the name of a metric means its learning curve.
    - `metric`: which metric of a run to draw; one panel for each of them when left out.

    The ending of `path` is ignored. Returns the Matplotlib figure. Raises `InputError` on a kind or metric that is not
    known and `FileError` where nothing can be written.
    """
    if isinstance(record, RunRecord):
        drawn = of_run(record, kind, metric)
        draw = DRAWN[drawn.kind]
    else:
        drawn = boundary.instance("record", record, Record, "sg.landscape(game, follower)")
        draw = KINDS[boundary.one_of("kind", drawn.kind if kind is None else kind, KINDS)]
    with style.drawing():
        figure = draw(drawn)
        if path is not None:
            _write(figure, drawn, Path(path))
    return figure


def as_png(record: Record) -> bytes:
    """The picture of `record` in memory, to be put on a page."""
    drawn, figure = io.BytesIO(), plot(record)
    with style.drawing():
        figure.savefig(drawn, format="png")
    return drawn.getvalue()


def of_run(run: RunRecord, kind: str | None = None, metric: str | None = None) -> Record:
    """The numbers that a picture of `run` shows; `kind` and `metric` as for `plot`."""
    if kind is not None and kind not in SERIES and metric is None:
        boundary.one_of("kind", kind, [*SERIES, *run.metrics])
        kind, metric = "learning", kind
    if metric is not None:
        boundary.one_of("metric", metric, run.metrics)
    chosen = list(run.metrics) if metric is None else [metric]
    if not chosen:
        raise InputError(
            boundary.EMPTY,
            "record.metrics",
            found="nothing was recorded",
            allowed="at least one metric is needed",
            remedy="Let the run come to its first evaluation.",
        )
    return SERIES[boundary.one_of("kind", "learning" if kind is None else kind, SERIES)](run, chosen)


def table(record: Record) -> str:
    """The columns of `record` as CSV, one row per entry; columns of several dimensions get one header each.

    Shorter columns end in empty cells. Numbers are written so that they read back exactly, and text so that a
    spreadsheet does not run it.
    """
    headers, columns = [], []
    for name, values in record.columns.items():
        array = np.asarray(values)
        flat = array.reshape(array.shape[0], -1) if array.ndim > 1 else array.reshape(-1, 1)
        inner = list(np.ndindex(*array.shape[1:])) if array.ndim > 1 else [()]
        headers += [name if not place else f"{name}[{','.join(map(str, place))}]" for place in inner]
        columns += [column.tolist() for column in flat.T]
    rows = max((len(column) for column in columns), default=0)
    return csv_text(headers, ([column[row] if row < len(column) else "" for column in columns] for row in range(rows)))


def _write(figure: Figure, record: Record, path: Path) -> None:
    base = path.with_suffix("") if path.suffix in {".png", ".svg", ".csv"} else path
    make_folder(base.parent, "picture")
    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix, metadata=metadata)
        write_whole(f"{base}.{suffix}", drawn.getvalue())
    write_whole(f"{base}.csv", table(record).encode())
