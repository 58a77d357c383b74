"""A dense dual simplex for many small linear programs at once, in float64.

Each lane solves one program over the leader's simplex,

    maximise  cost @ x - penalty   subject to   x in the simplex,  penalty >= 0,
                                                gain[:, b] @ x + soft[b] * penalty >= 0   for every b,

where `soft[b]` is 0 or 1 and one row, `spare`, must be zero (its place holds the constraint x_k >= 0). The vertex
x = e_k with k = argmax(cost) is dual feasible, so no first phase is needed, and the dual objective falls with every
pivot: it is an upper bound on the program's value at any time, and a lane is dropped once it reaches `cutoff`.

The tableau is a dictionary: basic = M[:, 0] + M[:, 1:] @ nonbasic, its last row the objective. Leaving row: the most
negative one; entering column: the smallest ratio, the largest pivot among ties. After `STALL` pivots without progress
both follow Bland's rule (the smallest label), under which degenerate programs cannot cycle: Bland (1977), applied to
the dual.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from ..._types import AnyArray


RUNNING, OPTIMAL, INFEASIBLE, DROPPED, LIMIT = range(5)

FEASIBILITY = 1e-11
"""A constraint counts as met down to minus this, on payoffs rescaled to [0, 1]."""

PIVOT = 1e-9
"""Smaller entries are taken for rounding and never pivoted on."""

TIE = 1e-13
STALL = 8


class LaneResults(NamedTuple):
    """What each lane ends with; under `vmap` the batch axis n comes first.

    - `strategy`: the leader's mixture at the last vertex; optimal where `status` is `OPTIMAL`.
    - `multipliers`: at least 0, one per constraint: they prove `bound` by weak duality, whatever the status.
    - `bound`: no feasible x is worth more. Below 0 where the program is infeasible, all payoffs being at least 0.
    - `status`: OPTIMAL, INFEASIBLE, DROPPED (bound at most the cut-off) or LIMIT.  `pivots`: how many were made.
    """

    strategy: Float[AnyArray, "*n a"]
    multipliers: Float[AnyArray, "*n b"]
    bound: Float[AnyArray, "*n"]
    status: Int[AnyArray, "*n"]
    pivots: Int[AnyArray, "*n"]


class _Lane(NamedTuple):
    """A dictionary, and the pivot that comes next.

    The pivot's row and column are carried along, ready for use: computed inside the update, the compiler would do
    their divisions anew for every cell.
    """

    tableau: Float[jax.Array, "rows columns"]  # (b + 1, a), or (b + 1, a + 1) with a penalty
    basic: Int[jax.Array, "b"]
    nonbasic: Int[jax.Array, "columns"]
    leaving: Int[jax.Array, ""]
    entering: Int[jax.Array, ""]
    new_row: Float[jax.Array, "columns"]
    column: Float[jax.Array, "rows"]
    status: Int[jax.Array, ""]
    pivots: Int[jax.Array, ""]
    stalled: Int[jax.Array, ""]


class Program(NamedTuple):
    """One program in the form above; `rows[b]` is `gain[:, b]`. Rows that do not matter are positive everywhere."""

    cost: Float[jax.Array, "a"]
    rows: Float[jax.Array, "b a"]
    soft: Bool[jax.Array, "b"] | None
    spare: Int[jax.Array, ""]


def solve_program(
    program: Program, cutoff: Float[jax.Array, ""], limit: Int[jax.Array, ""], *, in_place: bool = False
) -> LaneResults:
    """Solve one program in at most `limit` pivots: to be called under `jit`, and under `vmap` unless `in_place`.

    `in_place` overwrites the pivot's row and column, which is fast alone; under `vmap` it would be a slow scatter.
    """
    start, best_row = _first_lane(program)
    ahead = functools.partial(_look_ahead, cutoff=cutoff, limit=limit)
    lane = jax.lax.while_loop(
        lambda lane: lane.status == RUNNING, lambda lane: ahead(_pivot(lane, in_place=in_place)), ahead(start)
    )
    return _read(lane, best_row, *program.rows.shape)


def _first_lane(program: Program) -> tuple[_Lane, Int[jax.Array, ""]]:
    """The dictionary at x = e_k: x_k stands in the spare row, and column 0 holds the constants.

    The column of x_0 moves to where that of x_k was.
    """
    cost, rows, soft, spare = program
    num_columns, num_rows = rows.shape
    best_row = jnp.argmax(cost).astype(jnp.int32)
    place = jnp.arange(num_rows, dtype=jnp.int32)
    action = jnp.arange(num_columns, dtype=jnp.int32)
    is_constant, is_best = place == 0, place == best_row
    is_spare = action == spare

    constants = rows[:, best_row]
    rows = jnp.where(is_best, rows[:, :1], rows) - constants[:, None]
    rows = jnp.where(is_spare[:, None], -1.0, rows)
    rows = jnp.where(is_constant, jnp.where(is_spare, 1.0, constants)[:, None], rows)
    price = jnp.where(is_best, cost[0], cost) - cost[best_row]
    price = jnp.where(is_constant, cost[best_row], price)
    tableau = jnp.concatenate([rows, price[None, :]])
    nonbasic = jnp.where(is_best, 0, place)
    if soft is not None:
        penalty = jnp.append(jnp.where(is_spare, 0.0, soft.astype(tableau.dtype)), -1.0)
        tableau = jnp.concatenate([tableau, penalty[:, None]], axis=1)
        nonbasic = jnp.append(nonbasic, num_rows + num_columns)

    basic = jnp.where(is_spare, best_row, num_rows + action)
    zero = jnp.zeros((), jnp.int32)
    new_row, column = jnp.zeros_like(tableau[0]), jnp.zeros_like(tableau[:, 0])
    lane = _Lane(tableau, basic, nonbasic.astype(jnp.int32), zero, zero, new_row, column, zero, zero, zero)
    return lane, best_row


def _look_ahead(lane: _Lane, *, cutoff: Float[jax.Array, ""], limit: Int[jax.Array, ""]) -> _Lane:
    """Choose the next pivot, or say why there is none."""
    tableau, any_label = lane.tableau, jnp.iinfo(jnp.int32).max
    is_bland = lane.stalled > STALL
    constants, objective = tableau[:-1, 0], tableau[-1, 0]
    most_violated = jnp.argmin(constants)
    is_optimal = constants[most_violated] >= -FEASIBILITY
    first_violated = jnp.argmin(jnp.where(constants < -FEASIBILITY, lane.basic, any_label))
    leaving = jnp.where(is_bland, first_violated, most_violated).astype(jnp.int32)

    row = tableau[leaving]
    place = jnp.arange(row.shape[0], dtype=jnp.int32)
    is_eligible = (row > PIVOT) & (place > 0)
    ratio = jnp.where(is_eligible, -tableau[-1] / jnp.where(is_eligible, row, 1.0), jnp.inf)
    smallest = jnp.min(ratio)
    is_tied = is_eligible & (ratio <= smallest + TIE)
    largest_pivot = jnp.argmax(jnp.where(is_tied, row, -jnp.inf))
    first_tied = jnp.argmin(jnp.where(is_tied, lane.nonbasic, any_label))
    entering = jnp.where(is_bland, first_tied, largest_pivot).astype(jnp.int32)

    reasons = [is_optimal, objective <= cutoff, ~jnp.any(is_eligible), lane.pivots >= limit]
    return lane._replace(
        leaving=leaving,
        entering=entering,
        new_row=jnp.where(place == entering, 1.0, -row) / row[entering],
        column=tableau[:, entering],
        status=jnp.select(reasons, [OPTIMAL, DROPPED, INFEASIBLE, LIMIT], RUNNING).astype(jnp.int32),
        stalled=jnp.where(smallest > TIE, 0, lane.stalled + 1),
    )


def _pivot(lane: _Lane, *, in_place: bool) -> _Lane:
    """Exchange the leaving and the entering variable."""
    entering, leaving, new_row = lane.entering, lane.leaving, lane.new_row
    is_entering = jnp.arange(new_row.shape[0], dtype=jnp.int32) == entering
    is_leaving = jnp.arange(lane.column.shape[0], dtype=jnp.int32) == leaving
    change = lane.column[:, None] * new_row
    if in_place:
        tableau = lane.tableau + change
        tableau = tableau.at[:, entering].set(lane.column * new_row[entering]).at[leaving].set(new_row)
    else:
        tableau = jnp.where(is_entering, 0.0, lane.tableau) + change
        tableau = jnp.where(is_leaving[:, None], new_row, tableau)
    return lane._replace(
        tableau=tableau,
        basic=jnp.where(is_leaving[:-1], lane.nonbasic[entering], lane.basic),
        nonbasic=jnp.where(is_entering, lane.basic[leaving], lane.nonbasic),
        pivots=lane.pivots + 1,
    )


def _read(lane: _Lane, best_row: Int[jax.Array, ""], num_columns: int, num_rows: int) -> LaneResults:
    """The vertex and its multipliers; an infeasible program's are pushed along the ray that proves it."""
    constants, objective = lane.tableau[:-1, 0], lane.tableau[-1, 0]
    row = lane.tableau[lane.leaving]
    # The objective falls by -row[0] for each unit of the ray: go until it is below any payoff.
    length = jnp.where(lane.status == INFEASIBLE, (objective + 1.0) / jnp.maximum(-row[0], FEASIBILITY), 0.0)
    prices = jnp.maximum(-lane.tableau[-1] - length * row, 0.0)

    size = num_rows + num_columns + 1
    strategy = jnp.zeros(size, constants.dtype).at[lane.basic].set(jnp.maximum(constants, 0.0))[:num_rows]
    # Column 0 holds constants, not a variable: its price goes to the leader's best row, which is never read.
    labels = lane.nonbasic.at[0].set(best_row)
    multipliers = jnp.zeros(size, prices.dtype).at[labels].set(prices).at[lane.basic[lane.leaving]].add(length)
    return LaneResults(
        strategy=strategy / jnp.sum(strategy),
        multipliers=multipliers[num_rows : num_rows + num_columns],
        bound=objective + length * row[0],
        status=lane.status,
        pivots=lane.pivots,
    )
