"""One run on several devices: its seeds side by side, or the data of each step cut into parts.

Seeds share nothing, so that a device with some of them needs no other. One seed alone is spread by its minibatch: every
device works on a part of the data, and sums over the data become sums over devices, which the compiler puts where they
are needed. Nothing in a learner says so, and a mean over the minibatch stays the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .. import _boundary as boundary
from .._errors import InputError


AXIS = "devices"

Split = Literal["seeds", "minibatch"]


@dataclass(frozen=True)
class Placement:
    """Devices, in order, and what is divided among them."""

    devices: tuple[Any, ...]
    split: Split

    @cached_property
    def mesh(self) -> Mesh:
        """The devices in a row. Its axis is one of the kind that the compiler propagates."""
        return Mesh(np.array(self.devices), (AXIS,))

    @property
    def is_across_processes(self) -> bool:
        """Whether some of the devices belong to other processes."""
        return any(device.process_index != jax.process_index() for device in self.devices)

    def put(self, tree: Any) -> Any:
        """Arrays with axes `(g, s, ...)` on their devices; every process hands in the whole of them."""
        return self._on_arrays(self._put, tree)

    def held(self, tree: Any) -> Any:
        """The same inside compiled code: where these arrays are to be."""
        return self._on_arrays(lambda leaf: jax.lax.with_sharding_constraint(leaf, self._of_runs), tree)

    def everywhere(self, tree: Any) -> Any:
        """Inside compiled code: arrays that every device has in full."""
        return self._on_arrays(lambda leaf: jax.lax.with_sharding_constraint(leaf, self._in_full), tree)

    def divided(self, batch: Any) -> Any:
        """Inside compiled code, for one setting and seed: the data of a step, cut along its first axis.

        All arrays of a minibatch have one first axis; data that is none, or cannot be cut evenly, stays whole.
        """
        leaves = [leaf for leaf in jax.tree.leaves(batch) if _is_array(leaf)]
        sizes = {leaf.shape[:1] for leaf in leaves}
        size = next(iter(sizes), ())
        if self.split != "minibatch" or len(sizes) != 1 or not size or size[0] % len(self.devices):
            return batch
        place = NamedSharding(self.mesh, PartitionSpec(AXIS))
        return self._on_arrays(lambda leaf: jax.lax.with_sharding_constraint(leaf, place), batch)

    def fetched(self, tree: Any) -> Any:
        """Arrays that this process has in full, wherever they were. All processes must ask at the same time."""
        if not self.is_across_processes:
            return tree
        arrays, rest = eqx.partition(tree, eqx.is_array)
        whole = jax.jit(lambda tree: tree, out_shardings=self._in_full)(arrays)
        return eqx.combine(jax.tree.map(lambda leaf: leaf.addressable_data(0), whole), rest)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the record."""
        return {"num_devices": len(self.devices), "split": self.split}

    def _put(self, leaf: Any) -> Any:
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.device_put(leaf, self._of_runs)
        # Only numbers can be put on the devices of other processes.
        return jr.wrap_key_data(jax.device_put(jr.key_data(leaf), self._of_runs), impl=str(jr.key_impl(leaf)))

    @property
    def _of_runs(self) -> NamedSharding:
        is_split = self.split == "seeds"
        return NamedSharding(self.mesh, PartitionSpec(None, AXIS) if is_split else PartitionSpec())

    @property
    def _in_full(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec())

    def _on_arrays(self, function: Callable[[Any], Any], tree: Any) -> Any:
        return jax.tree.map(lambda leaf: function(leaf) if _is_array(leaf) else leaf, tree)


def placement(devices: Any, num_seeds: int) -> Placement | None:
    """Where `num_seeds` seeds run: on so many devices, on "all", or (None) on the one that JAX picks.

    Seeds are divided among devices where that is possible evenly, and otherwise the data of each step. With several
    processes (`jax.distributed`) the run is always on all devices of all of them. Raises `InputError`.
    """
    known = jax.devices()
    if devices is None and jax.process_count() == 1:
        return None
    count = len(known) if devices in (None, "all") else boundary.whole_number("devices", devices, low=1)
    if count > len(known) or (jax.process_count() > 1 and count != len(known)):
        raise InputError(
            boundary.RANGE,
            "devices",
            found=f"{count} are asked for",
            allowed=f"{len(known)} are there" + (", and processes share all of them" if count < len(known) else ""),
            remedy='Ask for fewer, or for "all".',
        )
    return Placement(tuple(known[:count]), "seeds" if num_seeds % count == 0 else "minibatch")


def _is_array(leaf: Any) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, np.ndarray | jnp.ndarray)
