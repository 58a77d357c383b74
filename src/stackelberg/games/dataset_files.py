"""Logs from and to files: CSV, Parquet and NPZ of our own; D4RL's HDF5 and OhioT1DM's XML for reading."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._disk import SIZE_LIMIT, PathName, printable, read_bytes, write_whole
from .._errors import FileError, InputError, MissingExtraError
from .csv_table import parsed, read_table
from .dataset import Dataset
from .npz import read_arrays, write_arrays
from .ohio_files import read_ohio


COLUMN, SUFFIX, SCHEMA_MARK = "E-LOG-001", "E-LOG-002", "E-LOG-003"

SCHEMA = "stackelberg-log/1"

SUFFIXES = (".csv", ".parquet", ".npz", ".hdf5", ".h5", ".xml")

MAX_ROWS = 5_000_000

NOW, THEN, ACTION = "observation:", "next:", "action"

PLAIN = ("reward", "terminal", "truncated", "episode", "propensity")

FIELDS = ("observation", "action", "reward", "next_observation", "terminal", "truncated", "episode", "propensity")


def read_log(
    path: PathName,
    *,
    num_actions: Any = None,
    num_states: Any = None,
    is_independent: bool = False,
    limit: int = SIZE_LIMIT,
) -> Dataset:
    """The log in a file, checked.

    - `.csv`, `.parquet`: one row for each step. Columns `observation:NAME` (or `state`, numbers from 0), `action` (a
      number from 0) or `action:NAME` (numbers in [-1, 1]), `reward`, `terminal`, and where they are known `truncated`,
      `episode`, `propensity`, `next:NAME` (or `next:state`). Without `next:` columns the row after it in the episode
      says what came next, which leaves it open after a truncated row.
    - `.npz`: the fields of `Dataset` by name, as `write_log` writes them; `episode_lengths` in place of `episode`.
    - `.hdf5`, `.h5`: the names of D4RL (observations, actions, rewards, terminals, timeouts). Needs the extra `logs`,
      as `.parquet` does.
    - `.xml`: a patient in the layout of OhioT1DM, as `read_ohio` reads it where nothing else is said.
    - `num_actions`, `num_states`: of discrete ones; where left out, one more than the largest number of a column
      `action` or `state`, and for other files what they say.

    Raises `FileError` where it cannot be read and `InputError` where a row cannot be used.
    """
    shown, suffix = printable(str(path)), _suffix(path)
    if suffix in (".csv", ".parquet"):
        columns = _csv_columns(path, limit) if suffix == ".csv" else _parquet_columns(path, limit)
        arrays, own = _from_columns(columns, shown)
    elif suffix == ".npz":
        arrays, own = _from_npz(read_arrays(read_bytes(path, limit=limit), shown, limit), shown)
    elif suffix == ".xml":
        arrays, own = _from_ohio(path, limit)
    else:
        arrays, own = _from_hdf5(path, shown)
    own |= {name: given for name, given in (("num_actions", num_actions), ("num_states", num_states)) if given}
    return Dataset(**arrays, **own, is_independent=is_independent)


def write_log(data: Dataset, path: PathName) -> None:
    """Write a log to `.csv`, `.parquet` or `.npz`, whole or not at all; float64 survive bit for bit."""
    boundary.instance("data", data, Dataset, "sg.process_log(process, policy, 1000)")
    suffix = _suffix(path)
    if suffix == ".npz":
        arrays = {name: getattr(data, name) for name in FIELDS if getattr(data, name) is not None}
        sizes = {"num_actions": data.num_actions, "num_states": data.num_states, "names": list(data.names)}
        write_whole(path, write_arrays({"schema": SCHEMA} | arrays | sizes))
        return
    columns = _as_columns(data)
    if suffix == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(map(repr, column.tolist()) for column in columns.values()), strict=True))
        write_whole(path, text.getvalue().encode())
    elif suffix == ".parquet":
        arrow, parquet = _arrow()
        sink = io.BytesIO()
        parquet.write_table(arrow.table(columns), sink)
        write_whole(path, sink.getvalue())
    else:
        raise FileError(
            SUFFIX, printable(str(path)), found="this format is read only", remedy="Write .csv, .parquet or .npz"
        )


def _suffix(path: PathName) -> str:
    suffix = Path(path).suffix.lower() if isinstance(path, str | Path) else ""
    if suffix in SUFFIXES:
        return suffix
    raise FileError(
        SUFFIX,
        printable(str(path)),
        found=f"its name ends in {suffix or 'nothing'!r}",
        remedy="Logs end in " + ", ".join(SUFFIXES),
    )


def _csv_columns(path: PathName, limit: int) -> dict[str, np.ndarray]:
    table = read_table(path, limit, MAX_ROWS)
    if len(set(table.header)) < len(table.header):
        double = next(name for name in table.header if table.header.count(name) > 1)
        raise _header(table.shown, f"the column {double!r} stands there twice", "Remove one of the two.")
    allowed = "it must be a number (true and false count as 1 and 0)"
    return {name: parsed(table, name, _cell, allowed) for name in table.header}


def _cell(text: str) -> float:
    words = {"true": 1.0, "false": 0.0}
    return words[text.lower()] if text.lower() in words else float(text.replace("_", "?"))


def _parquet_columns(path: PathName, limit: int) -> dict[str, np.ndarray]:
    arrow, parquet = _arrow()
    try:
        table = parquet.read_table(io.BytesIO(read_bytes(path, limit=limit)))
    except arrow.ArrowException as problem:
        raise FileError(
            SCHEMA_MARK,
            printable(str(path)),
            found=f"it is no intact Parquet file ({printable(str(problem), 80)})",
            remedy="Write it again",
        ) from problem
    return {
        name: boundary.real_array(name, _numbers(table.column(name).to_numpy(zero_copy_only=False)), axes=("n",))
        for name in table.column_names
    }


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as problem:
        raise MissingExtraError("logs", "a Parquet file") from problem
    return pyarrow, pyarrow.parquet


def _numbers(values: np.ndarray) -> np.ndarray:
    return values.astype(float) if values.dtype == bool else values


def _from_columns(columns: Mapping[str, np.ndarray], shown: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and sizes out of columns."""
    names = [name.removeprefix(NOW) for name in columns if name.startswith(NOW)]
    actions = [name for name in columns if name.startswith(f"{ACTION}:")]
    is_counted = "state" in columns
    known = {*PLAIN, ACTION, "state", f"{THEN}state", *actions, *(p + n for n in names for p in (NOW, THEN))}
    if unknown := [name for name in columns if name not in known]:
        raise _header(
            shown, f"the column {printable(unknown[0], 40)!r} is not known", "Rename it, or remove the column."
        )
    for needed in ("reward", "terminal"):
        if needed not in columns:
            raise _header(shown, f"the column {needed!r} is missing", "Add it.")
    if is_counted == bool(names) or (ACTION in columns) == bool(actions):
        raise _header(
            shown,
            f"its columns are {printable(', '.join(columns), 120)}",
            "Give observation:NAME columns or a column state, and action:NAME columns or a column action.",
        )
    now = columns["state"][:, None] if is_counted else np.stack([columns[NOW + name] for name in names], axis=-1)
    wanted = [f"{THEN}state"] if is_counted else [THEN + name for name in names]
    given = [name in columns for name in wanted]
    arrays = {name: columns[name] for name in PLAIN if name in columns}
    if any(given) and not all(given):
        raise _header(shown, f"the column {wanted[given.index(False)]!r} is missing", "Add it, or remove all of them.")
    if all(given):
        then = np.stack([columns[name] for name in wanted], axis=-1)
    else:
        then = _following(now, arrays, shown)
    arrays |= {"observation": now, "next_observation": then}
    arrays["action"] = columns[ACTION] if ACTION in columns else np.stack([columns[name] for name in actions], axis=-1)
    own: dict[str, Any] = {"names": ["state"] if is_counted else names}
    if ACTION in columns:
        own["num_actions"] = _one_more("action", columns[ACTION])
    if is_counted:
        own["num_states"] = _one_more("state", np.concatenate([now[:, 0], then[:, 0]]))
    return arrays, own


def _one_more(field: str, values: np.ndarray) -> int:
    return int(boundary.whole_numbers(field, values, low=0, high=10_000).max()) + 1


def _following(now: np.ndarray, arrays: Mapping[str, np.ndarray], shown: str) -> np.ndarray:
    """The observation of the next row; a terminal row, which nothing follows, keeps its own."""
    cut = np.asarray(arrays.get("truncated", np.zeros(len(now)))) > 0.0
    cut = cut & ~(np.asarray(arrays["terminal"]) > 0.0)
    if np.any(cut):
        raise _header(
            shown,
            f"the columns {THEN}... are missing, and {int(cut.sum())} episodes are cut short",
            f"Add {THEN}NAME columns with the observation after each step: after the last one of a truncated episode "
            "it cannot be told otherwise.",
        )
    then = np.append(now[1:], now[-1:], axis=0)
    over = np.asarray(arrays["terminal"]) > 0.0
    then[over] = now[over]
    return then


def _from_npz(arrays: dict[str, Any], shown: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if arrays.pop("schema", None) != SCHEMA:
        raise FileError(
            SCHEMA_MARK, shown, found=f"it has no entry schema = {SCHEMA!r}", remedy="Write it with sg.write_log"
        )
    lengths = arrays.pop("episode_lengths", None)
    if lengths is not None:
        counts = boundary.whole_numbers("episode_lengths", lengths, axes=("k",), low=1)
        rows = len(np.atleast_1d(arrays.get("reward", ())))
        if counts.sum() != rows:
            raise InputError(
                boundary.INCONSISTENT,
                "episode_lengths",
                found=f"they add up to {int(counts.sum())}, and there are {rows} rows",
                allowed="every row belongs to one episode",
                remedy="Correct the lengths, or look for rows that were lost.",
            )
        arrays["episode"] = np.repeat(np.arange(len(counts)), counts)
    for name in arrays:
        boundary.one_of("field", name, (*FIELDS, "num_actions", "num_states", "names"))
    if missing := [name for name in FIELDS[:5] if name not in arrays]:
        raise _header(shown, f"the array {missing[0]!r} is missing", "Add it.")
    own = {name: arrays.pop(name) for name in ("num_actions", "num_states", "names") if name in arrays}
    return arrays, {name: int(value) if name != "names" else value for name, value in own.items()}


def _from_hdf5(path: PathName, shown: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """D4RL's layout: one row for each step, `timeouts` where an episode was cut."""
    try:
        import h5py
    except ImportError as problem:
        raise MissingExtraError("logs", "an HDF5 file") from problem
    wanted = ("observations", "actions", "rewards", "terminals")
    try:
        with h5py.File(path, "r") as file:
            names = (*wanted, "timeouts", "next_observations")
            held: dict[str, np.ndarray] = {name: np.array(file[name], dtype=float) for name in names if name in file}
    except OSError as problem:
        raise FileError(
            SCHEMA_MARK, shown, found=f"it cannot be opened ({printable(str(problem), 80)})", remedy="Check the file"
        ) from problem
    if missing := [name for name in wanted if name not in held]:
        raise _header(shown, f"the array {missing[0]!r} is missing", "Check that it is a file of this layout.")
    now, actions, rewards, over = (held[name] for name in wanted)
    cut, then = held.get("timeouts", np.zeros(len(rewards))), held.get("next_observations")
    if then is None:
        # What came after a cut is not in the file, and the row before it cannot be used.
        then, keep = np.append(now[1:], now[-1:], axis=0), ~((cut > 0.0) & ~(over > 0.0))
        keep[-1] &= over[-1] > 0.0
        before = np.append(~keep[1:] & keep[:-1], False)
        now, actions, rewards, over, then = (part[keep] for part in (now, actions, rewards, over, then))
        cut = before[keep].astype(float) * ~(over > 0.0)
    elif not (over[-1] > 0.0 or cut[-1] > 0.0):
        cut[-1] = 1.0
    columns = {"observation": now, "action": actions, "reward": rewards, "next_observation": then}
    return columns | {"terminal": over, "truncated": cut}, {}


def _from_ohio(path: PathName, limit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    data = read_ohio(path, limit=limit)
    arrays = {name: getattr(data, name) for name in FIELDS if name != "propensity"}
    return arrays, {"num_actions": data.num_actions, "names": data.names}


def _as_columns(data: Dataset) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {"episode": np.asarray(data.episode)}
    for prefix, values in ((NOW, data.observation), (THEN, data.next_observation)):
        for place, name in enumerate(data.names):
            bare = prefix.removeprefix(NOW) if data.num_states else prefix
            columns[bare + name] = np.asarray(values)[:, place]
    for place in range(data.action.shape[1]):
        columns[ACTION if data.num_actions else f"{ACTION}:{place + 1}"] = np.asarray(data.action)[:, place]
    columns |= {"reward": data.reward, "terminal": data.terminal.astype(int), "truncated": data.truncated.astype(int)}
    return columns if data.propensity is None else columns | {"propensity": data.propensity}


def _header(shown: str, found: str, remedy: str) -> InputError:
    return InputError(
        COLUMN,
        shown,
        found=found,
        allowed="columns are observation:NAME or state, action or action:NAME, reward, terminal, truncated, episode, "
        "propensity, next:NAME",
        remedy=remedy,
    )
