"""The numbers that the pictures and the page of a run show, as `Record`s; what is not measured is NaN, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record, plain
from .._runs import RunRecord
from . import statistics
from .cells import visible


MOST_STEPS = 400
NUM_THRESHOLDS = 201


def learning(
    run: RunRecord, metrics: Sequence[str], *, most: int = MOST_STEPS, most_settings: int | None = None
) -> Record:
    """The interquartile mean over seeds at each step, with its band and each seed: one row per metric, setting, step.

    Of more than `most` steps, that many are kept, evenly spread; the first and the last are among them. Of the
    settings, the first `most_settings`, or all.
    """
    rows: list[tuple[np.ndarray, ...]] = []
    for metric in metrics:
        for place in range(len(run.settings))[:most_settings]:
            values = run.metrics[metric][:, place]
            kept = _spread(np.flatnonzero(statistics.measured(values)), most)
            band = statistics.curve(values[kept])
            names = np.full(len(kept), metric), np.full(len(kept), place + 1)
            rows.append((*names, run.steps[kept], band.num_seeds, band.value, band.low, band.high, values[kept]))
    names = ("metric", "setting", "step", "seeds", "value", "low", "high", "each")
    columns = {name: np.concatenate(parts) for name, parts in zip(names, zip(*rows, strict=True), strict=True)}
    return Record("learning", columns, _attributes(run, metrics))


def comparison(run: RunRecord, metrics: Sequence[str]) -> Record:
    """The final value of each setting: mean, interquartile mean and its interval; one row per metric and setting."""
    return Record("comparison", _finals(run, metrics), _attributes(run, metrics))


def sensitivity(run: RunRecord, metrics: Sequence[str]) -> Record:
    """`comparison`, with the swept number `across` and, where more was swept, the `group` of each setting.

    Raises `InputError` where no number was swept.
    """
    fields = swept(run.settings)
    numeric = [field for field in fields if all(_is_number(setting.get(field)) for setting in run.settings)]
    if not numeric:
        names = ", ".join(map(visible, fields))
        raise InputError(
            boundary.INCONSISTENT,
            "record",
            found="no number differs between its settings" + (f" (only {names})" if names else ""),
            allowed="a picture of kind 'sensitivity' needs a sweep over a number",
            remedy="Draw the kind 'comparison', or sweep a number such as a learning rate.",
        )
    others = [field for field in fields if field != numeric[0]]
    groups = [_words(setting, others, fields) for setting in run.settings]
    columns = _finals(run, metrics)
    place = columns["setting"] - 1
    columns |= {
        "across": np.array([float(setting[numeric[0]]) for setting in run.settings])[place],
        "group": np.array([list(dict.fromkeys(groups)).index(group) + 1 for group in groups])[place],
    }
    extra = {"across": numeric[0], "groups": list(dict.fromkeys(groups))}
    return Record("sensitivity", columns, _attributes(run, metrics) | extra)


def profile(run: RunRecord, metrics: Sequence[str]) -> Record:
    """The share of seeds whose final value is better than each threshold, with its band; see `performance_profile`."""
    rows: list[tuple[np.ndarray, ...]] = []
    for metric in metrics:
        final, better = run.final(metric), run.meaning(metric).better
        seen = final[np.isfinite(final)]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
        margin = 0.02 * (high - low) or 0.02 * abs(high) or 0.02
        thresholds = np.linspace(low - margin, high + margin, NUM_THRESHOLDS)
        for place in range(len(run.settings)):
            band = statistics.performance_profile(final[place], thresholds, better=better)
            names = np.full(NUM_THRESHOLDS, metric), np.full(NUM_THRESHOLDS, place + 1)
            rows.append((*names, thresholds, band.num_seeds, band.value, band.low, band.high))
    names = ("metric", "setting", "threshold", "seeds", "value", "low", "high")
    columns = {name: np.concatenate(parts) for name, parts in zip(names, zip(*rows, strict=True), strict=True)}
    return Record("profile", columns, _attributes(run, metrics))


SERIES: dict[str, Callable[[RunRecord, Sequence[str]], Record]] = {
    "learning": learning,
    "comparison": comparison,
    "profile": profile,
    "sensitivity": sensitivity,
}


def swept(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields that are not the same in every setting, in the order in which they stand there."""
    fields = list(dict.fromkeys(field for setting in settings for field in setting))
    return [field for field in fields if len({repr(setting.get(field)) for setting in settings}) > 1]


def setting_labels(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells each setting apart, in few words; one setting alone needs none."""
    if len(settings) == 1:
        return [""]
    fields = swept(settings)
    found = [_words(setting, fields, fields) or f"setting {place}" for place, setting in enumerate(settings, 1)]
    return [label if found.count(label) == 1 else f"{label} ({place})" for place, label in enumerate(found, 1)]


def short_name(field: str, fields: Sequence[str]) -> str:
    """The last part of a dotted field, or all of it where that is not enough to tell it from the others."""
    last = field.rsplit(".", 1)[-1] or field
    return last if sum(other.rsplit(".", 1)[-1] == last for other in fields) <= 1 else field


def _words(setting: Mapping[str, Any], fields: Sequence[str], among: Sequence[str]) -> str:
    return ", ".join(f"{short_name(field, among)} {word(setting[field])}" for field in fields if field in setting)


def word(value: Any) -> str:
    """A value of a setting, short: six digits of a number."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(plain(value), ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _finals(run: RunRecord, metrics: Sequence[str]) -> dict[str, np.ndarray]:
    rows: list[tuple[Any, ...]] = []
    for metric in metrics:
        for place, values in enumerate(run.final(metric)):
            best = statistics.interquartile_mean(values)
            count = int(np.isfinite(values).sum())
            average = float(np.mean(values[np.isfinite(values)])) if count else np.nan
            rows.append((metric, place + 1, count, average, best.value, best.low, best.high, values))
    names = ("metric", "setting", "seeds", "mean", "value", "low", "high", "each")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _attributes(run: RunRecord, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "title": run.title,
        "settings": setting_labels(run.settings),
        "meanings": {metric: run.meaning(metric).to_json() for metric in metrics},
        "seeds": len(run.seeds),
        "interval": f"{100 * statistics.LEVEL:g}%",
    }


def _spread(places: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of `places`, evenly spread from the first to the last."""
    if len(places) <= most:
        return places
    return places[np.unique(np.round(np.linspace(0, len(places) - 1, most)).astype(int))]
