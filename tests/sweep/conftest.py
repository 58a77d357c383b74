"""Compiled programs are shared by the processes of a session: each would spend seconds on the same one."""

import os

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache


@pytest.fixture(scope="session", autouse=True)
def shared_compilations(tmp_path_factory):
    """Variables that the jobs of this session inherit; this process has read them before, and is told anew."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    wanted = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({name: value for name, value in wanted.items() if before[name] is None})
    own = {name: getattr(jax.config, name.lower()) for name in wanted}
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # so that it is opened once more, there
    yield
    for name, value in own.items():
        jax.config.update(name.lower(), value)
    compilation_cache.reset_cache()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
