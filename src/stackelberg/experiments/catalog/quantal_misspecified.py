"""Followers that are no quantal response, or that change: what is lost for ever, and what doubt or forgetting helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim, Relation
from ..._record import Estimate, Record
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .changing_floors import CHANGES, DRIFTING, FORGETS, KEEPS, REMEMBERING, STILL, changing_floors, forgetful
from .measuring import kept, mean
from .misspecified_floors import (
    ABSORBED,
    ANSWERS,
    CONTAMINATION,
    NUM_GAMES,
    PLAIN,
    RATES,
    TRUTHS,
    leaders,
    limit_floors,
    online_floors,
)


NUM_SEEDS: dict[Budget, int] = {"small": 8, "full": 32}
NUM_EPISODES: dict[Budget, int] = {"small": 2_000, "full": 20_000}
SMOKE = (*ABSORBED, "trembling, 0.2", "two inverse temperatures")

AFFINE = "derived: logits that are affine in the announcement are those of some reward"
LIMIT = "the limit of a wide log, counts being their expectations; no theorem"
SIMULATED = "simulation; no theorem"


def _misspecified(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    chosen = SMOKE if budget == "smoke" else tuple(TRUTHS)
    limits = {name: limit_floors(TRUTHS[name])[0] for name in chosen}
    measured = {f"limit: {name}, {answer}": _games(limits[name][answer]) for name in chosen for answer in ANSWERS}
    for name in ABSORBED:
        largest = float(np.max(limits[name][PLAIN]))
        measured[f"absorbed: {name}"] = Estimate.exact(largest, f"largest of {NUM_GAMES} games, no sampling")
    tremble, mixed = limits["trembling, 0.2"], limits["two inverse temperatures"]
    measured["trembling costs"] = _games(tremble[PLAIN] - limits["quantal"][PLAIN])
    measured["contamination cures"] = _games(tremble[CONTAMINATION])
    measured["mixed rates help"] = _games(mixed[RATES] - mixed[PLAIN])
    rows = lambda kind, names: {name: [measured[f"{kind}: {name}, {a}"] for a in ANSWERS] for name in names}
    records = {"limit": _bars("Lost after a wide log without end", rows("limit", chosen))}
    if budget != "smoke":
        played = _played(budget, folder)
        measured |= {f"floor: {name}, {a}": mean(played[name][a], "seeds") for name in TRUTHS for a in ANSWERS}
        title = f"Lost online, last quarter of {NUM_EPISODES[budget]:,} episodes"
        records["online"] = _bars(title, rows("floor", TRUTHS))
        changing = _changing(budget, folder)
        measured |= {
            f"change: {name}, {a}": mean(one, "seeds") for name, row in changing.items() for a, one in row.items()
        }
        for name, row in changing.items():
            measured[f"forgetting: {name}"] = mean(row[FORGETS] - row[KEEPS], "seeds, paired")
        bars = {name: [measured[f"change: {name}, {a}"] for a in (KEEPS, FORGETS)] for name in CHANGES}
        records["changing"] = _bars(f"{title}, followers that change", bars, (KEEPS, FORGETS))
    return Evidence(measured, records)


def _games(values: Float[np.ndarray, "g"]) -> Estimate:
    """The mean over the games that the experiment has: exact, since they are all of them."""
    return Estimate.exact(float(np.mean(values)), f"mean of the {len(values)} games, no sampling")


def _played(budget: Budget, folder: Path) -> dict[str, dict[str, Float[np.ndarray, "s"]]]:
    """The floors of every follower and leader, mean over games; each is kept, and taken from there the next time."""
    episodes, seeds = NUM_EPISODES[budget], NUM_SEEDS[budget]
    found: dict[str, dict[str, Float[np.ndarray, "s"]]] = {}
    for name, truth in TRUTHS.items():
        found[name] = {}
        for answer, agent in leaders(episodes).items():
            word = f"{name} {answer} {episodes} {seeds}".replace(",", "").replace(" ", "-")
            place = folder / f"{word}.npy"
            if not place.exists():
                np.save(place, online_floors(agent, truth, episodes, seeds), allow_pickle=False)
            found[name][answer] = np.load(place, allow_pickle=False).mean(axis=0)
    return found


def _changing(budget: Budget, folder: Path) -> dict[str, dict[str, Float[np.ndarray, "s"]]]:
    """The same against followers that change, for a leader who keeps all answers and one who forgets."""
    episodes, seeds = NUM_EPISODES[budget], NUM_SEEDS[budget]
    found: dict[str, dict[str, Float[np.ndarray, "s"]]] = {}
    for change in CHANGES:
        found[change] = {}
        for answer, agent in forgetful(episodes).items():
            make = lambda agent=agent, change=change: {"floors": changing_floors(agent, change, episodes, seeds)}
            played = kept(folder, f"{change} {answer} {episodes}x{seeds}", make)
            found[change][answer] = played["floors"].mean(axis=0)
    return found


def _bars(title: str, values: dict[str, list[Estimate]], answers: tuple[str, ...] = ANSWERS) -> Record:
    """Bars with intervals for each follower and leader."""
    table = np.array([[[one.value, one.low, one.high] for one in row] for row in values.values()], float)
    attributes = {
        "names": list(values),
        "terms": list(answers),
        "y_label": "suboptimality of an episode (payoff)",
        "title": title,
    }
    return Record(
        "grouped bars", dict(zip(("middle", "low", "high"), np.moveaxis(table, -1, 0), strict=True)), attributes
    )


def _claim(
    name: str, statement: str, source: str, expected: float, relation: Relation, budget: Budget, n: int
) -> Claim:
    return Claim(name, statement, source, expected, relation, 0.0, budget, n, "payoff")


def _small(name: str, statement: str, expected: float, relation: Relation) -> Claim:
    return _claim(name, statement, SIMULATED, expected, relation, "small", NUM_SEEDS["small"])


MISSPECIFIED = Reproduction(
    "quantal:E13",
    "Followers that are no quantal response: what is lost for ever, and what doubting helps",
    "an experiment of this project",
    (
        *(
            _claim(f"absorbed: {name}", f"Nothing is lost: {name}.", AFFINE, 1e-4, "at most", "smoke", NUM_GAMES)
            for name in ABSORBED
        ),
        _claim(
            "trembling costs",
            "Against a follower that trembles with probability 0.2 the plug-in plan loses more than against one that "
            "does not.",
            LIMIT,
            1e-4,
            "at least",
            "smoke",
            NUM_GAMES,
        ),
        _claim(
            "contamination cures",
            "The plan that allows for trembling loses nothing there.",
            "the model holds the follower",
            1e-5,
            "at most",
            "smoke",
            NUM_GAMES,
        ),
        _claim(
            "mixed rates help",
            "Against a follower of two inverse temperatures, mixed rates lose less than the plug-in plan.",
            LIMIT,
            0.0,
            "at most",
            "smoke",
            NUM_GAMES,
        ),
        *(
            _claim(
                f"floor: {name}, {answer}",
                f"Online the leader ({answer}) comes within 0.05 of the best against this follower: {name}.",
                SIMULATED,
                0.05,
                "at most",
                "small",
                NUM_SEEDS["small"],
            )
            for name in TRUTHS
            for answer in ANSWERS
        ),
        _small(
            f"forgetting: {DRIFTING}",
            "While the follower's reward drifts to another one, a leader who forgets loses less than one who does not.",
            0.0,
            "at most",
        ),
        _small(
            f"forgetting: {STILL}",
            "Where nothing changes, a leader who forgets loses more than one who does not.",
            0.0,
            "at least",
        ),
        _small(
            f"change: {DRIFTING}, {FORGETS}",
            "The leader who forgets comes within 0.05 of the best while the follower drifts.",
            0.05,
            "at most",
        ),
        _small(
            f"change: {REMEMBERING}, {KEEPS}",
            "Against a follower who answers to a running average of announcements (weight 0.9 on the past) the leader "
            "comes within 0.05 of the best announcement to hold for ever.",
            0.05,
            "at most",
        ),
    ),
    _misspecified,
)

ENTRIES = (MISSPECIFIED,)
