"""What can go wrong, as classes that say where it went wrong and what to do.

StackelbergError
├── InputError              something handed in is not usable (also a ValueError)
│   └── NonFiniteError      a NaN or an infinity was handed in
├── FileError               a file cannot be read or written (also an OSError)
│   └── RunError            a run folder cannot be used, or not in this way
├── PrecisionError          exact code was called under a float32 trace
├── SolverError             a solver stopped without an answer that it can certify
│   └── NonFiniteResultError    a computation met a NaN or an infinity
└── MemoryBudgetError       the answer would need more memory than is allowed (also a MemoryError)

PrecisionWarning            numbers were stored too coarsely for the answer to be as exact as usual (a UserWarning)

Every message has one form, ``CODE field[position]: what was found; what is allowed. What to do.``,
and every code has an entry in ``docs/errors.md``.
"""

from __future__ import annotations


class StackelbergError(Exception):
    """The base of every error that this package raises on purpose."""

    code: str = "E-GENERAL-001"


class InputError(StackelbergError, ValueError):
    """Something handed in is not usable.

    `field` names what was handed in (a dotted path), `position` the offending place inside it, `found` what
    stands there, `allowed` what may stand there, and `remedy` what to do about it.
    """

    def __init__(
        self,
        code: str,
        field: str,
        *,
        found: str,
        allowed: str,
        remedy: str,
        position: tuple[int, ...] | str | None = None,
    ) -> None:
        self.code = code
        self.field = field
        self.position = position
        self.found = found
        self.allowed = allowed
        self.remedy = remedy
        if position is None or position == ():
            place = field
        elif isinstance(position, str):
            place = f"{field}, {position}"
        else:
            place = f"{field}[{','.join(str(index) for index in position)}]"
        super().__init__(f"{code} {place}: {found}; {allowed}. {remedy}")


class NonFiniteError(InputError):
    """A NaN or an infinity was handed in where a finite number is needed."""


class FileError(StackelbergError, OSError):
    """A file cannot be read or written: the path, the reason and the remedy are in the message."""

    def __init__(self, code: str, path: str, *, found: str, remedy: str) -> None:
        self.code = code
        self.path = path
        self.found = found
        self.remedy = remedy
        super().__init__(f"{code} {path}: {found}. {remedy}")

    def __str__(self) -> str:  # OSError would print its arguments as a tuple
        return f"{self.code} {self.path}: {self.found}. {self.remedy}"


class RunError(FileError):
    """A run folder cannot be used, or not in this way; nothing in it has been changed."""


class PrecisionError(StackelbergError, TypeError):
    """Exact (float64) code was called inside a function that is being traced in float32."""

    code = "E-PRECISION-001"


class SolverError(StackelbergError, ArithmeticError):
    """A solver stopped without an answer that it can certify."""

    code = "E-SOLVER-001"


class NonFiniteResultError(SolverError):
    """A computation met a NaN or an infinity after its input had been checked."""

    code = "E-SOLVER-002"


class MemoryBudgetError(StackelbergError, MemoryError):
    """The answer would need more memory than is allowed; the estimate is made before anything is allocated."""

    code = "E-MEMORY-001"


class MissingExtraError(StackelbergError, ImportError):
    """What was asked for needs a library that is not installed; the message is the command that installs it."""

    code = "E-SWEEP-001"

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(
            f"{self.code} {extra}: {what} needs a library that is not installed; it is one of the extras. "
            f'Install it: pip install "stackelberg[{extra}]"'
        )


class PrecisionWarning(UserWarning):
    """The numbers handed in were stored too coarsely: differences that may matter were lost before they got here."""

    code = "W-PRECISION-001"
