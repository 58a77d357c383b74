"""Learning from logs: steps of what else would be picked, the kernel's loss, and the total derivative by its price.

The peer of the first is d3rlpy in an environment of its own, whose interpreter `D3RLPY_PYTHON` names. The peers of the
others are the plain work that they are compared with: a ratio of 0.5 says that ours costs twice as much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import stackelberg as sg
from stackelberg._learner import advance, start
from stackelberg.calculus.kernel import Gaussian, kernel_loss

from .measure import Row, compare, elsewhere


STEPS, ROWS = 100, 10_000
PEER = "D3RLPY_PYTHON"
EVERY = 10

PRODUCTS = {"TD3BC": 11.5, "IQL": 15.0}
"""Products of 256×256 matrices in a step: three for a network that learns, one for one that is only asked.

TD3+BC: twin critics 6, their targets 2, the target actor 1; every other step the actor 3, a critic's answer to it and
its slope 2. IQL: twin critics 6, their targets 2, the value 3 and once more at what follows, the actor 3. The first and
last layers are a fiftieth of that and left out.
"""


def rows() -> list[Row]:
    """Baselines, kernel losses, and the leader's step."""
    with elsewhere(PEER, "offline_peer.py") as asked:
        made = [baseline("TD3BC", sg.TD3BC, asked), baseline("IQL", sg.ImplicitQLearning, asked)]
    made += [floor("TD3BC", sg.TD3BC), floor("IQL", sg.ImplicitQLearning)]
    made += [kernel(size) for size in (256, 512, 1024)]
    for hidden in ((64, 64), (256, 256)):
        made += [
            leader("solved anew in every step", hidden, 1, refresh_every=1),
            leader(f"solved in one step of {EVERY}", hidden, EVERY, refresh_every=EVERY),
            leader("of the last layer", hidden, 1, answers="last-layer", refresh_every=1),
        ]
    return [*made, summing()]


def baseline(name: str, kind: Any, asked: Callable[[str], float] | None) -> Row:
    """A step of 256 rows, layers of 256×256, observations of three numbers."""
    return compare(
        "batch",
        f"{name}: a step, batch 256, 256×256",
        steps_of(kind),
        peer_seconds=None if asked is None else lambda: asked(name),
        peer_name="d3rlpy" if asked else "",
        units=STEPS,
        peer_units=STEPS,
        note="aim: ratio 2 or more" if asked else f"no peer: name an interpreter with d3rlpy by {PEER}",
    )


def steps_of(kind: Any) -> Callable[[], None]:
    """Takes 100 steps."""
    rng = np.random.default_rng(0)
    seen, over = rng.normal(size=(ROWS, 3)), np.arange(ROWS) % 200 == 199
    then = np.append(seen[1:], seen[-1:], axis=0)
    learner = kind(sg.Dataset(seen, rng.uniform(-1.0, 1.0, (ROWS, 1)), rng.normal(size=ROWS), then, over))
    run = start(learner, (0,))
    return lambda: jax.block_until_ready(advance(learner, run, STEPS, monitor_every=STEPS)[0].state.critics)


def floor(name: str, kind: Any) -> Row:
    """The same step against the matrix products alone that no step can do without."""

    @jax.jit
    def products(rows, weights):
        step = lambda left, _: (left @ weights, None)
        return jax.lax.scan(step, rows, length=round(STEPS * PRODUCTS[name]))[0]

    square = jr.normal(jr.key(0), (256, 256)) / 16.0
    return compare(
        "batch",
        f"{name}: a step, share of the floor",
        steps_of(kind),
        peer=lambda: jax.block_until_ready(products(square, square)),
        peer_name=f"{PRODUCTS[name]:g} products",
        units=STEPS,
        peer_units=STEPS,
        repeats=9,
        note="aim: ratio 0.7 or more",
    )


def kernel(size: int) -> Row:
    """The gradient of the kernel Bellman loss, Gram matrix included, against that of the mean square."""
    keys = jr.split(jr.key(0), 4)
    critic = eqx.nn.MLP(4, 1, 256, 2, jnp.tanh, key=keys[0])
    here, then = jr.normal(keys[1], (size, 4)), jr.normal(keys[2], (size, 4))
    reward = jr.normal(keys[3], (size,))

    def residual(critic):
        return reward + 0.97 * jax.vmap(critic)(then)[:, 0] - jax.vmap(critic)(here)[:, 0]

    by_kernel = eqx.filter_jit(
        eqx.filter_grad(lambda critic, rows: kernel_loss(residual(critic), Gaussian().gram(rows, rows, 1.0)))
    )
    plain = eqx.filter_jit(eqx.filter_grad(lambda critic: jnp.mean(residual(critic) ** 2)))
    jax.block_until_ready(plain(critic).layers[0].weight)
    repeat = lambda work: [jax.block_until_ready(work().layers[0].weight) for _ in range(20)]
    return compare(
        "batch",
        f"gradient of the kernel Bellman loss, batch {size}, 256×256",
        lambda: repeat(lambda: by_kernel(critic, here)),
        peer=lambda: repeat(lambda: plain(critic)),
        peer_name="mean square",
        units=20,
        peer_units=20,
        repeats=9,
        note="aim: ratio 0.87 or more",
    )


def leader(name: str, hidden: tuple[int, ...], steps: int, **settings: Any) -> Row:
    """The leader's direction, on average over the steps for which a solution stands, against both plain gradients."""
    data = sg.control_log(sg.Pendulum(), lambda state, key: jr.uniform(key, (1,), minval=-1.0), 2_000, jr.key(0))
    learner = sg.NeuralStackelbergLearner(
        data,
        sg.cloned(data, hidden=hidden, num_steps=10),
        sg.features_for(data, key=jr.key(1)),
        sg.RewardScale(-16.2736, 0.0, 0.97),
        batch_size=256,
        hidden=hidden,
        **settings,
    )
    state = eqx.filter_jit(learner.init)(jr.key(0))
    drawn = jax.tree.map(lambda leaf: leaf[-1], eqx.filter_jit(learner.sample)(state, 0, jr.key(1)))

    @eqx.filter_jit
    def total(state, rows, n):
        slope, solution, top, *_ = learner.direction(state, rows, n, jr.key(0))
        return slope, state._replace(solution=solution, top=top)

    @eqx.filter_jit
    def plain(state, rows):
        with_net = lambda net: eqx.tree_at(lambda one: one.network, state.critic, net)
        own = jax.grad(learner.leader_loss)(state.policy, state.critic, rows)
        return own, jax.grad(lambda net: learner.follower_loss(state.policy, with_net(net), rows))(state.critic.network)

    def ours():
        made = state
        for n in range(EVERY):
            made = jax.block_until_ready(total(made, drawn, jnp.asarray(n % steps)))[1]

    def others():
        for _ in range(EVERY):
            jax.block_until_ready(plain(state, drawn))

    others()
    size = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(state.critic.network, eqx.is_array)))
    return compare(
        "batch",
        f"total derivative {name}, critic of {size:,} weights",
        ours,
        peer=others,
        peer_name="two plain gradients",
        units=EVERY,
        peer_units=EVERY,
        note="aim: ratio 0.33 or more",
    )


def summing() -> Row:
    """Averages of 100,000 rows by 225 tests and 150 features."""
    rng, size = np.random.default_rng(0), 100_000
    seen = rng.normal(size=(size, 3))
    data = sg.Dataset(seen, rng.uniform(-1.0, 1.0, (size, 1)), rng.uniform(size=size), seen, np.ones(size, bool))
    tests, critic = (sg.features_for(data, count, key=jr.key(count)) for count in (225, 150))
    policy = sg.blank_batch_policy(0, 0, 1, np.zeros(3), np.ones(3), (8,), jr.key(0))
    scale = sg.RewardScale(0.0, 1.0, 0.97)
    return compare(
        "batch",
        "averages of a log: a row by 225 tests and 150 features",
        lambda: sg.moments_of(data, critic, tests, scale, policy=policy, key=jr.key(0)),
        units=size,
        repeats=3,
        note="no peer",
    )
