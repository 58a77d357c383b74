"""Checkpoints: one folder per step, named arrays with a manifest of fingerprints, three of them kept.

    checkpoints/000000001000/arrays.safetensors   every array of the state
                             state.json           step, key, what each array is, where the log of metrics stood
                             manifest.json        size and SHA-256 of both, and of itself

What is read back is compared leaf by leaf with the state that `init` would make: names, types and shapes. Nothing else
can come out of a checkpoint: no objects, no code.
"""

from __future__ import annotations

import re
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

from ..._learner import Run
from ..._loop.precision import precise
from ..digests import digest, sealed, sha256, unsealed
from .disk import ARRAYS_LIMIT, LIMIT, AbstractDisk, commit_folder, content, discard, is_folder
from .metrics_log import Place


ARRAYS, STATE, MANIFEST = "arrays.safetensors", "state.json", "manifest.json"
STATE_SCHEMA, MANIFEST_SCHEMA = "stackelberg-checkpoint/1", "stackelberg-manifest/1"
KEPT = 3
KEY_LEAF = ".key"
NAME = re.compile(r"[0-9]{12}")
HEADER = 2**20
"""Room for the names and shapes of arrays beside their bytes."""

BITS = {"bfloat16": np.uint16}
STORED_AS = {name: np.dtype(bits).name for name, bits in BITS.items()}
"""Types that the array format does not load, and as what they are stored."""


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
    manifest = digest(unsealed(content(final / MANIFEST), MANIFEST_SCHEMA))
    for old in names(folder)[:-KEPT]:
        discard(disk, folder / old)
    return manifest


def names(folder: Path) -> list[str]:
    """The names of all checkpoints, oldest first."""
    return sorted(path.name for path in folder.iterdir() if NAME.fullmatch(path.name)) if folder.is_dir() else []


def encoded(run: Run, facts: Mapping[str, Any], precision: str) -> dict[str, bytes]:
    """The files of a checkpoint."""
    with precise(precision):
        arrays, leaves = {}, {}
        for name, leaf in named_leaves(run):
            array, leaves[name] = stored(leaf)
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
    arrays, facts, manifest = verified(path, _size(skeleton, precision))
    with precise(precision):
        return Checkpoint(_filled(skeleton, arrays, facts), facts, manifest)


def verified(path: Path, limit: int = ARRAYS_LIMIT) -> tuple[dict[str, np.ndarray], dict[str, Any], str]:
    """The arrays of a checkpoint as its manifest has them, its facts, and the manifest's fingerprint.

    `ValueError` says what is wrong with it; arrays of more than `limit` bytes are not read.
    """
    if not is_folder(path):
        raise ValueError("it is no folder")
    manifest = unsealed(content(path / MANIFEST), MANIFEST_SCHEMA)
    listed = manifest.get("files")
    if not isinstance(listed, dict) or sorted(listed) != sorted((ARRAYS, STATE)):
        raise ValueError("its manifest does not list its files")
    files = {}
    for name, most in ((ARRAYS, limit), (STATE, LIMIT)):
        files[name] = content(path / name, most)
        if listed[name] != {"size": len(files[name]), "sha256": sha256(files[name])}:
            raise ValueError(f"{name} is not what its manifest says")
    facts = unsealed(files[STATE], STATE_SCHEMA)
    if type(facts.get("step")) is not int or name_of(facts["step"]) != path.name:
        raise ValueError(f"it says that it is step {facts.get('step')!s:.20}")
    leaves = facts.get("leaves")
    if not isinstance(leaves, dict) or not all(isinstance(kind, dict) for kind in leaves.values()):
        raise ValueError("it does not say what its arrays are")
    Place.of(facts.get("log"))
    try:
        arrays = load_tensors(files[ARRAYS])
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as problem:
        raise ValueError("its arrays cannot be read") from problem
    if sorted(arrays) != sorted(leaves) or not all(_is_told(arrays[name], leaves[name]) for name in leaves):
        raise ValueError("its arrays are not those that it tells of")
    return arrays, facts, digest(manifest)


def named_leaves(run: Run) -> list[tuple[str, Any]]:
    """Every array of a run with its name, the key first."""
    arrays = eqx.filter(run.state, lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray))
    named = [(jax.tree_util.keystr(path) or ".", leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(arrays)]
    return [(KEY_LEAF, run.key), *named]


def _is_told(array: np.ndarray, kind: Mapping[str, Any]) -> bool:
    dtype = str(kind.get("dtype"))
    axes = array.shape[:-1] if "key" in kind else array.shape
    return array.dtype.name == STORED_AS.get(dtype, dtype) and kind.get("shape") == [*axes]


def stored(leaf: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """An array as the format can hold it, and what it is."""
    kind: dict[str, Any] = {"shape": list(leaf.shape)}
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
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
    if not np.array_equal(jr.key_data(loaded[KEY_LEAF]), jr.key_data(skeleton.key)):
        raise ValueError("its random key is that of other seeds")
    is_array = lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray | jax.ShapeDtypeStruct)
    state = jax.tree_util.tree_map_with_path(
        lambda path, leaf: loaded[jax.tree_util.keystr(path) or "."] if is_array(leaf) else leaf, skeleton.state
    )
    return Run(state, int(facts["step"]), loaded[KEY_LEAF])


def _loaded(name: str, wanted: Any, array: np.ndarray, kind: Mapping[str, Any]) -> Any:
    expected, right = stored(wanted)
    if kind != right or array.dtype != expected.dtype or array.shape != expected.shape:
        found = f"{kind.get('key') or kind.get('dtype')!s:.40}{array.dtype if kind == right else ''}"
        raise ValueError(f"{name} is {found}{list(array.shape)}, not {wanted.dtype}{list(wanted.shape)}")
    made = restored(array, kind)
    return made if isinstance(wanted, np.ndarray) or "key" in kind else jax.numpy.asarray(made)


def restored(array: np.ndarray, kind: Mapping[str, Any]) -> Any:
    """What `stored` was given."""
    if "key" in kind:
        return jr.wrap_key_data(jax.numpy.asarray(array), impl=kind["key"])
    return array.view(jax.numpy.dtype(kind["dtype"]))


def _size(skeleton: Run, precision: str) -> int:
    """The most bytes that the arrays of this learner take in a file."""
    with precise(precision):
        return HEADER + sum(1024 + stored(leaf)[0].nbytes for _, leaf in named_leaves(skeleton))
