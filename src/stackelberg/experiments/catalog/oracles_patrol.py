"""A patrol with 65,536 leaders, contextual followers against an inner loop in steps of the game: oracles:patrol."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._learner import advance, start
from ..._loop.stacking import stack
from ..._record import Estimate
from ..._types import AnyArray
from ...deep.policy_gradient import LeaderReinforce
from ...deep.truth import BestResponseTruth
from ...followers.asking_all import ExactOracle
from ...followers.contextual_network import answered, context_features
from ...followers.contextual_ppo import ContextualPPO
from ...followers.counting import counted_game
from ...followers.inner_q_learning import InnerQLearning
from ...followers.stackelberg_pomdp import StackelbergPOMDP
from ...games.domains.crossing import CrossingGame
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import kept, plain_curves


GAME = CrossingGame()

LOOKS: dict[Budget, tuple[int, ...]] = {
    "smoke": (),
    "small": (400, 800, 1600, 3200),
    "full": (400, 800, 1600, 3200, 6400),
}
"""Steps of learning, of 3,840 of the game, after which the network is looked at."""

COUNTED = (5_000, 10_000, 20_000, 40_000, 80_000)
"""Steps of the game that are counted."""

INNER_STEPS = 30.0
"""Millions of steps of the game that inner loops take."""

NUM_SEEDS: dict[Budget, int] = {"smoke": 0, "small": 4, "full": 16}
NUM_TRIALS: dict[Budget, int] = {"smoke": 0, "small": 8, "full": 16}
"""Settings that are tried for the network and for the inner loop, each with a seed of its own."""

TUNING_SEED = 100
CHOICES: dict[str, dict[str, list[Any]]] = {
    "network": {
        "learning_rate": [3e-4, 1e-3, 3e-3],
        "entropy": [0.003, 0.01, 0.03],
        "width": [64, 128],
        "num_epochs": [4, 8],
    },
    "inner loop": {
        "num_trials": [25, 50, 100, 200],
        "learning_rate": [0.1, 0.3, 0.6],
        "exploration": [0.1, 0.2, 0.4],
        "num_episodes": [16, 32],
    },
}
TITLES = {
    "planning": "The leader that a follower who plans in what it counted makes look best",
    "network": "The leader that a contextual network makes look best",
    "inner loop": "Followers who learn from scratch in every episode",
}

BATCH = 512
ENOUGH = 0.95
"""Of the best value."""


def leaders() -> Float[np.ndarray, "k o a"]:
    """All deterministic ones; observation i is digit i of the number, the lowest first."""
    number = np.arange(2**16)
    return np.eye(2, dtype=np.float32)[number[:, None] >> np.arange(16) & 1]


@jax.jit
def _against_best(commitment: Float[AnyArray, "o a"]) -> Float[AnyArray, "2"]:
    return GAME.values(commitment, GAME.induce(commitment).best_response("leader"))


def enumerated() -> dict[str, np.ndarray]:
    """What leader and follower get under each of the leaders, ties to the leader."""
    return {"values": np.asarray(jax.lax.map(_against_best, jnp.asarray(leaders()), batch_size=BATCH))}


def _patrol(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    values = kept(folder, "all leaders", enumerated)["values"]
    best, share = float(values[:, 0].max()), float((values[:, 0] >= ENOUGH * values[:, 0].max()).mean())
    how = f"all {len(values):,} deterministic leaders, each answered exactly"
    measured = {"best": Estimate.exact(best, how), "share near the best": Estimate.exact(share, how)}
    seeds = range(NUM_SEEDS[budget])
    if not seeds:
        return Evidence(measured, {})
    ways = {"network": functools.partial(_network, LOOKS[budget]), "inner loop": _inner_loop}
    found = {"planning": kept(folder, f"planning {len(seeds)}", lambda: _planning(seeds, values))}
    for name, learned in ways.items():
        tried = lambda setting, learned=learned: learned(setting, (TUNING_SEED,), values)
        best_setting = _tuned(folder, name, NUM_TRIALS[budget], tried)
        final = lambda learned=learned, setting=best_setting: learned(setting, seeds, values)
        found[name] = kept(folder, f"{name} {len(seeds)}", final)
    first = {name: _first(one, best) for name, one in found.items()}
    for name, steps in first.items():
        count = int(np.isfinite(steps).sum())
        measured[f"{name}: steps to 95%"] = Estimate.exact(
            float(np.median(steps)), f"median of {len(seeds)} seeds, of whom {count} got there; millions"
        )
    for name in ("planning", "network"):
        of_seeds = measured[f"{name}: steps to 95%"].value
        ratio = measured["inner loop: steps to 95%"].value / of_seeds if np.isfinite(of_seeds) else 0.0
        measured[f"ratio of steps, {name}"] = Estimate.exact(
            ratio, f"inner loop over {name}, medians; 0 where it never got there"
        )
    for name in ("planning", "network"):
        regret = found[name]["regret"][-1]
        measured[f"{name}: regret"] = Estimate.exact(float(regret.mean()), "of the last followers, over all leaders")
    curves = {
        name: plain_curves(
            one["steps"],
            {"promised": one["promised"], "true": one["true"], "best of all leaders": np.full(one["true"].shape, best)},
            x_label="steps of the game (millions)",
            y_label="leader's value (payoff)",
            title=TITLES[name],
        )
        for name, one in found.items()
    }
    return Evidence(measured, curves)


def _first(found: dict[str, np.ndarray], best: float) -> Float[np.ndarray, "seeds"]:
    """Millions of steps after which the leader first has enough of the best value; infinite where it never has."""
    return np.where(found["true"] >= ENOUGH * best, found["steps"][:, None], np.inf).min(axis=0)


def _tuned(
    folder: Path, name: str, num_trials: int, tried: Callable[[dict[str, Any]], dict[str, np.ndarray]]
) -> dict[str, Any]:
    """The best of some settings drawn at random: whoever has enough first, and then whoever ends highest."""
    rng = np.random.default_rng(0)
    settings = [{key: rng.choice(options) for key, options in CHOICES[name].items()} for _ in range(num_trials)]
    settings = [{key: value.item() for key, value in one.items()} for one in settings]
    results = [kept(folder, f"{name} trial {n}", lambda one=one: tried(one)) for n, one in enumerate(settings)]
    most = max(float(one["true"].max()) for one in results)
    worth = [(-float(_first(one, most)[0]), float(one["true"][-1, 0])) for one in results]
    return settings[max(range(num_trials), key=lambda n: worth[n])]


def _favourite(all_values: list[np.ndarray], num_seeds: int, values: Float[np.ndarray, "k 2"]) -> dict[str, np.ndarray]:
    """By look and seed: what the leader that followers make look best is promised and worth, and their regrets.

    All leaders are gone through, so that no search of the leader's stands between: fewer steps cannot be needed.
    """
    seen = np.stack(all_values).reshape(-1, num_seeds, *values.shape)
    return {
        "promised": seen[..., 0].max(axis=-1),
        "true": values[seen[..., 0].argmax(axis=-1), 0],
        "regret": (values[:, 1] - seen[..., 1]).mean(axis=-1),
    }


def _planning(seeds: Iterable[int], values: Float[np.ndarray, "k 2"]) -> dict[str, np.ndarray]:
    """A contextual follower that plans, for the leader's answers, in what it counted. It has no setting."""
    every, seeds = jnp.asarray(leaders()), list(seeds)

    @eqx.filter_jit
    def all_values(oracle):
        one = lambda table: GAME.values(table, oracle.environment.induce(table).best_response("leader"))
        return jax.lax.map(one, every, batch_size=BATCH)

    found = [
        np.asarray(all_values(ExactOracle(counted_game(GAME, count, seed)))) for count in COUNTED for seed in seeds
    ]
    return {"steps": np.array(COUNTED) / 1e6, **_favourite(found, len(seeds), values)}


def _network(
    looks: tuple[int, ...], setting: dict[str, Any], seeds: Iterable[int], values: Float[np.ndarray, "k 2"]
) -> dict[str, np.ndarray]:
    """A contextual network that learns from play with random leaders."""
    seeds = list(seeds)
    learners = stack([ContextualPPO(GAME, 64, GAME.num_steps, num_steps=looks[-1], **setting)])
    every = jnp.asarray(leaders())

    @eqx.filter_jit
    def all_values(policy):
        one = lambda table: GAME.values(table, answered(policy, context_features(table), 256, True))
        return jax.lax.map(one, every, batch_size=BATCH)

    run, found = start(learners, seeds), []
    for before, now in itertools.pairwise((0, *looks)):
        run, _ = advance(learners, run, now - before, monitor_every=looks[-1])
        for number in range(len(seeds)):
            (policy,) = jax.tree.map(lambda leaf, number=number: leaf[0, number], run.state.policies)
            found.append(np.asarray(all_values(policy)))
    steps = np.array(looks) * GAME.num_steps * 64 / 1e6
    return {"steps": steps, **_favourite(found, len(seeds), values)}


def _inner_loop(
    setting: dict[str, Any], seeds: Iterable[int], values: Float[np.ndarray, "k 2"]
) -> dict[str, np.ndarray]:
    """Values by line of the log and seed, and millions of steps so far: followers who learn from scratch."""
    own = {name: setting[name] for name in ("learning_rate", "exploration")}
    oracle = InnerQLearning(GAME, setting["num_trials"], initial_worth=0.5, **own)
    process = StackelbergPOMDP(oracle, 4, fixes_answers=True)
    leader = LeaderReinforce(process, num_episodes=setting["num_episodes"], entropy=0.2, entropy_steps=150)
    learners = stack([leader], [BestResponseTruth(process, float(values[:, 0].max()))])
    each = leader.num_episodes * process.num_steps / 1e6
    count = 4 * round(INNER_STEPS / each / 4)
    _, metrics = advance(learners, start(learners, list(seeds)), count, monitor_every=4, last=count)
    lines = np.flatnonzero(np.isfinite(metrics["leader_value"][:, 0, 0]))
    true, promised = (metrics[name][lines, 0] for name in ("leader_value", "oracle_value"))
    return {"steps": (lines + 1) * each, "true": true, "promised": promised}


_SOURCE = "by enumeration, ours"

PATROL = Reproduction(
    "oracles:patrol",
    "Beyond a table of leaders: contextual followers against an inner loop, in steps of the game",
    "Gerstgrasser and Parkes (2023), section 4, for the contextual follower; the game and its values, ours",
    (
        Claim("best", "Value of the best deterministic leader.", _SOURCE, 0.5351, "equals", 1e-4, "smoke", 65_536),
        Claim(
            "share near the best",
            "Leaders worth at least 95 % of that.",
            _SOURCE,
            0.02,
            "at most",
            0.0,
            "smoke",
            65_536,
            "share",
        ),
        Claim(
            "planning: steps to 95%",
            "Millions of steps that a contextual follower counts before it plans so that the leader has 95 %, median.",
            "ours",
            0.05,
            "at most",
            0.0,
            "small",
            4,
            "million steps",
        ),
        Claim(
            "ratio of steps, planning",
            "Steps of a tuned inner loop over those, medians.",
            "ours",
            10.0,
            "at least",
            0.0,
            "small",
            4,
        ),
        Claim(
            "inner loop: steps to 95%",
            "Millions of steps after which an inner loop first has 95 % of it, median.",
            "ours",
            15.0,
            "at most",
            0.0,
            "small",
            4,
            "million steps",
        ),
        Claim(
            "ratio of steps, network",
            "Steps of the inner loop over those of the contextual network; 10 was to be reached, and is not.",
            "ours, measured",
            10.0,
            "at most",
            0.0,
            "small",
            4,
        ),
    ),
    _patrol,
)

ENTRIES = (PATROL,)
