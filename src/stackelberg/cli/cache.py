"""Where the command line keeps compilations between runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def folder() -> Path | None:
    """The cache folder, made when missing; `None` where it cannot be made or written to.

    `STACKELBERG_CACHE` names another place, and an empty `STACKELBERG_CACHE` means no cache.
    """
    chosen = os.environ.get("STACKELBERG_CACHE")
    if chosen == "":
        return None
    try:
        place = Path(chosen) if chosen else _per_user() / "stackelberg" / "compiled"
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return place if os.access(place, os.W_OK) else None


def _per_user() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
