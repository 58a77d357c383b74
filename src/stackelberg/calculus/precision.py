"""Float64 for exact work, whatever the caller's flags, without changing any global flag."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._errors import PrecisionError


P = ParamSpec("P")
R = TypeVar("R")


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Make `function` compute in float64 and hand back NumPy float64.

    At the outermost call the 64-bit context is entered around all of `function`, and the JAX arrays that it returns
    become NumPy arrays (a float64 JAX array that leaves the context would turn into float32 at its first use). Inside
    a float64 trace (`jit`, `vmap`, `grad`, `scan`) `function` is called as it is. Inside a float32 trace the context
    cannot be entered any more, and a `PrecisionError` says so.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        probe = jnp.zeros(())  # its dtype tells the precision, and even a constant is staged inside a trace
        is_wide = probe.dtype == np.float64
        if _is_traced(probe) or any(_is_traced(leaf) for leaf in jax.tree.leaves((args, kwargs))):
            if not is_wide:
                raise PrecisionError(
                    f"{PrecisionError.code} {function.__qualname__}: it computes in float64 but was called inside a "
                    "function that JAX is tracing in float32. Wrap the outermost jit, vmap, grad or scan call in "
                    "`with jax.enable_x64(True):`."
                )
            return function(*args, **kwargs)
        if is_wide:
            return _as_numpy(function(*args, **kwargs))
        with jax.enable_x64(True):
            return _as_numpy(function(*args, **kwargs))

    return wrapper


def _is_traced(leaf: Any) -> bool:
    return isinstance(leaf, Tracer)


def _as_numpy(result: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf) if _is_plain_array(leaf) else leaf, result)


def _is_plain_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
