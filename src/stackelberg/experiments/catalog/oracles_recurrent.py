"""Followers who get to know the leader in a few plays and remember: oracles:recurrent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..._claims import Budget, Claim
from ..._learner import advance, start
from ..._record import Estimate
from ...followers.recurrent import RecurrentFollower
from ...followers.recurrent_training import RecurrentTraining
from ...games.domains.iterated_matrix import IteratedMatrixGame
from ...games.domains.ordinal import iterated_matrix_game
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import grouped_bars, kept, mean


MEETINGS = 16
"""Acquaintances with each leader by which a follower is judged."""

NUM_SEEDS: dict[Budget, int] = {"smoke": 2, "small": 8, "full": 16}
NUM_STEPS: dict[Budget, int] = {"smoke": 0, "small": 1_500, "full": 4_000}

GAMES = {"dilemma": "prisoners_dilemma", "chicken": "chicken"}
SETTINGS = {"num_copies": 64, "num_epochs": 8, "entropy": 0.03, "exploration": 1.0, "width": 64, "learning_rate": 2e-3}


def _pennies() -> IteratedMatrixGame:
    """One play, two leaders, each of whom has another best answer."""
    return IteratedMatrixGame([[0.0, 0.0], [0.0, 0.0]], [[1.0, -1.0], [-1.0, 1.0]], num_steps=1, depth=0)


def _met(game: IteratedMatrixGame, num_steps: int, num_seeds: int, settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """What the follower gets and misses, `(seeds, leaders, meetings)`, and the best that one answer to all could do."""
    training = RecurrentTraining(game, num_steps=num_steps, **settings)
    run, _ = advance(training, start(training, range(num_seeds)), num_steps)
    leaders, answers = (jnp.asarray(game.policies(seat), jnp.float32) for seat in (0, 1))

    @eqx.filter_jit
    def values(networks):
        follower = RecurrentFollower(game, networks, training.num_trials, training.width, training.exploration)

        def one(leader, key):
            act = lambda seen, _: jnp.argmax(leader[seen]).astype(jnp.int32)
            state, _ = follower.asked(act, follower.init(key), jr.fold_in(key, 1))
            return game.values(leader, follower.response(state)[0])[1]

        each = jax.vmap(one, (None, 0))
        return jax.lax.map(lambda leader: each(leader, jr.split(jr.key(7), MEETINGS)), leaders)

    every = jax.vmap(lambda leader: game.values_of_all(leader, answers)[1])(leaders)
    best = np.asarray(every.max(axis=1))
    own = [
        np.asarray(values(jax.tree.map(lambda leaf, seed=seed: leaf[0, seed], run.state.follower)))
        for seed in range(num_seeds)
    ]
    jax.clear_caches()
    return {"missed": best[:, None] - np.stack(own), "blind": np.asarray(best.mean() - every.mean(axis=0).max())}


def _recurrent(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds, steps = NUM_SEEDS[budget], NUM_STEPS[budget]
    quick = {"num_trials": 2, "width": 8, "num_copies": 64, "learning_rate": 1e-2}
    pennies = kept(folder, f"pennies {seeds}", lambda: _met(_pennies(), 200, seeds, quick))
    measured = {"pennies": Estimate.exact(float((pennies["missed"] < 1e-4).mean()), f"{seeds} seeds, two leaders")}
    bars = []
    for word, name in GAMES.items() if steps else ():
        found = {
            way: kept(
                folder,
                f"{word} {way} {steps}x{seeds}",
                lambda n=name, w=weight: _met(iterated_matrix_game(n), steps, seeds, {**SETTINGS, "guess_weight": w}),
            )
            for way, weight in (("guessing", 1.0), ("by pay alone", 0.0))
        }
        for way, one in found.items():
            measured[f"{word}: missed, {way}"] = mean(one["missed"].mean(axis=(1, 2)), "seeds", (0.0, np.inf))
            exact = (one["missed"] < 1e-4).mean(axis=(1, 2))
            measured[f"{word}: exact, {way}"] = mean(exact, "seeds", (0.0, 1.0))
        blind = float(found["guessing"]["blind"])
        measured[f"{word}: blind"] = Estimate.exact(blind, "the best single answer to all 32 leaders")
        own = found["guessing"]["missed"].mean(axis=(1, 2))
        measured[f"{word}: over a single answer"] = mean(blind - own, "seeds")
        less = (found["by pay alone"]["missed"] - found["guessing"]["missed"]).mean(axis=(1, 2))
        measured[f"{word}: gained by guessing"] = mean(less, "seeds, pairs")
        ways = (f"{word}: blind", f"{word}: missed, by pay alone", f"{word}: missed, guessing")
        bars.append([measured[way] for way in ways])
    if not bars:
        return Evidence(measured)
    picture = grouped_bars(
        bars,
        names=list(GAMES),
        terms=["best single answer", "remembers what paid", "guesses who the leader is too"],
        y_label="missed to the best response (payoff of ten rounds)",
        title=f"Followers who get to know 32 leaders in three games, {seeds} seeds",
    )
    return Evidence(measured, {"missed": picture})


_SOURCE = "ours to measure"

RECURRENT = Reproduction(
    "oracles:recurrent",
    "A follower that finds out who the leader is, and remembers",
    "Gerstgrasser and Parkes (2023), section 4; the games, ours",
    (
        Claim("pennies", "Two leaders are told apart in two plays: meetings answered exactly.", _SOURCE, 1.0, "equals",
              0.0, "smoke", 2, "share"),
        *(
            Claim(f"{word}: over a single answer", f"{word.capitalize()}: what it gets beyond the best single answer "
                  "to all leaders.", _SOURCE, 0.0, "at least", 0.0, "small", 8, "payoff")
            for word in GAMES
        ),
        *(
            Claim(f"{word}: gained by guessing", f"{word.capitalize()}: guessing who the leader is helps.", _SOURCE,
                  0.0, "at least", 0.0, "small", 8, "payoff")
            for word in GAMES
        ),
    ),
    _recurrent,
)  # fmt: skip

ENTRIES = (RECURRENT,)
