"""Compiled programs are shared by the processes of a session: each would spend seconds on the same one."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_compilations(tmp_path_factory):
    """Variables that the jobs of this session inherit; this process itself has read them before."""
    folder = tmp_path_factory.getbasetemp().parent / "compiled"
    wanted = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({name: value for name, value in wanted.items() if before[name] is None})
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
