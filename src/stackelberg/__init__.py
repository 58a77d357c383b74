"""Games in which a leader commits and followers respond: solve them, learn them, and show the answer with its proof.

Names are listed in `__init__.pyi`, in the order of the docs, and imported when first used: `stackelberg --help` and
reading a version cost no JAX import.
"""

import lazy_loader


__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
