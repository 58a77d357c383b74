"""Tables for people: rich where there is a terminal, plain text everywhere else; both from one list of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """A title, headers and rows of text; columns named in `right` are aligned on the right."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    right: frozenset[str] = field(default_factory=frozenset)

    def plain(self) -> str:
        """The table as plain text, two blanks between columns."""
        widths = [
            max((len(row[place]) for row in [self.headers, *self.rows]), default=0)
            for place in range(len(self.headers))
        ]
        lines = [self._line(row, widths) for row in ([self.headers] if any(self.headers) else []) + [*self.rows]]
        return "\n".join(([self.title] if self.title else []) + lines)

    def rich(self) -> object:
        """The table as a `rich.table.Table`."""
        from rich.table import Table as RichTable

        drawn = RichTable(title=self.title or None, title_justify="left", box=None, pad_edge=False, title_style="bold")
        for header in self.headers:
            drawn.add_column(header, justify="right" if header in self.right else "left", overflow="fold")
        for row in self.rows:
            drawn.add_row(*(_literal(cell) for cell in row))
        return drawn

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            cell.rjust(width) if header in self.right else cell.ljust(width)
            for cell, width, header in zip(row, widths, self.headers, strict=True)
        ]
        return "  ".join(cells).rstrip()


def _literal(cell: str) -> str:
    """`cell` with square brackets that rich will not read as markup."""
    from rich.markup import escape

    return escape(cell)
