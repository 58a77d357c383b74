"""What the verbs of `stackelberg process` answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._record import Solution
from ..games.decision_process import DecisionProcess
from ..games.domains.small_processes import decision_process
from ..games.model_game import ModelAsLeader, PolicyAsLeader
from ..games.process_files import process_to_json, read_process
from ..model_based.where_wrong import where_wrong
from ..report.tables import Table
from ..solvers.solve import solve
from ..solvers.world_model.zero_loss import ZeroLossEquilibria, zero_loss_equilibria
from . import early, pictures


MOST_SHOWN = 20
"""Rows of a table for people."""


def loaded(word: str) -> DecisionProcess:
    """The process in the file `word`, or the one of that name."""
    if early.is_file(word):
        return read_process(word)
    return decision_process(word)


def shown(process: DecisionProcess) -> dict[str, Any]:
    """The process as its own file holds it."""
    return {"process": process_to_json(process)}


def as_text(process: DecisionProcess) -> str:
    """Every step that can happen, with its probability and what it pays."""
    law, paid = np.asarray(process.transition), np.asarray(process.reward)
    live = ~np.asarray(process.is_terminal)
    steps = [(s, a, t) for s, a, t in np.argwhere(law > 0.0) if live[s]]
    rows = [
        (process.states[s], process.actions[a], process.states[t], f"{law[s, a, t]:.6g}", f"{paid[s, a, t]:.6g}")
        for s, a, t in steps
    ]
    right = frozenset({"probability", "pays"})
    table = Table(("state", "action", "leads to", "probability", "pays"), rows, right=right).plain()
    begins = ", ".join(
        f"{name} ({share:.6g})" if share < 1.0 else name
        for name, share in zip(process.states, np.asarray(process.initial), strict=True)
        if share > 0.0
    )
    ends = [name for name, is_live in zip(process.states, live, strict=True) if not is_live]
    lines = [_heading(process), f"begins in {begins}" + (f"; ends in {', '.join(ends)}" if ends else "")]
    return "\n".join([*lines, "", table])


def _heading(process: DecisionProcess) -> str:
    length = f"{process.horizon} steps" if process.horizon is not None else "no end"
    size = f"{process.shape[0]} states, {process.shape[1]} actions, {length}, discount {float(process.discount):g}"
    return f"{process.title}: {size}" if process.title else size


@dataclass(frozen=True)
class Trap:
    """What models without loss can make a policy do, and what either leader earns.

    - `found`: every deterministic policy, and which of them such a model can make optimal.
    - `model_leads`, `policy_leads`: the games' solutions.
    """

    process: DecisionProcess
    planning_discount: float
    best: float
    found: ZeroLossEquilibria
    model_leads: Solution
    policy_leads: Solution

    @property
    def paid(self) -> float:
        """What the policy earns in the world that answers the leading model."""
        return float(self.process.value(self.model_leads.response))

    def answer(self) -> dict[str, Any]:
        """In JSON's own types."""
        where = np.flatnonzero(self.found.is_equilibrium)
        return {
            "process": process_to_json(self.process),
            "planning_discount": self.planning_discount,
            "best_value": self.best,
            "best_equilibrium": self.found.best_value,
            "worst_equilibrium": self.found.worst_value,
            "model_as_leader": self.paid,
            "policy_as_leader": float(self.policy_leads.leader_value),
            "num_policies": len(self.found.values),
            "equilibria": [
                {
                    "policy": self._moves(self.found.policies[place]),
                    "value": float(self.found.values[place]),
                    "slack": float(self.found.slack[place]),
                }
                for place in where
            ],
        }

    def text(self, said: dict[str, Any]) -> str:
        """The answer for people."""
        hidden = self.best - self.found.worst_value
        rows = [
            ("the best there is", said["best_value"]),
            ("policy as leader", said["policy_as_leader"]),
            ("model as leader, the answer that is worst for the world", said["model_as_leader"]),
            ("best answer to a model that is right where it goes", said["best_equilibrium"]),
            ("worst answer to a model that is right where it goes", said["worst_equilibrium"]),
        ]
        values = Table(
            ("return in the world", ""), [(name, f"{value:.6g}") for name, value in rows], right=frozenset({""})
        )
        if hidden > 1e-9 * (1.0 + abs(self.best)):
            word = f"There is a trap: a model that is never wrong where its policy goes can hide {hidden:.6g}."
        else:
            word = "There is no trap: every model that is right where its policy goes leads to the best."
        return "\n\n".join([_heading(self.process), values.plain(), word, self._equilibria(said)])

    def draw(self, base: Path) -> list[str]:
        """Where the leading model is wrong, and where the policy goes that answers it; the names of the files."""
        wrong = where_wrong(self.process, self.model_leads.response, self.model_leads.commitment)
        return pictures.draw(wrong, base)

    def _equilibria(self, said: dict[str, Any]) -> str:
        each = sorted(said["equilibria"], key=lambda one: one["value"])
        rows = [
            (" ".join(f"{state}:{action}" for state, action in one["policy"].items()), f"{one['value']:.6g}")
            for one in each[:MOST_SHOWN]
        ]
        more = len(each) - len(rows)
        title = f"{len(each)} of {said['num_policies']} policies are the answer to a model without loss, worst first:"
        table = Table(("policy", "return"), rows, title, right=frozenset({"return"})).plain()
        return table + (f"\nand {more} more (--json has all)" if more else "")

    def _moves(self, policy: np.ndarray) -> dict[str, str]:
        """State by state, terminal ones left out."""
        live = np.flatnonzero(~np.asarray(self.process.is_terminal))
        return {self.process.states[s]: self.process.actions[int(np.argmax(policy[s]))] for s in live}


def trap(process: DecisionProcess, planning_discount: float) -> Trap:
    """Look through all deterministic policies, and let either player lead."""
    found = zero_loss_equilibria(process, planning_discount)
    model_leads = solve(ModelAsLeader(process, planning_discount=planning_discount))
    policy_leads = solve(PolicyAsLeader(process))
    best = float(process.optimal_value())
    return Trap(process, float(planning_discount), best, found, model_leads, policy_leads)
