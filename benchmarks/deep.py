"""Learning to commit in iterated games: exact followers, and the published matrix-game experiment as a whole.

The peer of exact followers is NumPy, one leader after another, with all of the follower's policies at once. The
experiment has no peer in this run: the authors' own code makes 36 to 63 training steps a second, days in all.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import stackelberg as sg
from stackelberg._learner import advance
from stackelberg.solvers.deterministic_policies import BATCH

from .contextual_peer import COPIES, LENGTH, ROLLOUT, peer as by_stable_baselines
from .measure import Row, compare, elsewhere


NUM_LEADERS = 10_000
SAMPLED = 200
RLLIB = "RLLIB_PYTHON"
"""Of the environment: names an interpreter that has RLlib, whose pins do not go together with ours."""


def rows() -> list[Row]:
    """Best responses, with and without the gradient of the leader's value, and twelve games with five seeds each."""
    game = sg.iterated_matrix_game("prisoners_dilemma")
    leaders = np.random.default_rng(0).dirichlet((1.0, 1.0), (NUM_LEADERS, 5)).astype(np.float32)

    def worth(commitment):
        return game.leader_value(commitment, jax.lax.stop_gradient(game.induce(commitment).best_response()))

    # In parts that stay in the cache: all at once takes about twice as long.
    many = lambda each: jax.jit(lambda leaders: jax.lax.map(each, leaders, batch_size=BATCH))
    values, slopes = many(worth), many(jax.value_and_grad(worth))
    peer = [in_numpy(game, leader) for leader in leaders[:SAMPLED]]
    off = float(np.max(np.abs(np.array(peer) - np.asarray(values(jnp.asarray(leaders)))[:SAMPLED])))
    return [
        compare(
            "deep",
            "exact best response, memory one, 10 rounds",
            lambda: jax.block_until_ready(values(jnp.asarray(leaders))),
            peer=lambda: [in_numpy(game, leader) for leader in leaders[:SAMPLED]],
            peer_name="NumPy",
            units=NUM_LEADERS,
            peer_units=SAMPLED,
            target=10e-6,
            note=f"largest difference {off:.1e}",
        ),
        compare(
            "deep",
            "the same with the gradient of the leader's value",
            lambda: jax.block_until_ready(slopes(jnp.asarray(leaders))),
            units=NUM_LEADERS,
            target=20e-6,
            note="no peer",
        ),
        *contextual(),
        compare(
            "deep",
            "12 games × 5 seeds × 500,000 leader steps, pretraining included",
            published,
            repeats=1,
            target=300.0,
            note="no peer in this run",
        ),
    ]


def contextual() -> list[Row]:
    """A contextual follower of 64×64 by PPO, 64 copies: CPU seconds an environment step, against two peers."""
    learner = sg.ContextualPPO(sg.iterated_matrix_game("prisoners_dilemma", LENGTH, is_mixed=True), COPIES, ROLLOUT)
    run, _ = sg.train(learner, 1)
    other, steps = by_stable_baselines(), 10
    name = "contextual PPO, 64×64, 64 copies: an environment step"
    units = {"units": steps * COPIES * ROLLOUT, "peer_units": COPIES * ROLLOUT, "target": 6e-6}

    def ours():
        jax.block_until_ready(advance(learner, run, steps, monitor_every=steps)[0].state.policies)

    first = compare(
        "deep",
        name,
        ours,
        peer=other,
        peer_name="SB3" if other else "",
        note="aim: ratio 4 or more" if other else "no peer: install stable-baselines3 to compare",
        **units,
    )
    with elsewhere(RLLIB, "contextual_rllib.py") as asked:
        if asked is None:
            return [first]
        told = compare(
            "deep",
            name,
            ours,
            peer_seconds=lambda: asked("rollout"),
            peer_name="RLlib",
            note="aim: ratio 8 or more",
            **units,
        )
        return [first, told]


def in_numpy(game: sg.IteratedMatrixGame, leader: np.ndarray) -> float:
    """The leader's value when the best of all 32 policies answers, ties to the leader."""
    policies, law = game.policies(1), np.zeros((32, 5))
    law[:, 0] = 1.0
    total = np.zeros((32, 2))
    for _ in range(game.num_steps):
        joint = np.einsum("ko,oa,kob->koab", law, leader, policies)
        total += np.stack(
            [np.einsum("koab,ab->k", joint, payoff) for payoff in (game.leader_payoff, game.follower_payoff)], axis=-1
        )
        law = np.zeros((32, 5))
        law[:, 1:] = joint.sum(axis=1).transpose(0, 2, 1).reshape(32, 4)  # 1 + a + 2 b
    best = total[:, 1] >= total[:, 1].max() - 1e-4
    return float(total[best, 0].max())


def published() -> None:
    """521 steps of 64 episodes with 15 decisions each, after 500 steps of the followers'."""
    names = sg.matrix_game_names()[:12]
    processes = [
        sg.StackelbergPOMDP(sg.ContextualTable(sg.iterated_matrix_game(name)), fixes_answers=True) for name in names
    ]
    learners = sg.stack([sg.AfterPretraining(sg.LeaderReinforce(process)) for process in processes])
    run, _ = sg.train(learners, 1_021, seeds=range(5))
    jax.block_until_ready(run.state.policies)
