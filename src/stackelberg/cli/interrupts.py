"""Signals that end the command: at once, always with 128 + n, whatever library is running.

A `KeyboardInterrupt` can be lost: raised inside a callback of a library, it is printed there and the work goes on.
Here nothing is raised. Files are written whole by rename, so that leaving in the middle tears none.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from .errors import SIGNAL


ENDING = (signal.SIGINT, signal.SIGTERM)

_LEAVING = threading.Lock()

_SHOW_CURSOR = "\x1b[?25h"


def install() -> None:
    """From here on SIGINT and SIGTERM end the process.

    A thread listens too: the main one sees a signal only between two steps of Python, not within a long call into a
    library. Signals that whoever started the command has switched off (`nohup`, a background job) stay off.
    """
    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, _leave)
    if heard and hasattr(os, "set_blocking"):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=_listen, args=(reading,), daemon=True).start()


def _listen(reading: int) -> None:
    while data := os.read(reading, 1):
        if data[0] in ENDING:
            _leave(data[0])


def _leave(number: int, _: Any = None) -> None:
    if not _LEAVING.acquire(blocking=False):
        return  # the other thread, or an earlier signal, is on its way out
    words = "interrupted" if number == signal.SIGINT else "ended"
    try:
        cursor = _SHOW_CURSOR if os.isatty(2) else ""  # a progress bar hides it
        os.write(2, f"{cursor}{words}\n".encode())
    except OSError:
        pass  # nobody reads any more
    finally:
        os._exit(SIGNAL + number)
