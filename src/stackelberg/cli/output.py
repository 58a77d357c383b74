"""Where answers go: JSON or text to standard output, a copy to a file, remarks and progress to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..report.tables import Table


def deliver(verb: str, answer: dict[str, Any], text: str | None, *, as_json: bool, out: Path | None = None) -> None:
    """Print `answer` as JSON, or `text` for people, and write the JSON to `out`; `text=None` prints nothing.

    The JSON names its schema, "stackelberg-VERB/1", so that a file says what it is.
    """
    from .._disk import write_whole
    from .._record import dumps

    stamped = dumps({"schema": f"stackelberg-{verb}/1"} | answer)
    if out is not None:
        write_whole(out, stamped.encode())
    if as_json:
        sys.stdout.write(stamped)
    elif text:
        print(text)


def show(table: Table) -> None:
    """Print a table: drawn by rich on a terminal, plain text in a pipe."""
    if not sys.stdout.isatty():
        print(table.plain())
        return
    from rich.console import Console

    Console().print(table.rich())


def remark(words: str, quiet: bool) -> None:
    """A sentence for people, to standard error."""
    if words and not quiet:
        print(words, file=sys.stderr)


@contextmanager
def progress(words: str, *, quiet: bool, total: int | None = None) -> Iterator[Any]:
    """A bar on standard error while a block runs; `advance()` is what the block calls after each of `total` parts.

    It is drawn only on a terminal, never with `--quiet`, and leaves nothing behind.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda: bar.advance(task)
