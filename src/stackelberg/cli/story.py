"""What `stackelberg demo` tells: one game, five plans, what each promises and what each is paid.

Everything is computed when it is asked for; nothing is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .._record import Record, Solution
from ..evaluation.learning import learning_curve
from ..evaluation.outcome import evaluate
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..followers.quantal_response import QuantalResponse
from ..games.catalog import catalog_game
from ..games.normal_form import NormalFormGame
from ..solvers.normal_form.multiple_lps import MultipleLPs
from ..solvers.normal_form.nash import nash_equilibria
from ..solvers.quantal_stackelberg import QuantalStackelberg


INVERSE_TEMPERATURE = 5.0
OBSERVED = 500
TOLERANCE = 1e-7  # of the payoff range, which is 3: the gap is below 1e-6


@dataclass(frozen=True, eq=False)
class Row:
    """One plan: what it promises, what a quantal follower pays, and what to know about it."""

    name: str
    promised: float
    paid: float
    note: str
    commitment: Float[np.ndarray, "a"] | None = None


@dataclass(frozen=True, eq=False)
class Story:
    """The rows of the table, and what the pictures need."""

    game: NormalFormGame
    follower: QuantalResponse
    rows: tuple[Row, ...]
    optimum: Solution
    learning: Record

    def marks(self) -> list[dict[str, Any]]:
        """The plans as marks in the landscape: promised hollow, paid filled."""
        nash, pure, strong, quantal, _ = self.rows
        return [
            _mark("Nash equilibrium, no commitment", "nash", nash, nash.paid),
            _mark("best pure commitment", "pure", pure, pure.paid),
            _mark("strong Stackelberg, promised", "sse", strong, strong.promised) | {"hollow": True},
            _mark("strong Stackelberg, paid", "sse", strong, strong.paid),
            _mark("quantal optimum", "qse", quantal, quantal.paid),
        ]

    def to_json(self) -> dict[str, Any]:
        """The optimum as `solve` prints it, the table, and what was learned at each size of log."""
        table = [{"plan": row.name, "promised": row.promised, "paid": row.paid, "note": row.note} for row in self.rows]
        sizes = ("num_plays", "estimate", "low", "high", "covered")
        learned = {name: self.learning[name].tolist() for name in sizes}
        described = {"table": table, "inverse_temperature": self.follower.inverse_temperature, "learning": learned}
        return self.optimum.to_json() | described


def tell(seed: int = 0) -> Story:
    """The whole story of the commitment game of Conitzer and Sandholm (2006)."""
    game = catalog_game("conitzer-sandholm")
    assert isinstance(game, NormalFormGame)
    human = QuantalResponse(INVERSE_TEMPERATURE)
    nash = nash_equilibria(game)
    best_nash = int(np.argmax(nash.leader_values))
    unannounced = nash.leader_strategies[best_nash]
    pure, pure_value = best_pure(game)
    strong = MultipleLPs()(game)
    optimum = QuantalStackelberg(human, tolerance=TOLERANCE)(game)
    learning = learning_curve(game, human, seed=seed)
    rows = (
        Row("Nash equilibrium (no commitment)", float(nash.leader_values[best_nash]),
            paid(game, unannounced, human), "", unannounced),
        Row("best pure commitment", pure_value, paid(game, pure, human), "", pure),
        Row("strong Stackelberg (textbook)", float(strong.leader_value), paid(game, strong.commitment, human),
            "ties go the wrong way half the time", strong.commitment),
        Row("quantal Stackelberg (this package)", float(optimum.leader_value), paid(game, optimum.commitment, human),
            f"certificate: gap {optimum.certificate.gap:.1g}, {optimum.certificate.status}", optimum.commitment),
        learned(game, human, learning),
    )  # fmt: skip
    return Story(game, human, rows, optimum, learning)


def best_pure(game: NormalFormGame) -> tuple[Float[np.ndarray, "a"], float]:
    """The best single action to announce to a best responder, and what it is worth."""
    commitments = np.eye(game.shape[0])
    values = [paid(game, commitment, BestResponse()) for commitment in commitments]
    best = int(np.argmax(values))
    return commitments[best], values[best]


def paid(game: NormalFormGame, commitment: Float[np.ndarray, "a"], follower: AbstractFollower) -> float:
    """What the leader gets when `follower` answers `commitment`."""
    return float(evaluate(game, commitment, follower(game, commitment)).leader_value)


def learned(game: NormalFormGame, truth: QuantalResponse, learning: Record) -> Row:
    """Each log's estimate planned against as if it were the truth, then paid by the truth."""
    place = int(np.flatnonzero(learning["num_plays"] == OBSERVED)[0])
    estimates = learning["each"][place]
    # One by one: the compiled program of the optimum above serves again, a batch would need one of its own.
    plans = [QuantalStackelberg(QuantalResponse(float(estimate)))(game) for estimate in estimates]
    promised = np.array([float(plan.leader_value) for plan in plans])
    received = np.array([paid(game, plan.commitment, truth) for plan in plans])
    middle, low, high = (float(learning[name][place]) for name in ("estimate", "low", "high"))
    note = f"estimate {middle:.1f} [{low:.1f}, {high:.1f}] (95% interval, medians of {len(estimates)} seeds)"
    return Row(f"learned from {OBSERVED} observed plays", float(promised.mean()), float(received.mean()), note)


def _mark(label: str, symbol: str, row: Row, value: float) -> dict[str, Any]:
    assert row.commitment is not None
    return {"label": label, "symbol": symbol, "commitment": row.commitment.tolist(), "value": value}
