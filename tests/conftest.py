import jax
import pytest


@pytest.fixture(autouse=True)
def _strict_promotion():
    """Silent changes of dtype and rank are errors in every test."""
    with jax.numpy_dtype_promotion("standard"):
        yield
