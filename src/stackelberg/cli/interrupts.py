"""Signals that end the command: at once, always with 128 + n, whatever library is running.

A `KeyboardInterrupt` can be lost: raised inside a callback of a library, it is printed there and the work goes on.
Here nothing is raised. Files are written whole by rename, so that leaving in the middle tears none.

A run has more to lose than a picture: within `finishing()` the first signal only asks, and the second one leaves.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import SIGNAL


ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

GRACE = 8.0
"""Seconds that a block has to finish after the first signal; whoever waits for an end waits ten, as a rule."""

_TELLING = 1.0
"""Seconds that a block which has ended waits for the words about its end; nobody may be reading them."""

_LEAVING = threading.Lock()

_SHOW_CURSOR = "\x1b[?25h"


class Finishing:
    """A block that ends by itself when it is asked to; calling it says which signal has asked, 0 while none has.

    `is_idle`: set while there is nothing to finish, such as before the first step; a signal then leaves at once.
    """

    def __init__(self, tell: Callable[[], None], grace: float) -> None:
        self.is_idle = False
        self._tell, self._grace = tell, grace
        self._number = 0
        self._timer: threading.Timer | None = None
        self._told = threading.Event()

    def __call__(self) -> int:
        return self._number

    def ask(self, number: int) -> None:
        """The first signal asks and starts the clock; the second one, and the clock, leave."""
        if self._number or self.is_idle:
            _end(number)
        self._number = number
        late = "it took too long; what was saved before is whole"
        self._timer = threading.Timer(self._grace, _end, (number, late))
        self._timer.daemon = True
        self._timer.start()
        self._tell()
        self._told.set()

    def done(self) -> None:
        """The block has ended; what the other thread has begun to tell is told before anything that follows."""
        if self._number:
            self._told.wait(_TELLING)
        if self._timer is not None:
            self._timer.cancel()


class _Now:
    """What is true of this process: whether a thread listens for signals, and the block that finishes by itself."""

    listens = False
    finishing: Finishing | None = None


def install() -> None:
    """From here on SIGINT, SIGTERM and SIGHUP end the process.

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
        _Now.listens = True
        threading.Thread(target=_listen, args=(reading,), daemon=True).start()


@contextmanager
def finishing(tell: Callable[[], None] = lambda: None, grace: float = GRACE) -> Iterator[Finishing]:
    """While the block runs, the first signal only sets what the block asks for; `tell` is called when it comes."""
    block = Finishing(tell, grace)
    _Now.finishing = block
    try:
        yield block
    finally:
        _Now.finishing = None
        block.done()


def _listen(reading: int) -> None:
    while data := os.read(reading, 1):
        if data[0] in ENDING:
            _hear(data[0])


def _hear(number: int) -> None:
    block = _Now.finishing
    if block is None:
        _end(number)
    else:
        block.ask(number)


def _leave(number: int, _: Any = None) -> None:
    if _Now.listens and _Now.finishing is not None:
        return  # the thread hears the same signal, and one signal asks once
    _hear(number)


def _end(number: int, why: str = "") -> None:
    if not _LEAVING.acquire(blocking=False):
        return  # the other thread, or an earlier signal, is on its way out
    words = ("interrupted" if number == signal.SIGINT else "ended") + (f": {why}" if why else "")
    try:
        cursor = f"{_SHOW_CURSOR}\n" if os.isatty(2) else ""  # a progress bar hides it, and stands where the words go
        os.write(2, f"{cursor}{words}\n".encode())
    except OSError:
        pass  # nobody reads any more
    finally:
        os._exit(SIGNAL + number)
