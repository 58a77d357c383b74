"""One page per run or sweep: a single HTML file that needs nothing else, runs nothing but its own script, and prints.

Whatever a person wrote is escaped by the templates; data for the script is JSON with `<`, `>` and `&` escaped. The page
forbids everything that it does not bring along (`Content-Security-Policy`): style and script are admitted by hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import _boundary as boundary
from .._disk import write_whole
from .._errors import InputError
from .._record import Estimate, dumps, plain
from .._runs import Metric, RunRecord
from . import statistics
from .cells import visible
from .chart import bars, chart
from .claims import as_data, claim_rows
from .folders import make_folder
from .series import setting_labels
from .summary import interval, number, seeds_done, summary
from .tree import nodes


MOST_ROWS = 500
IMAGES = {b"\x89PNG\r\n\x1a\n": "image/png", b"<?xml": "image/svg+xml", b"<svg": "image/svg+xml"}


def report_page(
    record: RunRecord,
    *,
    claims: Sequence[Any] = (),
    citation: str = "",
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """A run or a sweep as one HTML page: key numbers, curves, tables, certificate, configuration, provenance.

    - `claims`: mappings, or objects whose `to_json()` gives them, with `statement`, `source`, `expected`, `measured` (a
      number, with `low` and `high` where it has an interval) and `holds`; `None` for what was not measured.
    - `citation`: BibTeX.
    - `pictures`: PNG or SVG files by caption, shown as images.

    The page loads nothing, so that it can be mailed and archived. Raises `InputError` on a picture that is neither.
    """
    record = boundary.instance("record", record, RunRecord, "what a finished run returns")
    claimed = as_data(claims)
    labels = [visible(label or "the only one", 60) for label in setting_labels(record.settings)]
    finals = {metric: record.final(metric) for metric in record.metrics}
    middles = {metric: [statistics.interquartile_mean(row) for row in values] for metric, values in finals.items()}
    tables = [
        {
            "title": _titled(record.meaning(metric)),
            "seat": record.meaning(metric).seat,
            "table": summary(record, [metric]),
            "bars": bars(middles[metric])[:MOST_ROWS],
        }
        for metric in record.metrics
    ]
    environment = templates()
    style, script = (environment.get_template(name).render() for name in ("page.css", "page.js"))
    return environment.get_template("page.html").render(
        style_hash=hashed(style),
        script_hash=hashed(script),
        title=visible(record.title or record.name, 200),
        name=visible(record.name, 200),
        status=_status(record),
        is_complete=record.is_complete(),
        facts=_facts(record, labels, middles),
        charts=[chart(record, metric, f"chart-{place}") for place, metric in enumerate(record.metrics, 1)],
        tables=tables,
        num_settings=len(record.settings),
        most_rows=MOST_ROWS,
        progress=list(zip(labels, seeds_done(record), strict=True))[:MOST_ROWS],
        certificate=nodes(record.certificate or {}),
        claims=claim_rows(claimed),
        pictures=[(visible(caption, 200), _data_url(caption, data)) for caption, data in (pictures or {}).items()],
        experiment=nodes(record.experiment),
        experiment_json=visible_lines(dumps(record.experiment)),
        provenance=nodes(record.provenance),
        notes=[visible(note, 400) for note in (*record.notes, *record.alarms())],
        citation=visible_lines(citation),
        data=_data(record, claimed),
    )


def write_report(
    record: RunRecord,
    path: str | Path,
    *,
    claims: Sequence[Any] = (),
    citation: str = "",
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write `report_page` of `record` to `path`, whole or not at all, and return where it is.

    Folders are made as needed; an ending other than `.html` is kept as part of the name. Raises `FileError` where it
    cannot be written.
    """
    page = report_page(record, claims=claims, citation=citation, pictures=pictures)
    place = Path(path)
    place = place if place.suffix.lower() in {".html", ".htm"} else place.with_name(place.name + ".html")
    make_folder(place.parent, "page")
    write_whole(place, page.encode())
    return place


@cache
def templates() -> Environment:
    """The templates of this package alone: everything escaped, and a name that is not known is an error."""
    environment = Environment(
        loader=PackageLoader("stackelberg.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": True, "allow_nan": False, "separators": (",", ":")}
    return environment


def visible_lines(text: str) -> str:
    """`text` of several lines, in which nothing is hidden."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _titled(meaning: Metric) -> str:
    return visible(meaning.label, 60) + (f" ({visible(meaning.unit, 20)})" if meaning.unit else "")


def hashed(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _status(record: RunRecord) -> str:
    words = record.status.ravel().tolist()
    if record.is_complete():
        return "complete"
    counts = {word: words.count(word) for word in ("complete", "incomplete", "failed", "missing")}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _facts(
    record: RunRecord, labels: Sequence[str], found_middles: Mapping[str, Sequence[Estimate]]
) -> list[tuple[str, str, str]]:
    """What to see first: a name, a number, and what it is."""
    done, planned = int((record.status == "complete").sum()), record.status.size
    last = int(record.steps[-1]) if len(record.steps) else 0
    found = [
        ("runs", f"{done:,} of {planned:,}", "came to their end"),
        ("steps", f"{last:,} of {record.num_steps:,}", "the last that was recorded"),
    ]
    for metric in list(record.metrics)[:4]:
        meaning, middles = record.meaning(metric), found_middles[metric]
        known = [place for place, middle in enumerate(middles) if middle.value == middle.value]
        if not known:
            continue
        order = sorted(known, key=lambda place: middles[place].value, reverse=meaning.better == "higher")
        chosen = order[0] if meaning.better != "neither" else known[0]
        best, unit = middles[chosen], f" {meaning.unit}" if meaning.unit else ""
        where = (
            ""
            if len(record.settings) == 1
            else f"{'best' if meaning.better != 'neither' else 'first'}: {labels[chosen]}; "
        )
        words = f"{where}interquartile mean, {interval(best)}"
        found.append((visible(meaning.label, 60), visible(number(best.value) + unit, 60), words))
    return found


def _data_url(caption: str, data: bytes) -> str:
    kind = next((kind for start, kind in IMAGES.items() if data.startswith(start)), None)
    if kind is None:
        raise InputError(
            boundary.TYPE,
            "pictures",
            position=repr(visible(caption, 60)),
            found=f"it starts with {data[:8]!r}",
            allowed="a picture is the content of a PNG or SVG file",
            remedy="Read the file that `plot` wrote, as bytes.",
        )
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _data(record: RunRecord, claims: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The page for programs: what was run and what came out, without the curves."""
    left_out = ("steps", "metrics", "meanings")
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in left_out}
    finals = {metric: record.final(metric) for metric in record.metrics}
    return plain(fields | {"meanings": dict(record.meanings), "final": finals, "claims": list(claims)})
