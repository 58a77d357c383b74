"""Where numbers come from: versions, device, hashes and sessions. Only what is listed here is ever recorded."""

from __future__ import annotations

import functools
import os
import platform
import sys
from importlib import metadata
from typing import Any

import jax

from ..._learner import AbstractLearner
from ..._loop.randomness import IMPLEMENTATION, golden_bits
from .lock import owner


SCHEMA = "stackelberg-provenance/1"

PACKAGES = ("stackelberg", "jax", "jaxlib", "numpy", "scipy", "equinox", "optax", "safetensors")

VARIABLES = ("XLA_FLAGS", "JAX_PLATFORMS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""The only variables of the environment that are recorded: they can change bits, and hold no secrets."""


@functools.cache
def versions() -> dict[str, str]:
    """The versions that decide bits."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def environment(learner: AbstractLearner) -> dict[str, Any]:
    """What else decides bits, or how far they can be trusted."""
    device = jax.devices()[0]
    return {
        "versions": versions(),
        "platform": f"{sys.platform} {platform.machine()}",
        "device": f"{device.platform}: {device.device_kind}",
        "num_devices": jax.device_count(),
        "num_processes": jax.process_count(),
        "precision": learner.precision,
        "resume": learner.resume,
        "random_bits": {"implementation": IMPLEMENTATION, "golden": golden_bits()},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def session(start: int) -> dict[str, Any]:
    """This process, and from which step it went on."""
    return owner() | {"from_step": start}


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two environments, in words."""
    differences = []
    for name in ("platform", "device", "num_devices", "num_processes", "variables"):
        if before.get(name) != now[name]:
            differences.append(f"{name.replace('_', ' ')} was {before.get(name)} and is {now[name]}")
    old = before.get("versions") or {}
    for name, version in now["versions"].items():
        if old.get(name) != version:
            differences.append(f"{name} was {old.get(name)} and is {version}")
    return differences
