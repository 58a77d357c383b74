"""Records to draw: from plans, games, record files, and from the demo's story."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record
from .._runs import RunRecord
from ..evaluation.coverage import coverage_map
from ..evaluation.demand import demand
from ..evaluation.landscape import landscape
from ..evaluation.learning import learning_curve
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..followers.quantal_response import QuantalResponse
from ..games.base import AbstractGame
from ..games.bayesian import BayesianGame
from ..games.domains.tariff import TariffGame
from ..games.markov import MarkovGame
from ..games.normal_form import NormalFormGame
from ..games.security import SecurityGame
from ..report import figures
from ..report.series import setting_labels
from ..solvers.normal_form.multiple_lps import MultipleLPs
from ..solvers.quantal.rationality import rationality_curve
from ..solvers.quantal_stackelberg import QuantalStackelberg
from . import inputs, plans, strategies
from .story import Story


RATIONALITY_POINTS = 181  # so many that a jump of the best commitment looks like one


def draw(record: Record, base: Path | str) -> list[str]:
    """Write the picture of `record` as PNG and SVG and its numbers as CSV; the names of the files."""
    figures.plot(record, base)
    return [f"{base}.{suffix}" for suffix in ("png", "svg", "csv")]


def of_story(told: Story) -> Iterator[tuple[str, Record]]:
    """The three pictures of the demo, each with its name."""
    yield "landscape", with_attributes(_landscape(told.game, told.follower, 0), marks=told.marks())
    yield "rationality", _rationality(told.game, told.follower, 0)
    yield "estimation", told.learning


def with_attributes(record: Record, **more: Any) -> Record:
    """`record` with further attributes."""
    return Record(record.kind, record.columns, {**record.attributes, **more})


MOST_SETTINGS = 6
"""Of a run whose last states are shown on its page."""

STATE = "state"
"""The kind of picture that shows where a run ended, as its learner draws it."""


def of_run(folder: str, kind: str | None) -> tuple[Record | RunRecord, str]:
    """What is to be drawn of a run or a sweep, and how: as learning curves when nothing else is asked for."""
    from ..experiments.saved import pictures_of
    from ..experiments.sweeping.sweep_record import read_record

    if kind == STATE:
        shown = list(pictures_of(folder).values())
        if not shown:
            raise InputError(
                boundary.NAME,
                "kind",
                found=f"the learner of {folder} draws nothing of its state",
                allowed="world models draw where they are wrong",
                remedy="Draw its curves: leave --kind out.",
            )
        return shown[0], STATE
    record = read_record(folder)
    return record, figures.of_run(record, kind).kind


def of_state(folder: str, record: RunRecord) -> dict[str, bytes]:
    """What the learners of a complete run show of their last states, as PNG by caption; a sweep shows nothing."""
    from ..experiments.running.folder import CHECKPOINTS
    from ..experiments.saved import pictures_of_settings

    if not (Path(folder) / CHECKPOINTS).is_dir():
        return {}
    labels = setting_labels(record.settings)[:MOST_SETTINGS]
    try:
        drawn = pictures_of_settings(folder, range(len(labels)))
    except InputError:  # a learner of one's own, or of a library that is not here: its curves are a page all the same
        return {}
    return {
        ": ".join(word for word in (caption, label) if word): figures.as_png(shown)
        for label, captioned in zip(labels, drawn, strict=True)
        for caption, shown in captioned.items()
    }


def record_of(source: str, kind: str | None, response: str, seed: int) -> Record:
    """What is to be drawn of a record file, a plan file, a game file or a game of the catalog."""
    data = inputs.read_json(source) if Path(source).suffix == ".json" else None
    if isinstance(data, dict) and {"kind", "columns", "attributes"} <= set(data):
        return Record.from_json(data)
    if isinstance(data, dict) and data.get("schema") == plans.SCHEMA:
        plan = plans.read_plan(source)
        return _made(kind or _kind_of_plan(plan.game), plan.game, plan.follower, seed, plan)
    game = inputs.load_game(source)
    return _made(kind or _kind_of_game(game), game, inputs.load_follower(response), seed, None)


@singledispatch
def _kind_of_plan(game: AbstractGame) -> str:
    """How a plan for a game of this kind is drawn when nothing else is asked for."""
    del game
    return "solution"


@_kind_of_plan.register
def _(game: SecurityGame) -> str:
    return "solution" if math.isqrt(game.num_targets) ** 2 != game.num_targets else "coverage"


@_kind_of_plan.register
def _(game: TariffGame) -> str:
    del game
    return "demand"


@_kind_of_plan.register
def _(game: MarkovGame | BayesianGame) -> str:
    del game
    return "policy"


def _kind_of_game(game: AbstractGame) -> str:
    return "landscape" if isinstance(game, NormalFormGame) else _kind_of_plan(game)


def _made(kind: str, game: AbstractGame, follower: AbstractFollower, seed: int, plan: plans.Plan | None) -> Record:
    boundary.one_of("--kind", kind, [*OF_PLANS, *OF_MATRICES])
    if kind in OF_PLANS:
        return OF_PLANS[kind](plan or plans.make(game, follower))
    if not isinstance(game, NormalFormGame):
        raise InputError(
            boundary.TYPE,
            "SOURCE",
            found=f"it is a {type(game).__name__}",
            allowed=f"{kind} is drawn of games in normal form",
            remedy="Leave --kind out: its plan is drawn in the way that suits it.",
        )
    return OF_MATRICES[kind](game, follower, seed)


def _coverage(plan: plans.Plan) -> Record:
    if not isinstance(plan.game, SecurityGame):
        raise _wrong_game(plan.game, "coverage", "security games")
    return with_attributes(
        coverage_map(plan.game, plan.commitment, plan.follower), follower=plans.describe(plan.follower)
    )


def _policy(plan: plans.Plan) -> Record:
    """One row for each stage, state or type; more rows than fit on a page are not drawn."""
    leader, follower = strategies.announced(plan), strategies.answered(plan)
    most = max(len(leader.situations), len(follower.situations))
    if most > strategies.MOST_ROWS:
        raise InputError(
            boundary.SHAPE,
            "SOURCE",
            found=f"its policy has {most} rows",
            allowed=f"a policy of at most {strategies.MOST_ROWS} rows is drawn",
            remedy="Read it as numbers: stackelberg solve ... --json.",
        )
    return Record(
        "policy",
        {"commitment": np.atleast_2d(leader.shares), "response": np.atleast_2d(follower.shares)},
        {
            "situations": list(leader.situations) or [""],
            "answered_in": list(follower.situations) or [""],
            "leader_actions": list(leader.actions),
            "follower_actions": list(follower.actions),
            "title": str(getattr(plan.game, "title", "")),
        },
    )


def _demand(plan: plans.Plan) -> Record:
    """Before: the best single price for all periods, against the same follower."""
    game = plan.game
    if not isinstance(game, TariffGame):
        raise _wrong_game(game, "demand", "tariffs")

    def loss(price: float) -> float:
        flat = np.full(len(game.periods), price)
        return -float(game.leader_value(flat, plan.follower(game, flat)))

    best = minimize_scalar(loss, bounds=(float(game.low), float(game.high)), method="bounded")
    return with_attributes(demand(game, float(best.x), plan.commitment, plan.follower), before="best single price")


def _wrong_game(game: AbstractGame, kind: str, wanted: str) -> InputError:
    return InputError(
        boundary.TYPE,
        "SOURCE",
        found=f"it is a {type(game).__name__}",
        allowed=f"{kind} is drawn of {wanted}",
        remedy="Leave --kind out: the plan is drawn in the way that suits it.",
    )


def _landscape(game: NormalFormGame, follower: AbstractFollower, seed: int) -> Record:
    del seed
    return with_attributes(landscape(game, follower), follower=plans.describe_briefly(follower))


def _marked_landscape(game: NormalFormGame, follower: AbstractFollower, seed: int) -> Record:
    """The landscape with the textbook plan, promised and paid, and the best plan against this follower."""
    strong = MultipleLPs()(game)
    paid = float(game.leader_value(strong.commitment, follower(game, strong.commitment)))
    textbook = {"symbol": "sse", "commitment": strong.commitment.tolist()}
    marks = [
        textbook | {"label": "strong Stackelberg, promised", "value": float(strong.leader_value), "hollow": True},
        textbook | {"label": "strong Stackelberg, paid", "value": paid},
    ]
    if not isinstance(follower, BestResponse):
        best = QuantalStackelberg(follower)(game)
        at = {"symbol": "qse", "commitment": best.commitment.tolist(), "value": float(best.leader_value)}
        marks.append({"label": "best for this follower"} | at)
    return with_attributes(_landscape(game, follower, seed), marks=marks)


def _rationality(game: NormalFormGame, follower: AbstractFollower, seed: int) -> Record:
    del follower, seed
    spread = float(np.ptp(np.asarray(game.follower_payoff)))
    return rationality_curve(game, np.geomspace(0.1, 100.0, RATIONALITY_POINTS) / (spread if spread > 0.0 else 1.0))


def _response(game: NormalFormGame, follower: AbstractFollower, seed: int) -> Record:
    found = _landscape(game, follower, seed)
    columns = {"share": found["commitment"][:, 0], "response": found["response"]}
    if found["commitment"].shape[1] != 2:
        raise InputError(
            boundary.SHAPE,
            "SOURCE",
            found=f"the leader has {found['commitment'].shape[1]} actions",
            allowed="the response is drawn along the mixtures of 2",
            remedy="Draw the landscape: --kind landscape.",
        )
    across = f"probability of the leader's action {found.attributes['leader_actions'][0]}"
    return Record("response", columns, {**found.attributes, "across": across})


def _estimation(game: NormalFormGame, follower: AbstractFollower, seed: int) -> Record:
    if not isinstance(follower, QuantalResponse) or not np.isfinite(follower.inverse_temperature):
        raise InputError(
            boundary.TYPE,
            "--response",
            found=plans.describe(follower),
            allowed="what is learned is a finite inverse temperature",
            remedy="Write --response quantal:5.",
        )
    return learning_curve(game, follower, seed=seed)


OF_PLANS: dict[str, Callable[[plans.Plan], Record]] = {
    "solution": plans.solution_record,
    "coverage": _coverage,
    "demand": _demand,
    "policy": _policy,
}

OF_MATRICES: dict[str, Callable[[NormalFormGame, AbstractFollower, int], Record]] = {
    "landscape": _marked_landscape,
    "rationality": _rationality,
    "response": _response,
    "estimation": _estimation,
}
