"""The command line: verbs that parse, call and print. The numbers come from the layers below.

Nothing heavy is imported here: `stackelberg --help` costs neither JAX, SciPy, NumPy nor matplotlib. Each verb imports
what it needs when it runs.
"""

from .app import app, main


__all__ = ["app", "main"]
