"""Logs from files of the layout of OhioT1DM: one patient each, events by the minute, in XML. Not a medical device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NoReturn
from xml.parsers import expat

import jax
import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._disk import SIZE_LIMIT, PathName, printable, read_bytes
from .._errors import FileError, InputError
from .dataset import Dataset, joined_logs
from .domains.dosing import CARBOHYDRATES_HOLD, INSULIN_HOLDS, payment, risk


XML, SECTION, EVENT = "E-OHIO-001", "E-OHIO-002", "E-OHIO-003"

GLUCOSE, BOLUS, MEAL = "glucose_level", "bolus", "meal"

NAMES = (
    "glucose/100",
    "slope/30",
    "insulin on board/5",
    "carbohydrates on board/50",
    "meal/50",
    "sin hour",
    "cos hour",
)

LEVELS = (0.0, 1.0, 2.5, 5.0, 10.0)
"""Units: the actions of a log in which doses are counted."""

STAMP, EXAMPLE = "%d-%m-%Y %H:%M:%S", "07-12-2021 01:17:00"

DEEPEST = 8
"""How deep elements may be nested."""

DAY = 1_440


@dataclass(frozen=True)
class Event:
    """One element of a section: its attributes, and the line where it begins."""

    line: int
    attributes: dict[str, str]


@dataclass(frozen=True)
class Course:
    """What happened by the time, in minutes: readings in mg/dL, doses in U, meals in g; each in order of time."""

    shown: str
    times: Float[np.ndarray, "r"]
    readings: Float[np.ndarray, "r"]
    dosed: Float[np.ndarray, "b"]
    doses: Float[np.ndarray, "b"]
    eaten: Float[np.ndarray, "m"]
    grams: Float[np.ndarray, "m"]


def read_ohio(
    path: PathName | Iterable[PathName],
    *,
    minutes: Any = 30,
    levels: Any = LEVELS,
    largest: Any = 25.0,
    gap: Any = None,
    limit: int = SIZE_LIMIT,
) -> Dataset:
    """The log in one file of the layout of OhioT1DM, or in several, one after the other, as decisions every `minutes`.

    - `path`: XML, a `patient` with sections `glucose_level` (events with `ts`, `value` in mg/dL), `bolus` (`ts_begin`,
      `dose` in U) and `meal` (`ts`, `carbs` in g); stamps are day-month-year, such as 07-12-2021 01:17:00. A section
      may be empty, except the first, but must be there. All other sections (`basal`, `temp_basal`, `finger_stick`,
      `sleep`, `exercise`, ...) are not read, nor is how long a bolus takes: it counts when it begins.
    - `levels`: doses in U, rising; the action is the number of the level nearest to the units given within the step,
      the lower of two. None: actions are continuous, 2 units / `largest` - 1.
    - `gap`: an episode is cut, not ended, where the sensor is silent for more minutes than that; 15 when left out, and
      no more than `minutes`.

    Decisions fall on whole multiples of `minutes` from midnight. An observation holds, as for `GlucoseControl`, the
    last reading, its slope over `minutes` (by 30 mg/dL), units on board that fade with 120 minutes, carbohydrates that
    fade with 60, and the hour. Its meal is what the diary names within the step to come: **what whoever decides is
    taken to know beforehand**. The reward is one less a tenth of the mean risk of the readings within the step, at
    least 0, see `PadovaControl`. There are no propensities: nobody knows them.

    Raises `FileError` where a file is not such XML (one with a document type or entities is refused), and `InputError`
    where an event cannot be used. **Not a medical device.**
    """
    step = boundary.whole_number("minutes", minutes, low=5, high=DAY)
    if DAY % step:
        raise InputError(
            boundary.INCONSISTENT,
            "minutes",
            found=f"a day is no multiple of {step} minutes",
            allowed="decisions fall on the same times every day",
            remedy="Give 15, 30 or 60, for instance.",
        )
    most = boundary.real_number("gap", min(15, step) if gap is None else gap, low=1.0, high=float(step))
    top = boundary.real_number("largest", largest, low=0.0, low_open=True)
    steps = None if levels is None else _levels(levels)
    paths = [path] if isinstance(path, str) or not isinstance(path, Iterable) else list(path)
    if not paths:
        raise InputError(
            boundary.EMPTY, "path", found="the list is empty", allowed="at least one file is needed", remedy="Name one."
        )
    return joined_logs([_log(_course(one, limit), step, most, steps, top) for one in paths])


def _levels(levels: Any) -> Float[np.ndarray, "k"]:
    found = boundary.real_array("levels", levels, axes=("k",), low=0.0)
    if len(found) < 2 or np.any(np.diff(found) <= 0.0):
        raise InputError(
            boundary.INCONSISTENT,
            "levels",
            found=printable(str(found.tolist()), 80),
            allowed="at least two doses are needed, rising",
            remedy=f"Give some such as {LEVELS}, or None for continuous actions.",
        )
    return found


def _log(course: Course, step: int, gap: float, levels: Float[np.ndarray, "k"] | None, largest: float) -> Dataset:
    """Decisions of one patient, an episode for each stretch without a gap."""
    times = course.times
    cuts = np.flatnonzero(np.diff(times) > gap) + 1
    stretches = zip(np.append(0, cuts), np.append(cuts, len(times)) - 1, strict=True)
    # A slope looks one step back, so that the first decision comes a step after the first reading.
    decisions = [
        step * np.arange(np.ceil(float(times[first]) / step) + 1, np.floor(float(times[last]) / step) + 1)
        for first, last in stretches
    ]
    decisions = [found for found in decisions if len(found) > 1]
    if not decisions:
        raise InputError(
            SECTION,
            course.shown,
            position=f"section {GLUCOSE}",
            found=f"no {3 * step} minutes in a row are without a gap of more than {gap:g} minutes",
            allowed="at least two decisions in a row are needed",
            remedy="Check the file, or allow longer gaps by `gap`.",
        )
    now = np.concatenate([found[:-1] for found in decisions])
    then = np.concatenate([found[1:] for found in decisions])
    is_last = np.concatenate([np.arange(len(found) - 1) == len(found) - 2 for found in decisions])
    units = _within(course.dosed, course.doses, now, step)
    if levels is None:
        if np.any(units > largest):
            raise InputError(
                EVENT,
                course.shown,
                position=f"section {BOLUS}",
                found=f"{units.max():g} U within a step of {step} minutes",
                allowed=f"at most {largest:g} U are taken",
                remedy="Check the doses, or raise `largest`.",
            )
        action = 2.0 * units[:, None] / largest - 1.0
    else:
        action = np.argmin(np.abs(units[:, None] - levels), axis=-1).astype(float)[:, None]
    return Dataset(
        _observed(course, now, step),
        action,
        _rewards(course, now, step),
        _observed(course, then, step),
        np.zeros(len(now)),
        is_last.astype(float),
        num_actions=0 if levels is None else len(levels),
        names=NAMES,
    )


def _observed(course: Course, at: Float[np.ndarray, "n"], step: int) -> Float[np.ndarray, "n d"]:
    """What is known at some times."""
    last = lambda when: course.readings[np.searchsorted(course.times, when, side="right") - 1]
    turn = 2.0 * np.pi * (at % DAY) / DAY
    columns = (
        last(at) / 100.0,
        (last(at) - last(at - step)) / 30.0,
        _on_board(course.dosed, course.doses, at, INSULIN_HOLDS) / 5.0,
        _on_board(course.eaten, course.grams, at, CARBOHYDRATES_HOLD) / 50.0,
        _within(course.eaten, course.grams, at, step) / 50.0,
        np.sin(turn),
        np.cos(turn),
    )
    return np.stack(columns, axis=-1)


def _within(
    times: Float[np.ndarray, "e"], amounts: Float[np.ndarray, "e"], start: Float[np.ndarray, "n"], step: int
) -> Float[np.ndarray, "n"]:
    """Amounts from each start on, until a step later."""
    sums = np.append(0.0, np.cumsum(amounts))
    first, end = (np.searchsorted(times, when, side="left") for when in (start, start + step))
    # A difference of sums is 0 only up to rounding where nothing happened.
    return np.where(end > first, sums[end] - sums[first], 0.0)


def _on_board(
    times: Float[np.ndarray, "e"], amounts: Float[np.ndarray, "e"], at: Float[np.ndarray, "n"], holds: float
) -> Float[np.ndarray, "n"]:
    """What is left of amounts from before, a `holds`-th of it less each minute."""
    kept, levels = 1.0 - 1.0 / holds, np.zeros(len(times))
    level, before = 0.0, 0.0
    for place, (time, amount) in enumerate(zip(times.tolist(), amounts.tolist(), strict=True)):
        level, before = level * kept ** (time - before) + amount, time
        levels[place] = level
    last = np.searchsorted(times, at, side="left") - 1
    if not len(times):
        return np.zeros(len(at))
    return np.where(last < 0, 0.0, levels[last] * kept ** np.maximum(at - times[last], 0.0))


def _rewards(course: Course, now: Float[np.ndarray, "n"], step: int) -> Float[np.ndarray, "n"]:
    """One less a tenth of the mean risk of the readings after a decision, until the next."""
    first, end = (np.searchsorted(course.times, when, side="right") for when in (now, now + step))
    with jax.enable_x64(True):
        sums = np.append(0.0, np.cumsum(np.asarray(risk(course.readings))))
        return np.asarray(payment((sums[end] - sums[first]) / (end - first)))


def _course(path: PathName, limit: int) -> Course:
    """A file, read and checked."""
    shown = printable(str(path))
    sections = _sections(read_bytes(path, limit=limit), shown)
    for name in (GLUCOSE, BOLUS, MEAL):
        if name not in sections:
            raise InputError(
                SECTION,
                shown,
                position=f"section {name}",
                found="it is missing; sections found: " + (printable(", ".join(sections), 120) or "none"),
                allowed=f"a patient has the sections {GLUCOSE}, {BOLUS} and {MEAL}",
                remedy="Check that it is a file of this layout; a section without events is written <name/>.",
            )
    if not sections[GLUCOSE]:
        raise InputError(
            SECTION,
            shown,
            position=f"section {GLUCOSE}",
            found="it has no events",
            allowed="at least some hours of readings are needed",
            remedy="Check that the file is whole.",
        )
    times, readings = _series(sections[GLUCOSE], shown, GLUCOSE, "ts", "value", (10.0, 1_000.0), "mg/dL")
    if np.any(np.diff(times) <= 0.0):
        place = int(np.argmax(np.diff(times) <= 0.0)) + 1
        event = sections[GLUCOSE][place]
        found = f"ts={printable(event.attributes['ts'], 40)!r} does not come after the event before"
        allowed, remedy = "readings stand in order of time", "Sort them, and remove doubled ones."
        _refuse(shown, GLUCOSE, place, event, found, allowed, remedy)
    # Doses and meals are added up by time, so that their order in the file says nothing.
    dosed, doses = _sorted(*_series(sections[BOLUS], shown, BOLUS, "ts_begin", "dose", (0.0, 100.0), "U"))
    eaten, grams = _sorted(*_series(sections[MEAL], shown, MEAL, "ts", "carbs", (0.0, 1_000.0), "g"))
    return Course(shown, times, readings, dosed, doses, eaten, grams)


def _sorted(times: np.ndarray, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order: Int[np.ndarray, "e"] = np.argsort(times, kind="stable")
    return times[order], amounts[order]


def _series(
    events: list[Event], shown: str, section: str, stamp: str, value: str, bounds: tuple[float, float], unit: str
) -> tuple[np.ndarray, np.ndarray]:
    """Times in minutes and values of the events of a section, in the order of the file."""
    times, values = np.zeros(len(events)), np.zeros(len(events))
    low, high = bounds
    for place, event in enumerate(events):
        refuse = partial(_refuse, shown, section, place, event)
        for name in (stamp, value):
            if name not in event.attributes:
                refuse(f"it has no {name}", f"an event has {stamp} and {value}", "Add it, or remove the event.")
        time, number = event.attributes[stamp].strip(), event.attributes[value].strip()
        try:
            since = datetime.strptime(time, STAMP) - datetime(1970, 1, 1)
        except ValueError:
            allowed = f"times are day-month-year, such as {EXAMPLE}"
            refuse(f"{stamp}={printable(time, 40)!r} is no such time", allowed, "Correct it.")
        try:
            amount = float(number.replace("_", "?"))
        except ValueError:
            amount = np.nan
        if not low <= amount <= high:
            allowed = f"it is a number from {low:g} to {high:g}, in {unit}"
            refuse(f"{value}={printable(number, 40)!r} cannot be used", allowed, "Correct it, or remove the event.")
        times[place], values[place] = since.total_seconds() / 60.0, amount
    return times, values


def _refuse(shown: str, section: str, place: int, event: Event, found: str, allowed: str, remedy: str) -> NoReturn:
    position = f"line {event.line}, section {section}, event {place + 1}"
    raise InputError(EVENT, shown, position=position, found=found, allowed=allowed, remedy=remedy)


def _sections(data: bytes, shown: str) -> dict[str, list[Event]]:
    """Events of each section of the one patient; nothing but elements and attributes is taken."""
    parser = expat.ParserCreate()
    sections: dict[str, list[Event]] = {}
    opened: list[str] = []

    def refuse(found: str, remedy: str = "Give a file of the layout of OhioT1DM") -> NoReturn:
        raise FileError(XML, shown, found=f"line {parser.CurrentLineNumber}: {found}", remedy=remedy)

    def begin(name: str, attributes: dict[str, str]) -> None:
        if not opened and name != "patient":
            refuse(f"its outermost element is {printable(name, 40)!r}, and 'patient' is needed")
        if len(opened) == DEEPEST:
            refuse(f"elements are nested more than {DEEPEST} deep")
        if len(opened) == 1:
            if name in sections:
                refuse(f"the section {printable(name, 40)!r} stands there twice", "Join the two")
            sections[name] = []
        elif len(opened) == 2:
            sections[opened[-1]].append(Event(parser.CurrentLineNumber, attributes))
        opened.append(name)

    def no_type(*_: Any) -> NoReturn:
        refuse("a document type or an entity is declared, and such files are not read", "Remove the declaration")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: opened.pop()
    parser.StartDoctypeDeclHandler = no_type
    parser.EntityDeclHandler = no_type
    parser.ExternalEntityRefHandler = no_type
    try:
        parser.Parse(data, True)
    except expat.ExpatError as problem:
        raise FileError(
            XML,
            shown,
            found=f"line {problem.lineno}, column {problem.offset + 1}: {expat.ErrorString(problem.code)}",
            remedy="This is not XML, or it was damaged; save it again",
        ) from problem
    except (LookupError, ValueError) as problem:
        raise FileError(
            XML,
            shown,
            found="its encoding is not known",
            remedy="Save it as UTF-8, and let its first line say so",
        ) from problem
    return sections
