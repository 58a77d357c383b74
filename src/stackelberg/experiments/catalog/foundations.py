"""What everything else stands on: the worth of commitment, and learning the follower's response from play."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy import stats

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._runs import RunRecord
from ...followers.quantal_response import QuantalResponse
from ...games.catalog import catalog_game
from ...games.normal_form import NormalFormGame
from ...play.agent import Repeated
from ...play.response_estimation import ResponseEstimation
from ...play.suboptimality import Suboptimality
from ...play.world import World
from ...solvers.normal_form.nash import nash_equilibria
from ...solvers.quantal_stackelberg import QuantalStackelberg
from ...solvers.solve import solve
from ..experiment import Experiment
from ..running.runner import Progress, StoppedError, run
from .base import Evidence, Reproduction


TRUTH = 5.0
NUM_PLAYS, MANY_PLAYS = 5, 50
NUM_STEPS = 400
NUM_SEEDS: dict[Budget, int] = {"smoke": 16, "small": 256, "full": 2000}

CS = "Conitzer and Sandholm (2006), Section 2"
MLE = "asymptotic normality of the maximum likelihood estimate"


def _commitment(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del budget, folder, on_progress
    game, human = catalog_game("conitzer-sandholm"), QuantalResponse(TRUTH)
    assert isinstance(game, NormalFormGame)
    strong = solve(game)
    plan = QuantalStackelberg(human)(game)
    nash = max(float(value) for value in nash_equilibria(game).leader_values)
    paid = float(game.leader_value(strong.commitment, human(game, strong.commitment)))
    bounds = plan.certificate
    return Evidence(
        {
            "nash": Estimate.exact(nash),
            "strong": Estimate(
                float(strong.leader_value), strong.certificate.lower, strong.certificate.upper, "certificate"
            ),
            "paid": Estimate.exact(paid),
            "quantal": Estimate(float(plan.leader_value), bounds.lower, bounds.upper, "certificate"),
        }
    )


def estimation_experiment(budget: Budget, *, explore_always: bool = False) -> Experiment:
    """The commitment game against a quantal follower: five plays after each of 400 announcements.

    With `explore_always` all announcements are drawn at random and fifty plays follow each, so that the estimate
    reaches the sizes at which its error is that of its limit.
    """
    num_plays = MANY_PLAYS if explore_always else NUM_PLAYS
    world = World(catalog_game("conitzer-sandholm"), QuantalResponse(TRUTH), num_plays=num_plays)
    exploring = NUM_STEPS if explore_always else 100
    return Experiment(
        Repeated(ResponseEstimation(capacity=NUM_STEPS, num_exploring=exploring), world),
        NUM_STEPS,
        monitor=Suboptimality(),
        seeds=NUM_SEEDS[budget],
        record_every=20,
        title="Learning how the follower responds" + (", exploring throughout" if explore_always else ""),
    )


def _estimation(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    planned = run(estimation_experiment(budget), folder / "plan", on_progress=on_progress)
    missing = planned.metrics["suboptimality"][:, 0, :]
    records: dict[str, RunRecord] = {"plan": planned}
    measured = {
        "improves": _mean(missing[-1] - _suboptimality_of_uniform()),
        "near-optimal": _mean(missing[-1]),
        "resumes": Estimate.exact(float(_resumes_bit_for_bit(folder, on_progress))),
    }
    if budget != "smoke":
        explored = run(estimation_experiment(budget, explore_always=True), folder / "explore", on_progress=on_progress)
        records["explore"] = explored
        measured["rate"] = _slope(explored.steps * MANY_PLAYS, explored.metrics["estimate"][:, 0, :])
        measured["coverage"] = _coverage(explored)
    return Evidence(measured, records)


def _suboptimality_of_uniform() -> float:
    """What the leader misses that announces every row with the same probability, as it does before it has learned."""
    game, human = catalog_game("conitzer-sandholm"), QuantalResponse(TRUTH)
    uniform = game.uniform_commitment()
    best = float(QuantalStackelberg(human)(game).leader_value)
    return best - float(game.leader_value(uniform, human(game, uniform)))


def _resumes_bit_for_bit(folder: Path, on_progress: Callable[[Progress], None]) -> bool:
    """Whether a run that is stopped after its first portion, and gone on with, has the record of one that is not."""
    experiment = estimation_experiment("smoke")
    with suppress(StoppedError):
        run(experiment, folder / "stopped", stop=lambda: 15)
    again = run(experiment, folder / "stopped", on_progress=on_progress)
    whole = run(experiment, folder / "undisturbed", on_progress=on_progress)
    return all(np.array_equal(again.metrics[name], whole.metrics[name], equal_nan=True) for name in whole.metrics)


def _mean(values: Float[np.ndarray, "s"]) -> Estimate:
    """The mean over seeds with its 95 % Student interval."""
    middle, error = float(np.mean(values)), float(stats.sem(values))
    if error == 0.0:
        return Estimate(middle, middle, middle, f"mean of {len(values)} seeds, all equal")
    low, high = stats.t.interval(0.95, len(values) - 1, middle, error)
    return Estimate(middle, float(low), float(high), f"mean of {len(values)} seeds, 95% Student interval")


def _slope(plays: Float[np.ndarray, "k"] | np.ndarray, estimates: Float[np.ndarray, "k s"]) -> Estimate:
    """The exponent of the root mean square error in the number of plays, with a bootstrap interval over seeds."""
    late = plays >= plays[-1] / 8
    across, errors = np.log(plays[late]), (estimates[late] - TRUTH) ** 2
    fit = lambda chosen: np.polyfit(across, 0.5 * np.log(errors[:, chosen].mean(axis=1)), 1)[0]
    generator = np.random.Generator(np.random.Philox(0))
    seeds = estimates.shape[1]
    drawn = [fit(generator.integers(0, seeds, seeds)) for _ in range(500)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(fit(np.arange(seeds))), float(low), float(high), f"95% bootstrap over {seeds} seeds")


def _coverage(record: RunRecord) -> Estimate:
    """How many of the final 95 % intervals hold the truth, with the Wilson interval of that share."""
    estimate, error = record.final("estimate")[0], record.final("standard_error")[0]
    holding = int(np.sum(np.abs(estimate - TRUTH) <= stats.norm.ppf(0.975) * error))
    ends = stats.binomtest(holding, len(estimate)).proportion_ci(0.95, method="wilson")
    return Estimate(holding / len(estimate), float(ends.low), float(ends.high), f"Wilson, {len(estimate)} seeds")


COMMITMENT = Reproduction(
    "foundations:commitment",
    "What commitment is worth, and what a promise is paid",
    CS,
    (
        Claim("nash", "The only Nash equilibrium pays the leader 2.", CS, 2.0, "equals", 1e-9, "smoke", 1, "payoff"),
        Claim("strong", "Commitment is worth 3.5.", CS, 3.5, "equals", 1e-9, "smoke", 1, "payoff"),
        Claim(
            "paid",
            "A follower of inverse temperature 5 pays 2.5 for it: it is indifferent, and errs half of the time.",
            "symmetry of the logit response at a tie",
            2.5,
            "equals",
            1e-9,
            "smoke",
            1,
            "payoff",
        ),
        Claim(
            "quantal",
            "The best that can be announced to that follower is worth 3.1057.",
            "branch and bound, and an independent grid with a Lipschitz bound",
            3.1057001,
            "equals",
            1e-6,
            "smoke",
            1,
            "payoff",
        ),
    ),
    _commitment,
)

ESTIMATION = Reproduction(
    "foundations:estimation",
    "Learning how the follower responds from repeated play",
    "McKelvey and Palfrey (1995), Section 5, with announced commitments",
    (
        Claim(
            "improves",
            "Learning pays: the suboptimality of the plan after 400 announcements, less that of uniform play.",
            "consistency of the maximum likelihood estimate",
            0.0,
            "at most",
            0.0,
            "smoke",
            NUM_SEEDS["smoke"],
            "payoff",
        ),
        Claim(
            "near-optimal",
            "After 2,000 plays the plan loses less than 0.01 of the best value 3.1057.",
            "the loss is of second order in the error of the estimate",
            0.01,
            "at most",
            0.0,
            "smoke",
            NUM_SEEDS["smoke"],
            "payoff",
        ),
        Claim(
            "resumes",
            "A run that is stopped and gone on with has the record of one that is not, bit for bit.",
            "every step is a function of the state, n and the seed",
            1.0,
            "equals",
            0.0,
            "smoke",
            1,
        ),
        Claim(
            "rate",
            "The error of the estimate falls as the root of the number of plays.",
            MLE,
            -0.5,
            "equals",
            0.1,
            "small",
            NUM_SEEDS["small"],
        ),
        Claim(
            "coverage",
            "95 % intervals hold the truth in 95 % of runs.",
            MLE,
            0.95,
            "at least",
            0.023,
            "full",
            NUM_SEEDS["full"],
        ),
    ),
    _estimation,
)
