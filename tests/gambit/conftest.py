"""Gambit has no wheel for Python 3.13 yet: there, and only there, these comparisons are left out when it is missing.

On older Pythons a missing Gambit is an error of the installation, and fails loudly.
"""

import sys
from importlib.util import find_spec


collect_ignore_glob = ["test_*.py"] if sys.version_info >= (3, 13) and find_spec("pygambit") is None else []
