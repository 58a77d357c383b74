"""The work of `next`: an agent is told all of a log, and asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _boundary as boundary, _codec as codec
from .._errors import InputError
from .._runs import Metric
from ..experiments.spec import ONE_SHOT_AGENTS as AGENTS
from ..games.choices import commitment_names, follower_names
from ..games.choices_files import read_growing
from ..games.normal_form import NormalFormGame
from ..play.ask_tell import Advisor, episodes
from ..play.world import Episode, rules_of
from ..report.tables import Table
from .inputs import load_game


def asked(
    log: str, game_word: str, agent_word: str, changes: Mapping[str, Any], seed: int
) -> tuple[dict[str, Any], str]:
    """What to announce next, with what the agent believes, and a remark about the log."""
    game = load_game(game_word)
    if not isinstance(game, NormalFormGame):
        raise InputError(
            boundary.INCONSISTENT,
            "--game",
            found=f"it is a {type(game).__name__}",
            allowed="agents that are asked and told play games in normal form",
            remedy="Write the game as two payoff matrices.",
        )
    kind = boundary.one_of("--agent", agent_word, AGENTS)
    agent = codec.decode({"kind": kind} | dict(changes), AGENTS, "--set")
    advisor = Advisor(agent, rules_of(game), seed)
    choices, note = read_growing(log, game)
    believed: dict[str, float] = {}
    plays = 0.0
    if choices is not None:
        for commitment, counts in episodes(choices, len(follower_names(game))):
            expected = float(commitment @ np.asarray(game.leader_payoff) @ counts)
            believed = advisor.take(Episode(commitment, counts, np.asarray(expected)))
            plays += float(counts.sum())
    names = commitment_names(game)
    announced, recommended = advisor.announce(), advisor.recommend()
    meanings = agent.meanings
    return {
        "announcement": advisor.num_observed + 1,
        "commitment": dict(zip(names, announced.tolist(), strict=True)),
        "recommended": dict(zip(names, recommended.tolist(), strict=True)),
        "num_plays": plays,
        "beliefs": described(believed, meanings),
        "agent": codec.encode(agent, AGENTS),
        "seed": seed,
    }, note


def described(believed: Mapping[str, float], meanings: Mapping[str, Metric]) -> dict[str, Any]:
    """What an agent believes, each number with its label and unit."""
    return {
        name: {"value": value, "label": meanings[name].label, "unit": meanings[name].unit}
        if name in meanings
        else {"value": value, "label": name.replace("_", " "), "unit": ""}
        for name, value in believed.items()
    }


def table(answer: Mapping[str, Any]) -> Table:
    """The next commitment beside the one that would be best by now, and what is believed."""
    rows = [
        (name, f"{share:.4f}", f"{answer['recommended'][name]:.4f}") for name, share in answer["commitment"].items()
    ]
    beliefs = ", ".join(
        f"{entry['label']} {entry['value']:.4g}{' ' + entry['unit'] if entry['unit'] else ''}"
        for entry in answer["beliefs"].values()
    )
    seen = f"after {answer['num_plays']:g} plays" + (f": {beliefs}" if beliefs else "")
    return Table(
        ("action", "announce next", "best by now"),
        rows,
        title=f"Announcement {answer['announcement']}, {seen}",
        right=frozenset({"announce next", "best by now"}),
    )
