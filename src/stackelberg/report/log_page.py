"""One page about a log and what was learned from it: a single HTML file that loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from .._disk import write_whole
from .cells import visible
from .folders import make_folder
from .page import hashed, templates
from .tables import Table


def write_log_page(
    path: str | Path,
    *,
    title: str,
    facts: Sequence[tuple[str, str, str]],
    warnings: Sequence[str],
    tables: Sequence[tuple[str, Table]],
    pictures: Mapping[str, bytes],
) -> Path:
    """Write the page to `path`, whole or not at all, and return where it is; pictures are PNG."""
    environment = templates()
    style = environment.get_template("page.css").render()
    page = environment.get_template("log.html").render(
        style_hash=hashed(style),
        title=visible(title, 200),
        facts=facts,
        warnings=[visible(words, 400) for words in warnings],
        tables=tables,
        pictures=[
            (visible(caption, 200), "data:image/png;base64," + base64.b64encode(data).decode())
            for caption, data in pictures.items()
        ],
    )
    place = Path(path)
    place = place if place.suffix.lower() in {".html", ".htm"} else place.with_name(place.name + ".html")
    make_folder(place.parent, "page")
    write_whole(place, page.encode())
    return place
