"""Worlds to control, ensembles and policies improved in them; tiny networks, seeds fixed."""

import gymnasium
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from scipy import stats

import stackelberg as sg
from stackelberg.experiments.experiment import Experiment
from stackelberg.experiments.spec import experiment_from_json, experiment_to_json
from stackelberg.games.control import episode_returns
from stackelberg.model_based.ensemble import Transitions, blank_ensemble, fitted
from stackelberg.model_based.gathering import gathered, not_held_out
from stackelberg.rl.actor import blank_actor, random_action
from stackelberg.rl.imagined import Critic, Improver, Plays, lessons
from stackelberg.rl.policy import network


TINY = {"num_iterations": 3, "real_steps": 40, "initial_steps": 60, "policy_steps": 2, "fit_steps": 5, "minibatch": 16,
        "members": 3, "elites": 2, "num_rollouts": 8, "rollout_length": 5, "width": 8, "model_width": 8}  # fmt: skip


def test_the_pendulum_is_that_of_gymnasium():
    world, peer = sg.Pendulum(), gymnasium.make("Pendulum-v1").unwrapped
    rng = np.random.default_rng(0)
    peer.reset(seed=0)
    for _ in range(200):
        before, action = peer._get_obs(), rng.uniform(-1, 1)
        then, reward, *_ = peer.step(np.array([2.0 * action]))
        state, made = jnp.asarray(before), jnp.array([action])
        assert np.asarray(world.step(state, made, jr.key(0))) == pytest.approx(then, abs=1e-4)
        assert float(world.reward(state, made, state)) == pytest.approx(reward, abs=1e-3)


def test_the_pole_on_a_cart_is_that_of_gymnasium():
    world, peer = sg.CartPole(), gymnasium.make("CartPole-v1").unwrapped
    rng, ends = np.random.default_rng(0), 0
    for episode in range(10):
        before, _ = peer.reset(seed=episode)
        is_over = False
        while not is_over:
            action = int(rng.integers(2))
            then, reward, is_over, *_ = peer.step(action)
            made = jax.nn.one_hot(action, 2)
            assert np.asarray(world.step(jnp.asarray(before), made, jr.key(0))) == pytest.approx(then, abs=1e-5)
            assert bool(world.is_over(jnp.asarray(then))) == is_over
            assert float(world.reward(jnp.asarray(before), made, jnp.asarray(then))) == reward
            before, ends = then, ends + is_over
    assert ends == 10


def test_what_is_imagined_is_settled_in_the_world():
    settled = np.asarray(sg.Pendulum().settled(jnp.array([3.0, 4.0, 20.0])))
    assert settled == pytest.approx([0.6, 0.8, 8.0], abs=1e-5)
    assert np.asarray(sg.LineFork().settled(jnp.array([-9.0]))) == pytest.approx([-1.2])


def test_a_point_and_a_fork_pay_what_they_say():
    point = sg.PointMass([0.0, 0.0])
    at_rest = jnp.zeros(4)
    assert float(point.reward(at_rest, jnp.zeros(2), point.step(at_rest, jnp.zeros(2), jr.key(0)))) == pytest.approx(
        0.0, abs=2e-3
    )
    fork = sg.LineFork()
    run = lambda push: np.asarray(episode_returns(fork, lambda state, key: jnp.full(1, push), jr.key(0), 5))
    assert run(1.0) == pytest.approx(10.0 - 0.01 * 15, abs=0.03)
    assert run(-1.0) == pytest.approx(1.0 - 0.01 * 5, abs=0.03)


@pytest.mark.parametrize("world", [sg.PointMass(), sg.CartPole()], ids=["continuous", "discrete"])
def test_actors_say_how_likely_their_draws_are(world):
    """20,000 draws: entropy and divergence of two by sampling, within 4.5 standard errors (7 false alarms in 10⁶)."""
    actor, other = (blank_actor(world, (8,), jr.key(key)) for key in (0, 1))
    other = jax.tree.map(
        lambda one, by: one + by + 0.5 * jnp.sin(jnp.arange(one.size)).reshape(one.shape), actor, other
    )
    state = jnp.asarray(world.scale, dtype=jnp.float32)
    draws = jax.vmap(lambda key: actor.draw(state, key))(jr.split(jr.key(2), 20_000))
    logs = np.asarray(jax.vmap(lambda action: actor.log_chance(state, action))(draws))
    others = np.asarray(jax.vmap(lambda action: other.log_chance(state, action))(draws))
    within = lambda values: 4.5 * values.std() / np.sqrt(len(values))
    assert logs.mean() == pytest.approx(-float(actor.entropy(state)), abs=within(logs))
    assert (logs - others).mean() == pytest.approx(float(actor.divergence(other, state)), abs=within(logs - others))
    assert float(actor.divergence(other, state)) > 5e-4
    if not world.num_actions:
        mean, spread = np.asarray(actor.greedy(state)), np.exp(np.clip(np.asarray(actor.log_deviation), -3, 0))
        assert logs[0] == pytest.approx(stats.norm.logpdf(np.asarray(draws[0]), mean, spread).sum(), abs=1e-4)


def plays_of(world, actor, length=6, number=8):
    def one(key):
        start, steps = jr.split(key)

        def step(state, key):
            action = actor.draw(state, key)
            then = world.step(state, action, key)
            return then, (state, action, then, world.reward(state, action, then))

        return jax.lax.scan(step, world.reset(start), jr.split(steps, length))[1]

    made = jax.vmap(one, out_axes=1)(jr.split(jr.key(3), number))
    ones = jnp.ones((length, number))
    ends = jnp.zeros((length, number)).at[3, 0].set(1.0)
    goes_on, counts = ones.at[3, 0].set(0.0), ones.at[4:, 0].set(0.0)
    return Plays(*made, counts, goes_on, ends)


def test_advantages_are_those_of_plain_loops():
    world = sg.PointMass()
    actor, scale = blank_actor(world, (8,), jr.key(0)), jnp.ones(4)
    critic = Critic(network(4, 1, (8,), jr.key(1)), scale)
    plays = plays_of(world, actor)
    told = lessons(actor, critic, plays, 0.9, 0.8)
    value, after = (np.asarray(jax.vmap(jax.vmap(critic))(states)) for states in (plays.states, plays.thens))
    rewards, counts, ends = (np.asarray(part) for part in (plays.rewards, plays.counts, plays.is_over))
    by_hand = np.zeros_like(rewards)
    for n in range(rewards.shape[1]):
        carry = 0.0
        for t in reversed(range(rewards.shape[0])):
            if counts[t, n] == 0.0:
                continue
            surprise = rewards[t, n] + 0.9 * after[t, n] * (1 - ends[t, n]) - value[t, n]
            carry = surprise + 0.72 * carry * (1 - ends[t, n])
            by_hand[t, n] = carry
    assert np.asarray(told.target - value)[counts > 0] == pytest.approx(by_hand[counts > 0], abs=1e-4)
    gain = np.asarray(told.gain)[counts > 0]
    assert (gain.mean(), gain.std()) == pytest.approx((0.0, 1.0), abs=1e-3)


@pytest.mark.parametrize("world", [sg.PointMass(), sg.CartPole()], ids=["continuous", "discrete"])
def test_a_natural_step_goes_as_far_as_it_was_told(world):
    """The mean divergence is the target to second order; half of the states stand for all in the Fisher products."""
    actor = blank_actor(world, (8,), jr.key(0))
    critic = Critic(network(4, 1, (8,), jr.key(1)), jnp.ones(4))
    plays = plays_of(world, actor, length=8, number=32)
    told = lessons(actor, critic, plays, 0.9, 0.8)
    for target in (1e-4, 1e-3):
        improver = Improver(True, 1, 4, 1e-3, 0.2, 0.0, target)
        *_, moved = improver.improved(actor, critic, improver.blank(actor, critic), plays, told, jr.key(4))
        assert float(moved) == pytest.approx(target, rel=0.5)


def test_clipped_steps_raise_what_was_better_than_expected():
    world = sg.PointMass()
    actor = blank_actor(world, (8,), jr.key(0))
    critic = Critic(network(4, 1, (8,), jr.key(1)), jnp.ones(4))
    plays = plays_of(world, actor, number=32)
    told = lessons(actor, critic, plays, 0.9, 0.8)
    improver = Improver(False, 4, 4, 1e-2, 0.2, 0.0, 0.01)
    after, wiser, _, moved = improver.improved(actor, critic, improver.blank(actor, critic), plays, told, jr.key(4))
    now = jax.vmap(jax.vmap(after.log_chance))(plays.states, plays.actions)
    rise = np.asarray((now - told.before) * told.gain * plays.counts)
    assert rise.mean() > 0.0
    assert float(moved) > 1e-4
    off = lambda one: float(jnp.mean((jax.vmap(jax.vmap(one))(plays.states) - told.target) ** 2 * plays.counts))
    assert off(wiser) < off(critic)


def linear_world(size=600):
    rng = np.random.default_rng(0)
    states, actions = rng.normal(size=(size, 2)), rng.uniform(-1, 1, (size, 1))
    thens = states + 0.1 * states @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 0.2 * actions
    rewards = states[:, 0] + actions[:, 0]
    ends = (thens[:, 0] > 1.0).astype(float)
    return Transitions(*(jnp.asarray(part, jnp.float32) for part in (states, actions, thens, rewards, ends)))


@pytest.mark.parametrize("is_deterministic", [True, False])
def test_an_ensemble_learns_change_reward_and_end(is_deterministic):
    """Members see minibatches of their own, and agree in the end; shuffled targets, a planted bug, are not learned."""
    data = linear_world()
    blank = blank_ensemble(2, 1, 3, (32, 32), jr.key(0)).normalised(data)
    moments = optax.scale_by_adam().init(blank.networks)
    draw = lambda data: lambda key: jax.tree.map(lambda leaf: leaf[jr.randint(key, (3, 64), 0, 600)], data)
    learn = jax.jit(lambda data: fitted(blank, moments, draw(data), jr.key(1), 600, 3e-3, is_deterministic, 0.0)[0])
    made = learn(data)
    before, after = (np.asarray(one.losses(data, is_deterministic)) for one in (blank, made))
    assert np.all(after < before - 1.0)
    then, reward, _ = made.step(
        jax.tree.map(lambda leaf: leaf[0], made.networks), data.states[0], data.actions[0], jnp.zeros(3)
    )
    assert np.asarray(then) == pytest.approx(np.asarray(data.thens[0]), abs=0.05)
    assert float(reward) == pytest.approx(float(data.rewards[0]), abs=0.15)
    second = jax.tree.map(lambda leaf: leaf[1], made.networks)
    ends = jax.vmap(lambda state, action: made.step(second, state, action, jnp.zeros(3))[2])(data.states, data.actions)
    assert np.mean((np.asarray(ends) > 0) == (np.asarray(data.ends) > 0.5)) > 0.95
    moved = data.states + (data.thens - data.states)[::-1]
    shuffled = Transitions(data.states, data.actions, moved, data.rewards[::-1], data.ends[::-1])
    assert np.all(np.asarray(learn(shuffled).losses(shuffled, is_deterministic)) > after + 0.5)
    far = float(made.disagreement(jnp.full(2, 30.0), jnp.ones(1)))
    assert far > 5 * float(made.disagreement(data.states[0], data.actions[0]))


def test_episodes_begin_anew_where_they_end():
    world = sg.CartPole(num_steps=25)
    met, returned = gathered(world, lambda state, key: random_action(world, key), jr.key(0), 2, 300)
    states, thens, ends = np.asarray(met.states), np.asarray(met.thens), np.asarray(met.ends)
    continued = np.all(np.isclose(states[1:], thens[:-1]), axis=1)
    assert continued.sum() > 250
    assert not np.any(continued[ends[:-1] > 0])
    assert np.all(np.abs(states[1:][~continued]) <= 0.05)
    assert 5.0 < float(returned) <= 25.0
    assert np.all(np.asarray(not_held_out(jnp.arange(100), 100)) % 10 != 0)


@pytest.mark.parametrize(
    ("world", "settings"),
    [
        (sg.PointMass(), {}),
        (sg.CartPole(), {"gradient": "natural", "knows_reward": False, "knows_end": False, "is_deterministic": True,
                         "disagreement": 5.0, "window": 50, "later": sg.CartPole(0.8), "changes_at": 1}),
    ],
    ids=["proximal", "natural, all learned"],
)  # fmt: skip
def test_portions_of_a_run_are_the_run(world, settings):
    learner = sg.model_as_leader(world, **{**TINY, **settings})
    stacked = sg.stack([learner], [sg.ControlTruth(num_episodes=2).attached(learner)])
    whole, metrics = sg.train(stacked, 3, range(2))
    run, _ = sg.advance(stacked, sg.start(stacked, range(2)), 1)
    run, _ = sg.advance(stacked, run, 2, last=3)
    for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(run.state), strict=True):
        assert np.array_equal(one, other)
    assert {"promised", "returned", "gap", "loss_current", "loss_initial", "hiding", "true_value"} <= set(metrics)
    assert all(np.isfinite(values).all() for values in metrics.values())
    assert metrics["gap"] == pytest.approx(metrics["promised"] - metrics["returned"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("preset", [sg.policy_as_leader, sg.model_as_leader])
def test_the_pole_is_kept_upright_within_5_000_real_steps(preset):
    learner = preset(sg.CartPole(), num_iterations=9, discount=0.99)
    stacked = sg.stack([learner], [sg.ControlTruth().attached(learner)])
    _, metrics = sg.train(stacked, 9, [0])
    assert metrics["true_value"].max() >= 475.0


def test_presets_differ_in_two_knobs():
    pal, mal = sg.policy_as_leader(sg.Pendulum()), sg.model_as_leader(sg.Pendulum())
    assert (mal.window, pal.window > 0) == (0, True)
    assert pal.policy_steps < mal.policy_steps
    assert sg.simultaneous(sg.Pendulum()).policy_steps == 1
    assert sg.best_response_play(sg.Pendulum()).fit_steps > mal.fit_steps
    written = experiment_to_json(
        Experiment(sg.policy_as_leader(sg.Pendulum()), 3, monitor=sg.ControlTruth(sg.Pendulum()))
    )
    assert experiment_to_json(experiment_from_json(written)) == written


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"elites": 9}, "elites"),
        ({"num_copies": 10_000}, "num_copies"),
        ({"gradient": "vanilla"}, "gradient"),
        ({"later": sg.CartPole()}, "later"),
        ({"discount": 1.5}, "discount"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, field):
    with pytest.raises(sg.InputError, match=field):
        sg.ImaginedPlay(sg.Pendulum(), **settings)
