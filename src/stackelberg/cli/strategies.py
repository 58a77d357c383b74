"""What is announced and what is answered, with the names that a game gives to stages, states, types and actions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from jaxtyping import Float

from ..games.base import AbstractGame
from ..games.bayesian import BayesianGame
from ..games.markov import MarkovGame
from ..report.tables import Table
from .plans import FOLLOWER_NAMES, LEADER_NAMES, Plan, action_names


MOST_ENTRIES = 400  # of one strategy, printed one below the other
MOST_ROWS, MOST_COLUMNS = 60, 12  # of several strategies, printed side by side


@dataclass(frozen=True, eq=False)
class Strategies:
    """One strategy `(a,)`, or one a situation `(n, a)`: a stage, a state, a type, an action of the other player.

    - `situations`: what to call each row, empty for a single strategy; `actions`: what to call each column.
    """

    shares: Float[np.ndarray, "... a"]
    situations: tuple[str, ...]
    actions: tuple[str, ...]


def announced(plan: Plan) -> Strategies:
    """What the leader announces."""
    return _strategies(plan, "commitment", LEADER_NAMES)


def answered(plan: Plan) -> Strategies:
    """What the follower answers."""
    return _strategies(plan, "response", FOLLOWER_NAMES)


def _strategies(plan: Plan, name: str, fields: tuple[str, ...]) -> Strategies:
    values = np.asarray(plan.answer[name], dtype=float)
    actions = tuple(action_names(plan.game, values.shape[-1], *fields))
    if values.ndim == 1:
        return Strategies(values, (), actions)
    axes = _situations(plan.game, values.shape[:-1], name == "commitment")
    rows = tuple(", ".join(words) for words in itertools.product(*axes))
    return Strategies(values.reshape(len(rows), -1), rows, actions)


@singledispatch
def _situations(game: AbstractGame, shape: Sequence[int], leader: bool) -> list[list[str]]:
    """The names along every axis but the last; what the follower plays is the last situation of a prescription."""
    if len(shape) == 1 and leader:
        return [_conditions(game, shape[0])]
    return [[str(number) for number in range(1, length + 1)] for length in shape]


@_situations.register
def _(game: BayesianGame, shape: Sequence[int], leader: bool) -> list[list[str]]:
    del leader
    return [_named(shape[0], game.types, "type")]


@_situations.register
def _(game: MarkovGame, shape: Sequence[int], leader: bool) -> list[list[str]]:
    stages = game.horizon is not None and len(shape) > 1
    axes = [[f"stage {number}" for number in range(1, shape[0] + 1)]] if stages else []
    axes.append(_named(game.shape[0], game.states, "state"))
    prescribed = leader and len(shape) > len(axes)
    return axes + ([_conditions(game, shape[-1])] if prescribed else [])


def _conditions(game: AbstractGame, count: int) -> list[str]:
    return [f"if {name}" for name in _named(count, action_names(game, count, *FOLLOWER_NAMES), "action")]


def _named(count: int, names: Sequence[str], kind: str) -> list[str]:
    """The names, with their kind before names that are only numbers."""
    return [f"{kind} {name}" if name.isdigit() else name for name in names[:count]]


def strategy(title: str, found: Strategies) -> str:
    """A table: one column, or a row for each situation; what fills more than a screen is only described."""
    shares, names = found.shares, found.actions
    wide = shares.ndim == 2 and (shares.shape[0] > MOST_ROWS or shares.shape[1] > MOST_COLUMNS)
    if wide or shares.size > MOST_ENTRIES:
        return f"{title}: {_size(found)}, too many for the screen; --out FILE writes them all, --json prints them"
    if shares.ndim == 2:
        rows = [
            (f"  {word}", *(f"{share:.6f}" for share in row))
            for word, row in zip(found.situations, shares, strict=True)
        ]
        return Table((title, *names), rows, right=frozenset(names)).plain()
    header = "probability" if np.all((shares >= 0.0) & (shares <= 1.0)) else "amount"
    rows = [(f"  {name}", f"{share:.6f}") for name, share in zip(names, shares, strict=True)]
    return Table((title, header), rows, right=frozenset({header})).plain()


def _size(found: Strategies) -> str:
    entries = f"{len(found.actions)} numbers"
    return entries if not found.situations else f"{entries} in each of {len(found.situations)} situations"
