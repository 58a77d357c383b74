"""The same examples at every run; fresh ones are drawn with `pytest --hypothesis-profile=fresh`.

Compilations are kept between tests, workers and runs of the suite: without them a third of its time goes into compiling
the same programs again.

Every compiled program takes several memory mappings of its process, of which Linux allows 65,530, and a worker that
runs half of the suite comes near. What was compiled is therefore let go between modules once there are many.
"""

import gc
import getpass
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings


COMPILED = Path(tempfile.gettempdir()) / f"stackelberg-tests-{getpass.getuser()}"
COMPILED.mkdir(mode=0o700, exist_ok=True)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

settings.register_profile("fresh", deadline=None)
settings.register_profile("everyday", deadline=None, derandomize=True)
settings.load_profile("everyday")

MAPPINGS = Path("/proc/self/maps")
MANY = 20_000


@pytest.fixture(autouse=True, scope="module")
def few_mappings():
    """Let go of compiled programs after a module where the process has taken many mappings."""
    yield
    if MAPPINGS.exists() and MAPPINGS.read_bytes().count(b"\n") > MANY:
        import jax  # not before: it reads where compilations are kept when it is imported

        jax.clear_caches()
        gc.collect()
