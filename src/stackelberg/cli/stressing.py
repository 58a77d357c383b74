"""A plan and the fit behind it, put under stress."""

from __future__ import annotations

from typing import Any

from .. import _boundary as boundary
from .._errors import InputError
from ..evaluation.stress import Stress, stress
from ..followers.fitting.result import Fit
from ..games.choices_files import read_choices
from ..report.tables import Table
from .inputs import read_json
from .plans import Plan, read_plan


def stress_plan(path: str, fit_path: str | None, choices_path: str | None, seed: int) -> Stress:
    """`stress` of the plan in a file; the fit is the one named, or the one that the plan was made with."""
    plan = read_plan(path)
    choices = None if choices_path is None else read_choices(choices_path, plan.game)
    promised = float(plan.answer["leader_value"])
    return stress(plan.game, plan.commitment, _fit(plan, path, fit_path), choices=choices, promised=promised, seed=seed)


def to_json(found: Stress) -> dict[str, Any]:
    """The table, and its worst rows on their own."""
    return found.to_json()


def to_text(found: Stress) -> str:
    """What was promised, then what each follower pays."""
    rows = [
        (
            f"{row.model} (rejected by the log)" if row.rejected else row.model,
            f"{float(row.leader_value):.6g}",
            f"{row.loss:+.3g}",
            f"{row.follower_value:.6g}",
        )
        for row in found.rows
    ]
    numbers = ("leader's value", "loss", "follower's value")
    table = Table(("follower", *numbers), rows, title=f"promised {found.promised:.6g}", right=frozenset(numbers))
    lines = [f"worst: {float(found.worst.leader_value):.6g}, {found.worst.model}"]
    if found.worst_of_all.rejected:
        worst = found.worst_of_all
        lines.append(f"worst with those rejected by the log: {float(worst.leader_value):.6g}, {worst.model}")
    return "\n\n".join([table.plain(), "\n".join([*lines, *(f"note: {note}" for note in found.notes)])])


def _fit(plan: Plan, path: str, fit_path: str | None) -> Fit:
    data = plan.fit if fit_path is None else read_json(fit_path)
    if data is None:
        raise InputError(
            boundary.EMPTY,
            f"{path}: fit",
            found="the plan was not made from a fit, so that there is no confidence set to search",
            allowed="a fit is needed",
            remedy="Add --fit FILE (what `stackelberg fit` wrote), or solve again with --response FILE.",
        )
    if not isinstance(data, dict):
        raise InputError(
            boundary.TYPE,
            fit_path or f"{path}: fit",
            found=f"a {type(data).__name__} stands there",
            allowed="a fit is an object",
            remedy="Give a file that `stackelberg fit --out` wrote.",
        )
    return Fit.from_json(data)
