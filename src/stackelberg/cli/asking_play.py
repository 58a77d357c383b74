"""The work of `next` on a log of play over stages: an agent is told all of it, and asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from .. import _boundary as boundary, _codec as codec
from .._errors import InputError
from ..experiments.spec import STAGE_AGENTS, TABLE
from ..play.ask_tell import Advisor
from ..play.play_log import read_play
from ..report.tables import Table
from .asking import described


USUAL = "pessimistic-value-iteration"

MOST_ROWS = 60
"""Of a table for people; all of it is in the JSON."""


def asked(log: str, agent_word: str, changes: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The policy to announce next, with what the agent believes.

    Unless they are set, the agent has room for the log and one episode more, and every episode of the log counts as an
    announcement of its own.
    """
    kind = boundary.one_of("--agent", agent_word, STAGE_AGENTS)
    played = read_play(log)
    room = played.num_episodes + 1
    usual = {"capacity": room, "refit_every": room}
    fields = {name: value for name, value in usual.items() if name in codec.arguments(STAGE_AGENTS[kind])}
    agent = codec.decode({"kind": kind} | fields | dict(changes), TABLE, "--set")
    advisor = Advisor(agent, played.rules, seed)
    believed: dict[str, float] = {}
    for place in range(played.num_episodes):
        believed = advisor.take(jax.tree.map(lambda part, place=place: np.asarray(part)[place], played.episodes))
    if not all(map(math.isfinite, believed.values())):
        raise InputError(
            boundary.INCONSISTENT,
            "--set",
            found="episodes that the agent counts as one announcement had different ones",
            allowed="every episode of a log may have an announcement of its own",
            remedy="Leave capacity and refit_every away.",
        )
    return {
        "announcement": advisor.num_observed + 1,
        "commitment": advisor.announce().tolist(),
        "recommended": advisor.recommend().tolist(),
        "num_plays": float(played.num_episodes),
        "beliefs": described(believed, agent.meanings),
        "agent": codec.encode(agent, TABLE),
        "seed": seed,
    }


def table(answer: Mapping[str, Any], log: str) -> Table:
    """The recommended policy, a row for each stage and state (and follower's action, of a prescription)."""
    rules = read_play(log).rules
    policy = np.asarray(answer["recommended"])
    names = [rules.states, rules.follower_actions] if policy.ndim == 4 else [rules.states]
    rows = [
        (str(place[0] + 1), *(words[k] for words, k in zip(names, place[1:], strict=True)), *_shares(policy[place]))
        for place in np.ndindex(*policy.shape[:-1])
    ]
    heading = ("stage", "state", "if the follower", *rules.leader_actions)
    kept = heading if policy.ndim == 4 else (*heading[:2], *heading[3:])
    left = len(rows) - MOST_ROWS
    return Table(
        kept,
        rows[:MOST_ROWS],
        title=f"Policy after {answer['num_plays']:g} episodes" + (f" ({left} rows more in --json)" if left > 0 else ""),
        right=frozenset(rules.leader_actions),
    )


def _shares(mixture: np.ndarray) -> list[str]:
    return [f"{share:.4f}" for share in mixture]
