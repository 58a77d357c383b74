"""`stackelberg doctor`: does this installation compute what it should?"""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata

import typer

from . import options


PACKAGES = ("stackelberg", "jax", "jaxlib", "numpy", "scipy", "equinox", "matplotlib", "typer")


def doctor(
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Check this installation: versions, float64, the LP solver, a solved game, the cache folder."""
    del json_schema
    from ..report.tables import Table
    from .errors import FAILED
    from .output import deliver, progress, show

    versions = {name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    findings = []
    with progress("checking", quiet=quiet, total=len(CHECKS)) as advance:
        for name, check in CHECKS.items():
            findings.append({"check": name} | _run(check))
            advance()
    healthy = all(finding["ok"] for finding in findings)
    deliver("doctor", {"healthy": healthy, "versions": versions, "checks": findings}, None, as_json=as_json, out=out)
    if not as_json:
        print("  ".join(f"{name} {version}" for name, version in versions.items()))
        rows = [("ok" if entry["ok"] else "FAILED", entry["check"], entry["found"]) for entry in findings]
        show(Table(("", "check", "found"), rows))
    if not healthy:
        raise typer.Exit(FAILED)


def _run(check: Callable[[], str]) -> dict[str, object]:
    try:
        return {"ok": True, "found": check()}
    except Exception as problem:  # a doctor names every illness and goes on to the next organ
        return {"ok": False, "found": f"{type(problem).__name__}: {problem}"}


def _float64() -> str:
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        left = float(jnp.asarray(1e12) + 1.0 - 1e12)
    if left != 1.0:
        raise ArithmeticError(f"1e12 + 1 - 1e12 is {left}")
    return f"1e12 + 1 - 1e12 = 1 on {jax.default_backend()}"


def _linear_programs() -> str:
    from scipy.optimize import linprog

    answer = linprog([-1.0, -2.0], A_ub=[[1.0, 1.0]], b_ub=[1.0], method="highs")
    if answer.status != 0 or abs(answer.fun + 2.0) > 1e-9:
        raise ArithmeticError(f"HiGHS answers {answer.fun} (status {answer.status}) where the optimum is -2")
    return "HiGHS finds the optimum of a small program"


def _solved_game() -> str:
    from ..games.normal_form import NormalFormGame
    from ..solvers.normal_form.multiple_lps import MultipleLPs

    game = NormalFormGame(leader_payoff=[[2, 4], [1, 3]], follower_payoff=[[1, 0], [0, 1]])
    value = float(MultipleLPs()(game).leader_value)
    if abs(value - 3.5) > 1e-9:
        raise ArithmeticError(f"the strong Stackelberg value is 3.5 and {value} was computed")
    return f"strong Stackelberg value {value:.10g} where 3.5 is right"


def _cache() -> str:
    import secrets

    from .cache import folder

    place = folder()
    if place is None:
        return "no cache folder: every run compiles again, answers are the same"
    probe = place / f".probe-{secrets.token_hex(8)}"
    probe.write_bytes(b"")
    probe.unlink()
    return f"{place} can be written to"


CHECKS: dict[str, Callable[[], str]] = {
    "float64": _float64,
    "linear programs": _linear_programs,
    "a solved game": _solved_game,
    "compilation cache": _cache,
}
