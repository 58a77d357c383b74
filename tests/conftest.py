"""The same examples at every run; fresh ones are drawn with `pytest --hypothesis-profile=fresh`.

Compilations are kept between tests, workers and runs of the suite: without them a third of its time goes into compiling
the same programs again.
"""

import getpass
import os
import tempfile
from pathlib import Path

from hypothesis import settings


COMPILED = Path(tempfile.gettempdir()) / f"stackelberg-tests-{getpass.getuser()}"
COMPILED.mkdir(mode=0o700, exist_ok=True)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

settings.register_profile("fresh", deadline=None)
settings.register_profile("everyday", deadline=None, derandomize=True)
settings.load_profile("everyday")
