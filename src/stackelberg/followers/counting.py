"""A game counted by playing it, before any follower learns in it: `counted_game`."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from ..games.counted_game import CountedGame
from ..games.environment import AbstractEnvironment, Box
from .contextual_network import EXAMPLE, leader_sizes
from .trials import Trial, first_trial, only_follower, trial_step


NUM_COPIES = 8
"""Games played side by side: what one of them finds the others know of at once."""

FORESIGHT, RATE = 0.9, 0.5
"""How much what lies ahead counts for an explorer, and how fast it learns that."""


class Exploring(eqx.Module):
    """Games under way, one for each copy; `(s, a, b)`: how often a step was made, and what it is worth."""

    trials: Trial
    visits: Float[AnyArray, "s a b"]
    worth: Float[AnyArray, "s a b"]


class Steps(eqx.Module):
    """What was seen and done, `(n,)`: states, both actions, what followed, was paid, and whether a game ended there.

    `seen`: by the leader.  `is_cut`: the game was cut then.  `is_first`: it had begun.
    """

    state: Int[AnyArray, "*n"]
    leading: Int[AnyArray, "*n"]
    answering: Int[AnyArray, "*n"]
    following: Int[AnyArray, "*n"]
    seen: Int[AnyArray, "*n"]
    rewards: Float[AnyArray, "*n 2"]
    is_over: Bool[AnyArray, "*n"]
    is_cut: Bool[AnyArray, "*n"]
    is_first: Bool[AnyArray, "*n"]


def counted_game(environment: Any, num_steps: Any = 50_000, seed: Any = 0) -> CountedGame:
    """The game as `num_steps` steps of play show it, in which both seats look for what was done least often.

    - `environment`: a game with one follower who sees the state: the next one, the rewards and what the leader sees
      depend on its observation, the two actions and chance alone. All but the leader's mixtures are counted.

    Since no leader has to be met to count what a pair of actions does, every step tells about all leaders. In the
    `CountedGame` contextual followers can learn (`pretrained_networks`), or plan (`ExactOracle`), without a further
    step in the game itself.

    A step is worth 1 / (1 + how often it was made) and 0.9 of the best that can follow, learned from "all is worth a
    lot" on: so both seats go to where little is known.

    Raises `InputError` where the follower does not see what the leader sees. That the state is all that counts cannot
    be seen from play, and is taken on trust.
    """
    game = boundary.instance("environment", environment, AbstractEnvironment, EXAMPLE)
    num_rounds = -(-boundary.whole_number("num_steps", num_steps, low=1) // NUM_COPIES)
    (num_seen, num_actions), (num_states, num_answers) = leader_sizes(game), only_follower(game)
    sizes = (num_states, num_actions, num_answers)
    made = _explored(game, sizes, num_rounds, jr.key(boundary.whole_number("seed", seed)))
    made = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:]), made)
    sees = np.zeros(num_states, dtype=np.int64)
    sees[made.state] = made.seen
    if (wrong := np.flatnonzero(sees[made.state] != made.seen)).size:
        first = int(made.state[wrong[0]])
        raise InputError(
            boundary.INCONSISTENT,
            "environment",
            position=(first,),
            found=f"the leader sees {made.seen[wrong[0]]} and {sees[first]} where the follower sees {first}",
            allowed="a follower who sees the state, and so whatever the leader sees",
            remedy="Let followers learn by play: sg.pretrained_follower(game), sg.pretrained_networks(game).",
        )
    # A game that is cut does not tell whether it would have gone on; one of a single step never does.
    told, num_cells = ~made.is_cut | (game.num_steps == 1), math.prod(sizes)
    cell = np.asarray((made.state * num_actions + made.leading) * num_answers + made.answering)
    tally = lambda rows, weights=None: np.bincount(cell[rows], weights, minlength=num_cells).reshape(sizes)
    went = told & ~made.is_over
    after, counts = _followed(cell[went], made.following[went], num_cells)
    return CountedGame(
        after.reshape(*sizes, -1),
        counts.reshape(*sizes, -1),
        tally(told & made.is_over),
        np.stack([tally(told, made.rewards[told, seat]) for seat in range(2)]),
        np.bincount(made.state[made.is_first], minlength=num_states),
        sees,
        num_seen,
        game.num_steps,
        isinstance(game.action_spaces[0], Box),
    )


def _followed(
    cell: Int[np.ndarray, "n"], following: Int[np.ndarray, "n"], num_cells: int
) -> tuple[Int[np.ndarray, "c k"], Int[np.ndarray, "c k"]]:
    """The states that followed each cell, and how often, as many columns as the cell with the most of them has."""
    pairs, times = np.unique(np.stack([cell, following]), axis=1, return_counts=True)
    num_each = np.bincount(pairs[0], minlength=num_cells)
    place = np.arange(pairs.shape[1]) - np.repeat(np.cumsum(num_each) - num_each, num_each)
    after = np.zeros((num_cells, max(1, int(num_each.max()))), dtype=np.int64)
    counts = np.zeros_like(after)
    after[pairs[0], place], counts[pairs[0], place] = pairs[1], times
    return after, counts


@eqx.filter_jit
def _explored(game: AbstractEnvironment, sizes: tuple[int, int, int], num_rounds: int, key: Key) -> Steps:
    """Rows `(n, e)` of all steps."""
    is_mixed = isinstance(game.action_spaces[0], Box)
    _, num_actions, num_answers = sizes

    def step(now: Exploring, key: Key) -> tuple[Exploring, Steps]:
        of_ties, of_games = jr.split(key)
        own, state = now.trials.observations
        worth = jnp.asarray(now.worth)
        best = lambda where: jnp.max(worth[where].reshape(NUM_COPIES, -1), axis=1)
        noise = 1e-3 * jr.uniform(of_ties, (NUM_COPIES, num_actions * num_answers))
        chosen = jnp.argmax(worth[state].reshape(NUM_COPIES, -1) + noise, axis=1)
        a, b = chosen // num_answers, chosen % num_answers
        leading = jax.nn.one_hot(a, num_actions) if is_mixed else a.astype(jnp.int32)
        steps_before = now.trials.count - now.trials.begun
        trials, paid, is_over = jax.vmap(lambda trial, both, key: trial_step(game, trial, both, key, num_rounds + 1))(
            now.trials, (leading, b.astype(jnp.int32)), jr.split(of_games, NUM_COPIES)
        )
        following, is_cut = trials.observations[1], steps_before + 1 == game.num_steps
        visits = jnp.asarray(now.visits).at[state, a, b].add(1.0)
        aim = 1.0 / (1.0 + visits[state, a, b]) + FORESIGHT * jnp.where(is_over, 0.0, best(following))
        worth = worth.at[state, a, b].set((1.0 - RATE) * worth[state, a, b] + RATE * aim)
        row = Steps(state, a, b, following, own, paid, is_over, is_cut, steps_before == 0)
        return Exploring(trials, visits, worth), row

    of_starts, of_steps = jr.split(key)
    begun = jax.vmap(lambda key: first_trial(game, key))(jr.split(of_starts, NUM_COPIES))
    start = Exploring(begun, jnp.zeros(sizes), jnp.full(sizes, 1.0 / (1.0 - FORESIGHT)))
    return jax.lax.scan(step, start, jr.split(of_steps, num_rounds))[1]
