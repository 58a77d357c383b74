"""What is played: games, the problems that they induce, their files and the catalog."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["catalog"])
