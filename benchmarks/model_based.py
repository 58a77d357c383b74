"""Policies and world models: exact players on many models at once, and deep iterations by their parts.

The peer of exact players is NumPy, one model after another. Deep figures have no peer in this run; the parent paper's
own code takes 28 to 53 s for an iteration on a GPU.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import stackelberg as sg
from stackelberg._learner import advance
from stackelberg.model_based.ensemble import Transitions, blank_ensemble, fitted
from stackelberg.rl.actor import blank_actor

from .measure import Row, compare


NUM_MODELS = 20_000
SAMPLED = 100
WIDE, MEMBERS, PLAYS, LENGTH = 200, 4, 256, 50


def rows() -> list[Row]:
    """Fixed points, imagined steps, updates of the ensemble, and whole iterations."""
    process = sg.decision_process("simple-2")
    models = sg.random_models(process, NUM_MODELS)
    learner = sg.model_as_leader(
        sg.Pendulum(), num_iterations=4, members=MEMBERS, elites=MEMBERS, policy_steps=5, num_rollouts=200,
        rollout_length=50, fit_steps=800, minibatch=64, model_width=WIDE, real_steps=1_000,
    )  # fmt: skip
    run, _ = sg.train(learner, 1)
    return [
        compare(
            "model-based",
            "where exact players come to rest, from one first model",
            lambda: sg.repeated_fits(process, models),
            peer=lambda: [in_numpy(process, model) for model in models[:SAMPLED]],
            peer_name="NumPy",
            units=NUM_MODELS,
            peer_units=SAMPLED,
        ),
        imagined(),
        updates(),
        compare(
            "model-based",
            "iteration: 50,000 imagined steps, 5 improvements, 800 updates of 4 members",
            lambda: jax.block_until_ready(advance(learner, run, 1, monitor_every=1)[0].state.critic),
            repeats=3,
            target=4.0,
            note=f"width {WIDE}; no peer",
        ),
    ]


def in_numpy(process: sg.DecisionProcess, model: np.ndarray) -> np.ndarray:
    """Plan by policy iteration, make right what is met, and again."""
    law, reward, over = (np.asarray(one) for one in (process.transition, process.reward, process.is_terminal))
    known = np.zeros(law.shape[:2], dtype=bool)
    while True:
        told = np.where(known[..., None] | over[:, None, None], law, model)
        paid, policy = (told * reward).sum(-1), np.zeros(len(law), dtype=int)
        for _ in range(50):
            rows = np.arange(len(law))
            value = np.linalg.solve(np.eye(len(law)) - 0.99 * told[rows, policy], paid[rows, policy])
            better = np.argmax(paid + 0.99 * told @ value, axis=1)
            if np.array_equal(better, policy):
                break
            policy = better
        met = np.zeros_like(known)
        reached = process.initial > 0
        for _ in range(len(law)):
            reached = reached | ((reached @ (law[rows, policy] > 0)) > 0)
        met[rows, policy] = reached & ~over
        if not np.any(met & ~known):
            return policy
        known |= met


def imagined() -> Row:
    """Plays of a pendulum in four members at once."""
    world = sg.Pendulum()
    learner = sg.ImaginedPlay(world, members=MEMBERS, elites=MEMBERS, model_width=WIDE)
    ensemble, actor = blank_ensemble(3, 1, MEMBERS, (WIDE, WIDE), jr.key(0)), blank_actor(world, (64, 64), jr.key(1))
    starts = jax.vmap(world.reset)(jr.split(jr.key(2), PLAYS * MEMBERS))
    play = eqx.filter_jit(lambda key: learner.imagination.plays(world, ensemble, actor, starts, key, LENGTH).rewards)
    return compare(
        "model-based",
        "imagined step, four members of 200×200",
        lambda: jax.block_until_ready(play(jr.key(3))),
        units=PLAYS * MEMBERS * LENGTH,
        target=1.0 / 0.8e6,
        note="policy included; no peer",
    )


def updates() -> Row:
    """Minibatches of 64 for four members at once."""
    rng, steps = np.random.default_rng(0), 200
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    data = Transitions(draw(5_000, 3), draw(5_000, 1), draw(5_000, 3), draw(5_000), jnp.zeros(5_000))
    blank = blank_ensemble(3, 1, MEMBERS, (WIDE, WIDE), jr.key(0)).normalised(data)
    moments = optax.scale_by_adam().init(eqx.filter(blank.networks, eqx.is_inexact_array))
    pick = lambda key: jax.tree.map(lambda leaf: leaf[jr.randint(key, (MEMBERS, 64), 0, 5_000)], data)
    learn = eqx.filter_jit(lambda key: fitted(blank, moments, pick, key, steps, 1e-3, False, 0.0)[2])
    return compare(
        "model-based",
        "update of the ensemble, minibatch 64, four members of 200×200",
        lambda: jax.block_until_ready(learn(jr.key(1))),
        units=steps,
        note="no peer",
    )
