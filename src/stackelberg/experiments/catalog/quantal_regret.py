"""Learning online against a quantal follower, and what leaders lose who take him for another: quantal:E6, E7, E17."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._learner import advance, start
from ..._loop.stacking import stack
from ..._record import Record
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...play.agent import AbstractAgent, Repeated
from ...play.markov_world import MarkovWorld
from ...play.suboptimality import SOURCES, Reference, Suboptimality
from ...quantal.agents import OptimisticValueIteration
from ...quantal.baselines import ExploreThenCommit, PosteriorSampling
from ...quantal.bonus import Uncertainty
from ...quantal.perturbed_leader import FollowThePerturbedLeader
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import curves, kept, late_slope, mean, regret_curves
from .quantal_pessimism import NUM_LOGS, SIZES, suboptimality


SHAPE = (2, 2, 3, 2)
"""States, leader's actions, follower's actions, stages."""

RATE = 5.0
NUM_GAMES: dict[Budget, int] = {"smoke": 2, "small": 6, "full": 6}
NUM_SEEDS: dict[Budget, int] = {"smoke": 8, "small": 32, "full": 32}
NUM_EPISODES: dict[Budget, int] = {"smoke": 500, "small": 2_000, "full": 20_000}

OURS = "MLE-OVI, g-aware bonus"
THEORY = "regret of order √T for MLE-OVI (Chen, Wang and Yang, 2023, as recalled); ours to decide by measurement"


def leaders(capacity: int) -> Mapping[str, AbstractAgent]:
    """The leaders that are compared, by name; all but the last three differ in settings of one agent."""
    plain = OptimisticValueIteration(capacity)
    bonus = lambda **settings: OptimisticValueIteration(capacity, uncertainty=Uncertainty(**settings))
    return {
        OURS: plain,
        "MLE-OVI, trace bonus": bonus(form="trace"),
        "MLE-OVI, exact support": bonus(scheme="S1"),
        "leader's bonus only": bonus(follower_bonus=0.0),
        "no bonus": bonus(follower_bonus=0.0, leader_bonus=0.0),
        "assumes a best response": OptimisticValueIteration(capacity, assumed="best response"),
        "takes the follower for fixed": OptimisticValueIteration(capacity, assumed="fixed"),
        "explores, then commits": ExploreThenCommit(capacity, max(capacity // 10, 2)),
        "posterior sampling": PosteriorSampling(capacity),
        "follows the perturbed leader": FollowThePerturbedLeader(),
    }


IGNORING = ("takes the follower for fixed",)
"""Leaders that ignore that the answer depends on what they announce."""


def worlds(num_games: int, rate: float = RATE) -> list[MarkovWorld]:
    """Random games with a myopic quantal follower; the leader is paid one of the two ends of its reward's range."""
    human = QuantalResponse(rate, discount=0.0)
    return [MarkovWorld(random_markov_game(*SHAPE, seed=seed), human) for seed in range(num_games)]


def solved(places: list[MarkovWorld], counted_from: Reference = "proven") -> list[Suboptimality]:
    """Games with what is known of their best values: what regret is counted from."""
    return [Suboptimality(place, counted_from) for place in places]


def missed_by_uniform(truth: Suboptimality) -> float:
    """The suboptimality of uniform play."""
    place = truth.world
    assert isinstance(place, MarkovWorld)
    uniform = np.asarray(place.game.uniform_commitment())
    return float(truth.best_value - place.game.leader_value(uniform, place.follower(place.game, uniform)))


def played(
    agent: AbstractAgent, truths: list[Suboptimality], num_episodes: int, num_seeds: int
) -> dict[str, Float[np.ndarray, "n g s"]]:
    """All games and seeds in one compiled call: what was missing in every episode, and where it came from."""
    learners = stack([Repeated(agent, truth.world) for truth in truths], truths)
    run, parts = start(learners, range(num_seeds)), []
    while run.n < num_episodes:
        run, metrics = advance(learners, run, min(1000, num_episodes - run.n), last=num_episodes)
        parts.append({name: metrics[name] for name in ("announced_suboptimality", *SOURCES) if name in metrics})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _regret(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    episodes, seeds, truths = NUM_EPISODES[budget], NUM_SEEDS[budget], solved(worlds(NUM_GAMES[budget]))
    chosen = leaders(episodes)
    if budget == "smoke":
        chosen = {name: chosen[name] for name in (OURS, "takes the follower for fixed")}
    found = {
        name: kept(folder, f"{name} {episodes}x{seeds}", lambda a=agent: played(a, truths, episodes, seeds))
        for name, agent in chosen.items()
    }
    total = {name: np.cumsum(one["announced_suboptimality"], axis=0) for name, one in found.items()}
    by_seed = {name: one.mean(axis=1) for name, one in total.items()}  # over games: (episodes, seeds)
    slope = {name: late_slope(one, "seeds") for name, one in by_seed.items()}
    measured = {"slope": slope[OURS]}
    for name, one in by_seed.items():
        if name not in (OURS, "MLE-OVI, trace bonus", "MLE-OVI, exact support"):
            measured[f"beats: {name}"] = mean(by_seed[OURS][-1] - one[-1], "seeds, paired")
    for name in IGNORING:
        measured[f"slope: {name}"] = slope[name]
    drawn = regret_curves(by_seed, f"Regret on {len(truths)} random games, inverse temperature {RATE:g}")
    return Evidence(measured, {"regret": drawn, "sources": _sources(found)})


def _sources(found: Mapping[str, dict[str, np.ndarray]]) -> Record:
    """Where each leader's regret came from in the last quarter of its run."""
    # Who expects certain answers is infinitely surprised, and its error has no first order.
    names = [name for name, one in found.items() if "bellman" in one and name != "assumes a best response"]
    values = np.stack(
        [[found[name][term][-len(found[name][term]) // 4 :].mean(axis=(0, 1)) for term in SOURCES] for name in names]
    )
    middle, error = values.mean(axis=-1), 1.96 * values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])
    attributes = {
        "names": names,
        "terms": ["Bellman error", "response, first order", "response, second order"],
        "y_label": "promised above the value, an episode (payoff)",
        "title": "Where the leader's promises went wrong, last quarter",
    }
    return Record("grouped bars", {"middle": middle, "low": middle - error, "high": middle + error}, attributes)


RATES: dict[Budget, tuple[float, ...]] = {
    "smoke": (1.0, 5.0),
    "small": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
    "full": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
}


def _rates(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    episodes, seeds = min(NUM_EPISODES[budget], 2_000), NUM_SEEDS[budget]
    totals = []
    for rate in RATES[budget]:
        truths = solved(worlds(NUM_GAMES[budget], rate))
        one = kept(
            folder,
            f"rate {rate:g} {episodes}x{seeds}",
            lambda truths=truths: played(OptimisticValueIteration(episodes), truths, episodes, seeds),
        )
        totals.append(one["announced_suboptimality"].sum(axis=0).mean(axis=0))
    regret = np.stack(totals)
    drawn = curves(
        np.array(RATES[budget]),
        {OURS: regret},
        x_label="inverse temperature (1/payoff)",
        y_label=f"leader's regret after {episodes:,} episodes (payoff)",
        title="Regret across the follower's rationality",
    )
    most = float(episodes)
    return Evidence({"sublinear": mean(regret.max(axis=0) / most, "seeds")}, {"regret": drawn})


def _price(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    """MLE-OVI online and MLE-PVI from logs, the follower known (the leader has his features) or learned."""
    del on_progress
    episodes, places = min(NUM_EPISODES[budget], 2_000), worlds(NUM_GAMES[budget])
    seeds = 128 if budget == "full" else NUM_SEEDS[budget]
    agent = OptimisticValueIteration(episodes)
    # With the reward itself as the one feature, a single weight is left to learn: the follower is as good as known.
    truths, told = solved(places), solved([_told(place) for place in places])
    found = {
        "learned": kept(folder, f"learned {episodes}x{seeds}", lambda: played(agent, truths, episodes, seeds)),
        "known": kept(folder, f"known {episodes}x{seeds}", lambda: played(agent, told, episodes, seeds)),
    }
    total = {name: np.cumsum(one["announced_suboptimality"], axis=0).mean(axis=1) for name, one in found.items()}
    drawn = regret_curves(total, "The price of learning the follower", guides=(0.5,))
    price = total["learned"][-1] - total["known"][-1]
    measured = {"price": mean(price, "seeds, paired"), "an episode": mean(price / episodes, "seeds, paired")}
    if budget == "smoke":
        return Evidence(measured, {"regret": drawn})
    logs = NUM_LOGS[budget]
    offline = {
        name: kept(folder, f"logs {name} {logs}", lambda p=each: {"missed": _from_logs(p, logs)})["missed"]
        for name, each in (("learned", places), ("known", [_told(place) for place in places]))
    }
    for size, learned, known in zip(SIZES, offline["learned"], offline["known"], strict=True):
        measured[f"logs of {size}"] = mean(learned - known, "logs, paired")
    missed = curves(
        np.array(SIZES, float),
        {f"follower {name}": np.maximum(values, 1e-7) for name, values in offline.items()},
        guides=(-0.5, -1.0),
        x_label="episodes in the log",
        y_label="leader's suboptimality (payoff)",
        title="MLE-PVI: the price of learning the follower from a log",
    )
    return Evidence(measured, {"regret": drawn, "logs": missed})


def _from_logs(places: list[MarkovWorld], num_logs: int) -> Float[np.ndarray, "k n"]:
    return suboptimality(places, "uniform", SIZES, num_logs, "pessimistic, g-aware")


def _told(place: MarkovWorld) -> MarkovWorld:
    reward = np.asarray(place.game.follower_reward)[..., None]
    return MarkovWorld(place.game, place.follower, follower_features=reward)


DOES: Mapping[str, str] = {
    "leader's bonus only": "doubts its own values only",
    "no bonus": "takes its estimates as true",
    "posterior sampling": "plans for a draw of the posterior",
}
"""What a leader does whose name is not a verb."""


def _beats(name: str, budget: Budget) -> Claim:
    return Claim(
        f"beats: {name}",
        f"The g-aware leader's regret less that of the one that {DOES.get(name, name)}.",
        "measured, paired over seeds",
        0.0,
        "at most",
        0.0,
        budget,
        32,
        "payoff",
    )


REGRET = Reproduction(
    "quantal:E6",
    "Regret of MLE-OVI and of leaders that know less",
    THEORY,
    (
        Claim(
            "slope",
            "The log-log slope of the g-aware leader's regret over the last three quarters.",
            THEORY,
            0.55,
            "at most",
            0.0,
            "full",
            32,
        ),
        _beats("takes the follower for fixed", "smoke"),
        *(
            _beats(name, "small")
            for name in (
                "leader's bonus only",
                "no bonus",
                "assumes a best response",
                "explores, then commits",
                "posterior sampling",
                "follows the perturbed leader",
            )
        ),
        Claim(
            "slope: takes the follower for fixed",
            "The slope of a leader that ignores that the answer depends on its announcement.",
            "a constant loss in every episode",
            0.9,
            "at least",
            0.0,
            "small",
            32,
        ),
    ),
    _regret,
)

ACROSS_RATES = Reproduction(
    "quantal:E7",
    "Regret across the follower's rationality",
    "measured",
    (
        Claim(
            "sublinear",
            "The largest mean loss an episode, over inverse temperatures, is below a tenth of a payoff.",
            "measured",
            0.1,
            "at most",
            0.0,
            "smoke",
            8,
            "payoff",
        ),
    ),
    _rates,
)

PRICE = Reproduction(
    "quantal:E17",
    "The price of learning the follower",
    "measured",
    (
        Claim(
            "an episode",
            "What not knowing the follower costs, an episode, is below a twentieth of a payoff.",
            "measured",
            0.05,
            "at most",
            0.0,
            "smoke",
            8,
            "payoff",
        ),
        Claim(
            "price",
            "Regret with the follower learned less that with the follower known.",
            "more is unknown",
            0.0,
            "at least",
            0.0,
            "full",
            128,
            "payoff",
        ),
        Claim(
            "logs of 50",
            "What MLE-PVI misses from logs of 50 episodes with the follower learned less known.",
            "more is unknown",
            0.0,
            "at least",
            0.0,
            "small",
            384,
            "payoff",
        ),
    ),
    _price,
)

ENTRIES = (REGRET, ACROSS_RATES, PRICE)
