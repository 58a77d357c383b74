"""Errors as one readable block, and the exit code that goes with each."""

from __future__ import annotations

import json
import sys
from typing import Any

from .._errors import FileError, InputError, NonFiniteError, NonFiniteResultError, RunError, StackelbergError
from .words import option, spoken


OK, FAILED, USAGE, NON_FINITE, SIGNAL = 0, 1, 2, 3, 128


USAGE_OF_RUNS = ("E-RUN-004", "E-RUN-007", "E-RUN-008", "E-RUN-009", "E-SWEEP-003", "E-SWEEP-004")
"""What a person can put right with other words: a bad name, no run, another experiment, not fresh; likewise sweeps."""


class BadStepError(NonFiniteResultError):
    """A step of a run was not finite: which one, of which seed, and where what led to it is kept."""

    code = "E-RUN-001"

    def __init__(self, place: str, found: str, remedy: str) -> None:
        self.place, self.found, self.remedy = place, found, remedy
        super().__init__(f"{self.code} {place}: {found}. {remedy}")


def exit_code(problem: BaseException) -> int:
    """3 for a NaN or an infinity, handed in or computed; 2 for other bad input; 1 for every other failure.

    What stopped because of a signal ends with 128 and its number.
    """
    if isinstance(problem, NonFiniteError | NonFiniteResultError):
        return NON_FINITE
    if isinstance(problem, RunError):
        if signal := getattr(problem, "signal", 0):
            return SIGNAL + signal
        return USAGE if problem.code in USAGE_OF_RUNS else FAILED
    return USAGE if isinstance(problem, InputError | FileError) else FAILED


def report(problem: BaseException, as_json: bool = False) -> None:
    """Print `problem` to standard error: code, place, found, allowed, remedy; one JSON object with `as_json`."""
    parts = describe(problem)
    if as_json:
        print(json.dumps({"schema": "stackelberg-error/1", "error": parts}, ensure_ascii=False), file=sys.stderr)
        return
    headline = " ".join(parts[key] for key in ("code", "place") if key in parts)
    print(f"{'stopped' if getattr(problem, 'signal', 0) else 'error'}: {headline}", file=sys.stderr)
    for key in ("found", "allowed", "remedy"):
        if parts.get(key):
            print(f"  {key:<8} {parts[key]}", file=sys.stderr)


def describe(problem: BaseException) -> dict[str, str]:
    """The parts of an error, as text; every one has a `code` and says what was `found`."""
    fields: dict[str, Any] = {"code": getattr(problem, "code", "E-GENERAL-001")}
    if isinstance(problem, InputError):
        fields |= {"place": _place(problem), "found": problem.found, "allowed": problem.allowed}
        fields |= {"remedy": problem.remedy}
    elif isinstance(problem, FileError):
        fields |= {"place": problem.path, "found": problem.found, "remedy": problem.remedy}
    elif isinstance(problem, BadStepError):
        fields |= {"place": problem.place, "found": problem.found, "remedy": problem.remedy}
    elif isinstance(problem, StackelbergError):
        fields |= {"found": str(problem).removeprefix(fields["code"]).strip()}
    else:
        fields |= {
            "found": f"{type(problem).__name__}: {problem}",
            "remedy": "This is not an error that the package expects. Run again with `stackelberg --debug ...`"
            " and report what it prints.",
        }
    return {key: spoken(str(value)) for key, value in fields.items() if value not in (None, "")}


def _place(problem: InputError) -> str:
    field = option(problem.field)
    if problem.position in (None, ()):
        return field
    if isinstance(problem.position, str):
        return f"{field}, {problem.position}"
    return f"{field}[{','.join(str(index) for index in problem.position or ())}]"
