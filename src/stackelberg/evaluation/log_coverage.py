"""What a log can support, told before anything is learned from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from .. import _boundary as boundary
from .._record import Record, plain
from ..games.dataset import Dataset


FEW = 5
"""Times that a state and action must have been met for its mean to be worth much."""

MOST_NEIGHBOURS = 5_000


@dataclass(frozen=True, eq=False)
class LogCoverage:
    """How much there is, and where.

    - `num_rows`, `num_episodes`: of the log.  `returns`: `(k,)`, what its episodes earned, undiscounted.
    - `action_share`: `(a,)`, how often each discrete action was taken; for continuous ones the share of rows in each
      tenth of the range of the first.
    - `counts`: `(s, a)` where both can be counted, otherwise None.
    - `untried`: the share of rows at which some action has hardly a precedent: fewer than five rows of the same state
      and action, or, where states cannot be counted, no row of that action among the nearest fiftieth.
    - `sentences`: what follows.
    """

    num_rows: int
    num_episodes: int
    returns: np.ndarray
    action_share: np.ndarray
    counts: np.ndarray | None
    untried: float
    sentences: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return plain(
            {
                "num_rows": self.num_rows,
                "num_episodes": self.num_episodes,
                "return_quartiles": np.quantile(self.returns, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist(),
                "action_share": self.action_share.tolist(),
                "untried": self.untried,
                "pairs_met": None if self.counts is None else float(np.mean(self.counts > 0)),
                "sentences": self.sentences,
            }
        )

    def to_record(self) -> Record:
        """To be drawn: what episodes earned, and how often each action was taken."""
        return Record(
            "log coverage",
            {"returns": self.returns, "action_share": self.action_share},
            {"title": f"{self.num_rows:,} rows in {self.num_episodes:,} episodes", "untried": self.untried},
        )


def log_coverage(data: Dataset) -> LogCoverage:
    """Count what was tried where, and say what cannot be learned from it."""
    log = boundary.instance("data", data, Dataset, 'sg.read_log("log.csv")')
    counts = None
    if log.num_actions:
        share = np.bincount(log.chosen, minlength=log.num_actions) / len(log)
    else:
        share = np.histogram(log.action[:, 0], bins=10, range=(-1.0, 1.0))[0] / len(log)
    if log.num_states and log.num_actions:
        counts = np.zeros((log.num_states, log.num_actions))
        np.add.at(counts, (log.state, log.chosen), 1.0)
        met = counts.sum(axis=-1)
        untried = float(np.sum(met * np.mean(counts < FEW, axis=-1)) / met.sum())
    else:
        untried = _without_precedent(log)
    found = LogCoverage(len(log), log.num_episodes, log.returns(), share, counts, untried)
    return replace(found, sentences=_sentences(log, found))


def _without_precedent(log: Dataset) -> float:
    """The mean share of actions (tenths of the first one's range) that no near row took."""
    generator = np.random.Generator(np.random.Philox(0))
    rows = generator.choice(len(log), min(len(log), MOST_NEIGHBOURS), replace=False)
    spread = np.std(log.observation, axis=0)
    standard = log.observation[rows] / np.where(spread > 0.0, spread, 1.0)
    kinds = log.chosen[rows] if log.num_actions else np.clip(((log.action[rows, 0] + 1.0) * 5.0).astype(int), 0, 9)
    near = min(max(len(rows) // 50, 10), len(rows))
    _, places = KDTree(standard).query(standard[:500], near)
    taken = kinds[np.asarray(places).reshape(len(standard[:500]), -1)]
    return float(np.mean([1.0 - len(np.unique(row)) / (log.num_actions or 10) for row in taken]))


def _sentences(log: Dataset, found: LogCoverage) -> tuple[str, ...]:
    words = []
    if np.ptp(log.reward) == 0.0:
        words.append("All rewards are equal: nothing can be learned from them.")
    rare = np.flatnonzero(found.action_share < 0.01) if log.num_actions else np.array([], dtype=int)
    if len(rare):
        words.append(
            f"Actions {', '.join(map(str, rare.tolist()))} make up less than 1 % of the rows each: what they lead to "
            "is hardly known."
        )
    if found.untried > 0.25:
        words.append(
            f"In {found.untried:.0%} of cases another action than the one taken has no precedent nearby: there a "
            "policy is judged by the least that it can be worth."
        )
    if found.counts is not None and np.any(found.counts.sum(axis=-1) == 0):
        never = int(np.sum(found.counts.sum(axis=-1) == 0))
        words.append(f"{never} of {len(found.counts)} states were never met.")
    if log.propensity is None:
        words.append("Propensities are not known: estimates by weighting need a model of the behaviour first.")
    elif float(np.min(log.propensity)) < 0.01:
        words.append(
            f"Some actions were taken with a probability of {float(np.min(log.propensity)):.2g}: weights by them are "
            "large, and estimates by weighting wide."
        )
    if log.is_independent:
        words.append("Rows belong to no episode: every row counts as a first one.")
    elif found.num_episodes < 30:
        words.append(f"There are {found.num_episodes} episodes only: intervals over episodes are rough.")
    if not np.any(log.terminal):
        words.append("No row is terminal: values go on for ever. If the process does end, mark where it did.")
    return tuple(words)
