"""Policies that were learned from logs, from and to NPZ files."""

from __future__ import annotations

from typing import Any

import jax
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._disk import SIZE_LIMIT, PathName, printable, read_bytes, write_whole
from .._errors import FileError
from ..games.npz import read_arrays, write_arrays
from ..rl.batch_policy import AbstractBatchPolicy, SoftmaxNetwork, SoftmaxTable, TanhGaussian, blank_batch_policy
from ..rl.policy import Relu, Tanh


SCHEMA = "stackelberg-batch-policy/1"

DAMAGED = "E-LOG-004"

KINDS: dict[str, type] = {
    "softmax-table": SoftmaxTable,
    "softmax-network": SoftmaxNetwork,
    "tanh-gaussian": TanhGaussian,
}

ACTIVATIONS: dict[str, type[Tanh] | type[Relu]] = {"tanh": Tanh, "relu": Relu}


def write_batch_policy(policy: AbstractBatchPolicy, path: PathName) -> None:
    """Write a policy to an NPZ file, whole or not at all; its numbers survive bit for bit."""
    boundary.instance("policy", policy, AbstractBatchPolicy, "sg.learn_policy(...).policy")
    kind = next(name for name, one in KINDS.items() if type(policy) is one)
    leaves = jax.tree.leaves(policy)
    write_whole(
        path,
        write_arrays(
            {"schema": SCHEMA, "kind": kind, "hidden": list(_hidden(policy)), "activation": _activation(policy)}
            | {f"leaf_{place}": np.asarray(leaf) for place, leaf in enumerate(leaves)}
        ),
    )


def read_batch_policy(path: PathName) -> AbstractBatchPolicy:
    """The policy in an NPZ file that `write_batch_policy` wrote; `FileError` where it is none."""
    shown = printable(str(path))
    arrays = read_arrays(read_bytes(path), shown, SIZE_LIMIT)
    leaves = [arrays[f"leaf_{place}"] for place in range(len(arrays)) if f"leaf_{place}" in arrays]
    if arrays.get("schema") != SCHEMA or arrays.get("kind") not in KINDS or not leaves:
        raise _damaged(shown, "it is no policy that was learned from a log")
    if arrays["kind"] == "softmax-table":
        return SoftmaxTable(boundary.real_array("logits", leaves[0], axes=("s", "a")))
    hidden = tuple(int(size) for size in np.atleast_1d(arrays["hidden"]))
    is_discrete = arrays["kind"] == "softmax-network"
    width, outputs = leaves[-1].shape[0], leaves[-3 if is_discrete else -4].shape[0]
    # Files that were written before networks had another one do not say.
    activation = ACTIVATIONS.get(str(arrays.get("activation", "tanh")))
    if activation is None:
        raise _damaged(shown, "its activation is not known")
    blank = jax.eval_shape(
        lambda: blank_batch_policy(
            outputs if is_discrete else 0, 0, outputs, np.zeros(width), np.ones(width), hidden, jr.key(0), activation()
        )
    )
    wanted, structure = jax.tree.flatten(blank)
    if [one.shape for one in wanted] != [np.shape(leaf) for leaf in leaves]:
        raise _damaged(shown, "its arrays do not have the shapes of the network that it names")
    return jax.tree.unflatten(structure, [boundary.real_array("weights", leaf) for leaf in leaves])


def _hidden(policy: Any) -> tuple[int, ...]:
    if isinstance(policy, SoftmaxTable):
        return (0,)
    return tuple(layer.weight.shape[0] for layer in policy.network.layers[:-1])


def _activation(policy: Any) -> str:
    if isinstance(policy, SoftmaxTable):
        return "tanh"
    return next(name for name, one in ACTIVATIONS.items() if isinstance(policy.network.activation, one))


def _damaged(shown: str, found: str) -> FileError:
    return FileError(DAMAGED, shown, found=found, remedy="Write it again: stackelberg learn LOG --policy FILE.npz")
