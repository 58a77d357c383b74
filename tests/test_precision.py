"""Exact code is float64 whatever the flags, and says so where it cannot be."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.calculus.precision import exact


@exact
def successor(x):
    return jnp.asarray(x) + 1.0


def test_importing_the_package_changes_no_global_flag():
    assert jnp.zeros(()).dtype == jnp.float32


@pytest.mark.parametrize("value", [1e12, 2.0**52])
def test_a_number_that_float32_cannot_hold_survives(value):
    result = successor(value)
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.float64
    assert float(result) - value == 1.0


def test_float64_holds_in_every_thread():
    results = []
    threads = [threading.Thread(target=lambda: results.append(successor(1e12))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [float(result) for result in results] == [1e12 + 1] * 4


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, lambda f: jax.grad(lambda x: f(x).sum())])
def test_inside_a_float32_trace_it_is_an_error_that_says_what_to_do(transform):
    with pytest.raises(sg.PrecisionError, match="enable_x64"):
        transform(successor)(jnp.ones(3))


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, lambda f: jax.grad(lambda x: f(x).sum())])
def test_inside_a_float64_trace_it_computes(transform):
    with jax.enable_x64(True):
        assert transform(successor)(jnp.ones(3)).dtype == jnp.float64
