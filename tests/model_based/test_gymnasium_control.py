"""Tasks of Gymnasium as worlds: the same trajectories as theirs, side by side, stopped and resumed."""

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.experiment import Experiment
from stackelberg.experiments.spec import experiment_from_json, experiment_to_json
from stackelberg.games.adapters import gymnasium_control
from stackelberg.games.control import episodes_of
from stackelberg.rl.actor import random_action


CLASSIC = ["CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "Acrobot-v1"]
MUJOCO = ["InvertedPendulum-v5", "Hopper-v5", "HalfCheetah-v5", "Reacher-v5"]

TINY = {"num_iterations": 3, "real_steps": 40, "initial_steps": 60, "policy_steps": 2, "fit_steps": 5, "minibatch": 16,
        "members": 3, "elites": 2, "num_rollouts": 8, "rollout_length": 5, "width": 8, "model_width": 8}  # fmt: skip


def taken(task, action):
    """A row in [-1, 1], or one-hot, as the task takes it."""
    space = gymnasium.make(task).action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(np.argmax(action))
    return (space.low + 0.5 * (np.clip(action, -1, 1) + 1.0) * (space.high - space.low)).astype(space.dtype)


@pytest.mark.parametrize("task", CLASSIC + MUJOCO)
def test_an_episode_is_that_of_gymnasium(task):
    """Carried from step to step bit for bit: nothing drifts in 100 steps, though what is seen is single precision."""
    if task in MUJOCO:
        pytest.importorskip("mujoco")
    world, peer = sg.GymnasiumControl(task, num_steps=100), gymnasium.make(task)
    key = jr.key(7)
    played = episodes_of(world, lambda state, key: random_action(world, key), key, 2)
    starts = [jr.split(one)[0] for one in jr.split(key, 2)]
    for episode, start in enumerate(starts):
        seen, _ = peer.reset(seed=int(jr.bits(start)))
        for step in range(100):
            assert np.asarray(played.state[episode, step]) == pytest.approx(np.ravel(seen), rel=1e-5, abs=1e-5)
            seen, paid, over, *_ = peer.step(taken(task, np.asarray(played.action[episode, step])))
            assert float(played.reward[episode, step]) == pytest.approx(paid, rel=1e-4, abs=1e-4)
            assert bool(played.is_over[episode, step]) == over
            if over:
                break
    assert np.ptp(np.asarray(played.state)) > 0.01


def test_copies_share_one_simulator_and_do_not_disturb_each_other():
    world = sg.GymnasiumControl("InvertedPendulum-v5", num_steps=30)
    act = lambda state, key: random_action(world, key)
    together = episodes_of(world, act, jr.key(0), 5)
    keys = jr.split(jr.key(0), 5)

    def alone(key):
        of_start, of_steps = jr.split(key)
        whole = world.begun(of_start)
        rows = []
        for each in jr.split(of_steps, 30):
            of_act, of_world = jr.split(each)
            made = world.advanced(whole, act(world.seen(whole), of_act), of_world)
            rows.append(np.asarray(made.then))
            whole = made.whole
        return np.stack(rows)

    for number in (4, 0, 2):
        assert np.array_equal(alone(keys[number]), np.asarray(together.then[number]))


def test_a_world_agrees_with_ours_of_the_same_equations():
    theirs, ours = sg.GymnasiumControl("CartPole-v1"), sg.CartPole()
    assert (theirs.num_steps, theirs.num_features, theirs.num_actions) == (500, 4, 2)
    whole = theirs.begun(jr.key(3))
    for key in jr.split(jr.key(4), 12):
        state, action = theirs.seen(whole), random_action(ours, key)
        made = theirs.advanced(whole, action, key)
        then = ours.step(state, action, key)
        assert np.asarray(made.then) == pytest.approx(np.asarray(then), abs=1e-5)
        assert bool(made.is_over) == bool(ours.is_over(then))
        whole = made.whole


def test_nothing_outside_of_a_run_remembers():
    """The simulator's state is in the carry: who used it between two steps makes no difference."""
    world = sg.GymnasiumControl("InvertedPendulum-v5", num_steps=60)
    learner = sg.model_as_leader(world, **TINY)
    assert (learner.knows_reward, learner.knows_end) == (False, False)
    state, sample = learner.init(jr.key(0)), eqx.filter_jit(lambda state, key: learner.sample(state, 0, key))
    first = sample(state, jr.key(1))
    world.advanced(world.begun(jr.key(9)), jnp.ones(1), jr.key(9))
    again = sample(state, jr.key(1))
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        assert np.array_equal(one, other)
    assert np.asarray(first.met.ends).sum() > 0


@pytest.mark.slow
def test_a_policy_is_learned_in_a_simulator():
    """1,000 steps upright, 9 in the beginning; rewards and ends are learned. One seed, as in the docs."""
    learner = sg.model_as_leader(sg.GymnasiumControl("InvertedPendulum-v5"), num_iterations=9, discount=0.99)
    stacked = sg.stack([learner], [sg.ControlTruth(num_episodes=5).attached(learner)])
    _, metrics = sg.train(stacked, 9, [0])
    assert metrics["true_value"][0] < 100.0
    assert metrics["true_value"].max() >= 950.0


def test_what_is_seen_is_as_precise_as_the_program_that_asks():
    """Simulators are called from threads of their own, which know nothing of the precision that is asked for."""
    world = sg.GymnasiumControl("Pendulum-v1")
    with jax.enable_x64(True):
        made = jax.jit(lambda key: world.advanced(world.begun(key), jnp.ones(1), key))(jr.key(0))
        assert (made.then.dtype, made.reward.dtype) == (np.float64, np.float64)
        assert np.hypot(*np.asarray(made.then)[:2]) == pytest.approx(1.0, abs=1e-6)
    made = jax.jit(lambda key: world.advanced(world.begun(key), jnp.ones(1), key))(jr.key(0))
    assert made.then.dtype == np.float32


def test_an_experiment_on_a_task_has_a_file():
    learner = sg.policy_as_leader(sg.GymnasiumControl("InvertedPendulum-v5"))
    written = experiment_to_json(Experiment(learner, 3))
    assert written["learner"]["environment"] == {
        "kind": "gymnasium-control", "task": "InvertedPendulum-v5", "num_steps": 1000,
    }  # fmt: skip
    assert experiment_to_json(experiment_from_json(written)) == written


@pytest.mark.parametrize(
    ("task", "code", "words"),
    [
        ("FrozenLake-v1", "E-ADAPTER-004", "number of a state"),
        ("Nonsense-v0", "E-ADAPTER-003", "doesn't exist"),
        ("os:CartPole-v1", "E-ADAPTER-003", "import a module"),
    ],
)
def test_what_is_no_such_task_is_refused(task, code, words):
    with pytest.raises(sg.InputError, match=f"{code}.*{words}"):
        sg.GymnasiumControl(task)


def test_a_task_that_does_another_thing_from_the_same_state_is_refused(monkeypatch):
    """The planted bug: a simulator that is not set back, and one whose pushes are left to chance."""
    real = gymnasium_control._keeper

    def forgets(name, env):
        return real(name, env)[0], lambda state: None

    monkeypatch.setattr(gymnasium_control, "_keeper", forgets)
    for task in ("CartPole-v1", "InvertedPendulum-v5"):
        with pytest.raises(sg.InputError, match=r"E-ADAPTER-004.*another thing"):
            gymnasium_control.Simulator(task)


@pytest.mark.parametrize("field", ["knows_reward", "knows_end"])
def test_only_the_simulator_knows_what_steps_pay(field):
    world = sg.GymnasiumControl("Pendulum-v1")
    with pytest.raises(sg.InputError, match=field):
        sg.model_as_leader(world, **{field: True})
    with pytest.raises(sg.InputError, match="knows_reward=False"):
        world.reward(jnp.zeros(3), jnp.zeros(1), jnp.zeros(3))
    with pytest.raises(sg.InputError, match="knows_reward=False"):
        world.step(jnp.zeros(3), jnp.zeros(1), jr.key(0))
    with pytest.raises(sg.InputError, match="knows_reward=False"):
        world.is_over(jnp.zeros(3))
