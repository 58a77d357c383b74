"""Checkpoints: one folder per step, named arrays with a manifest of fingerprints, three of them kept.

    checkpoints/000000001000/arrays.safetensors   every array of the state
                             state.json           step, key, what each array is, where the log of metrics stood
                             manifest.json        size and SHA-256 of both, and of itself

What is read back is compared leaf by leaf with the state that `init` would make: names, types and shapes. Nothing else
can come out of a checkpoint: no objects, no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors, save as save_tensors

from .._learner import Run
from .._precision import precise
from .._randomness import IMPLEMENTATION
from .digests import sealed, sha256, unsealed
from .disk import AbstractDisk, commit_folder, discard


ARRAYS, STATE, MANIFEST = "arrays.safetensors", "state.json", "manifest.json"
STATE_SCHEMA, MANIFEST_SCHEMA = "stackelberg-checkpoint/1", "stackelberg-manifest/1"
KEPT = 3
KEY_LEAF = ".key"
BITS = {"bfloat16": np.uint16}
"""Types that the array format does not load, and as what they are stored."""


@dataclass(frozen=True)
class Damage:
    """A checkpoint that cannot be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run as it was read back, and what its `state.json` says besides."""

    run: Run
    facts: Mapping[str, Any]
    manifest: str


def name_of(step: int) -> str:
    """The folder of a step: names sort as steps do."""
    return f"{step:012d}"


def save(disk: AbstractDisk, folder: Path, run: Run, facts: Mapping[str, Any], precision: str) -> str:
    """Write the checkpoint of `run` into `folder` and let go of all but the newest three; its manifest's fingerprint.

    `facts` are what else a resume needs (hashes, the place in the log). One that exists already holds the same step of
    the same run, and stays.
    """
    final = folder / name_of(run.n)
    if not final.exists():
        files = encoded(run, facts, precision)
        commit_folder(disk, final, files)
    manifest = sha256((final / MANIFEST).read_bytes())
    for old in names(folder)[:-KEPT]:
        discard(disk, folder / old)
    return manifest


def names(folder: Path) -> list[str]:
    """The names of all checkpoints, oldest first."""
    return sorted(path.name for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def encoded(run: Run, facts: Mapping[str, Any], precision: str) -> dict[str, bytes]:
    """The files of a checkpoint."""
    with precise(precision):
        arrays, leaves = {}, {}
        for name, leaf in named_leaves(run):
            array, leaves[name] = _stored(leaf)
            arrays[name] = array
        data = save_tensors(arrays)
        back = load_tensors(data)  # the format is silent about arrays that it cannot store: read before it counts
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype, name
            assert back[name].tobytes() == array.tobytes(), name
    state = sealed({"schema": STATE_SCHEMA, "step": run.n, "leaves": leaves, **facts})
    manifest = sealed(
        {
            "schema": MANIFEST_SCHEMA,
            "files": {
                name: {"size": len(content), "sha256": sha256(content)}
                for name, content in ((ARRAYS, data), (STATE, state))
            },
        }
    )
    return {ARRAYS: data, STATE: state, MANIFEST: manifest}


def load(path: Path, skeleton: Run, precision: str) -> Checkpoint:
    """The run in a checkpoint; `ValueError` says what does not fit, and nothing of it is used."""
    files, facts, manifest = verified(path)
    if facts["step"] != int(path.name):
        raise ValueError(f"it says that it is step {facts['step']}")
    try:
        arrays = load_tensors(files[ARRAYS])
    except (SafetensorError, ValueError, KeyError, TypeError) as problem:
        raise ValueError("its arrays cannot be read") from problem
    with precise(precision):
        return Checkpoint(_filled(skeleton, arrays, facts), facts, manifest)


def verified(path: Path) -> tuple[dict[str, bytes], dict[str, Any], str]:
    """The files of a checkpoint as its manifest has them, its facts, and the manifest's fingerprint."""
    if path.is_symlink() or not path.is_dir():
        raise ValueError("it is no folder")
    raw = _read(path / MANIFEST)
    listed = unsealed(raw, MANIFEST_SCHEMA).get("files")
    if not isinstance(listed, dict) or sorted(listed) != sorted((ARRAYS, STATE)):
        raise ValueError("its manifest does not list its files")
    files = {}
    for name, entry in listed.items():
        data = _read(path / name)
        if len(data) != entry.get("size") or sha256(data) != entry.get("sha256"):
            raise ValueError(f"{name} is not what its manifest says")
        files[name] = data
    facts = unsealed(files[STATE], STATE_SCHEMA)
    return files, facts, sha256(raw)


def named_leaves(run: Run) -> list[tuple[str, Any]]:
    """Every array of a run with its name, the key first."""
    arrays = eqx.filter(run.state, lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray))
    named = [(jax.tree_util.keystr(path) or ".", leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(arrays)]
    return [(KEY_LEAF, run.key), *named]


def _stored(leaf: Any) -> tuple[np.ndarray, dict[str, Any]]:
    kind: dict[str, Any] = {"shape": list(leaf.shape)}
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        kind["key"] = str(jr.key_impl(leaf))
        leaf = jr.key_data(leaf)
    array = np.ascontiguousarray(np.asarray(leaf)).reshape(np.shape(leaf))  # reshape: a 0-d array became 1-d
    kind["dtype"] = str(array.dtype)
    return array.view(BITS.get(str(array.dtype), array.dtype)), kind


def _filled(skeleton: Run, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Run:
    wanted = dict(named_leaves(skeleton))
    leaves = facts["leaves"]
    if sorted(wanted) != sorted(arrays) or sorted(wanted) != sorted(leaves):
        odd = sorted(set(wanted) ^ (set(arrays) & set(leaves)))
        raise ValueError(f"its arrays are not those of this learner ({', '.join(odd[:3])})")
    loaded = {name: _loaded(name, wanted[name], arrays[name], leaves[name]) for name in wanted}
    is_array = lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray | jax.ShapeDtypeStruct)
    state = jax.tree_util.tree_map_with_path(
        lambda path, leaf: loaded[jax.tree_util.keystr(path) or "."] if is_array(leaf) else leaf, skeleton.state
    )
    return Run(state, int(facts["step"]), loaded[KEY_LEAF])


def _loaded(name: str, wanted: Any, array: np.ndarray, kind: Mapping[str, Any]) -> Any:
    if isinstance(kind.get("key"), str):
        made = jr.wrap_key_data(jax.numpy.asarray(array), impl=IMPLEMENTATION)
        is_right = kind["key"] == str(jr.key_impl(made)) and kind["dtype"] == str(array.dtype)
    else:
        made = array.view(jax.numpy.dtype(kind["dtype"])) if kind["dtype"] in BITS else array
        is_right = kind["dtype"] == str(made.dtype)
        made = made if isinstance(wanted, np.ndarray) else jax.numpy.asarray(made)
    if not is_right or made.dtype != wanted.dtype or made.shape != wanted.shape:
        raise ValueError(f"{name} is {made.dtype}{list(made.shape)}, not {wanted.dtype}{list(wanted.shape)}")
    return made


def _read(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path.name} is missing")
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ValueError(f"{path.name} cannot be read ({problem.strerror})") from problem
