"""A critic that sees what every seat sees: a configuration of leaders by policy gradients, and less noise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.experiment import Experiment
from stackelberg.experiments.spec import experiment_from_json, experiment_to_json


GAME = sg.MessagePriceGame([[0.2, 1.0], [0.0, 0.4]], [[0.8, 0.2], [0.5, 0.5]])


def leader(sees, learner=sg.LeaderReinforce, **flags):
    process = sg.StackelbergPOMDP(sg.NoRegret(GAME, num_rounds=20), **flags)
    return learner(process, num_episodes=64, width=16, num_layers=1, critic_sees=sees)


def missed(one, made):
    """Mean squared advantage in phase P, once a critic has learned from the same episodes again and again."""

    @eqx.filter_jit
    def learned(state):
        step = lambda _, state: one.climbed(state, made, 0.0 * made.rewards, 0.2, 0.0, one.drawn(state.policy, made))
        return jax.lax.fori_loop(0, 200, step, state)

    state = learned(one.init(jr.key(1)))
    plays = made.is_counted & ~made.is_query
    return float(jnp.sum(jnp.where(plays, one.advantages(state, made) ** 2, 0.0)) / jnp.sum(plays))


def test_what_only_followers_know_is_no_noise_to_a_critic_that_sees_all():
    """Seeds are fixed. Plays are made to pay the first follower's type at once, when only he has seen it."""
    own, every = leader("leader"), leader("all")
    made = jax.jit(lambda key: own.sample(own.init(key), 0, key).made)(jr.key(0))
    first, asked = np.asarray(made.others[0]), np.asarray(made.is_query)
    assert len(made.others) == 2
    assert np.ptp(first[~asked]) > 0
    assert not np.any(first[asked])
    begins = int(np.argmin(asked[0]))
    paid = jnp.zeros_like(made.rewards).at[:, begins].set(jnp.asarray(first[:, begins], made.rewards.dtype))
    made = eqx.tree_at(lambda one: one.rewards, made, paid)
    assert missed(every, made) < 0.1 * missed(own, made)
    blind = eqx.tree_at(lambda one: one.others, made, jax.tree.map(jnp.zeros_like, made.others))
    # The planted bug: a critic that is shown the phase, and nothing of the followers.
    assert missed(every, made) < 0.1 * missed(every, blind)


def test_where_answers_are_fixed_a_leader_learns_in_phase_q_and_there_is_nothing_more_to_see():
    """Each answer is chosen when it is first asked for, before types are drawn (decision 19)."""
    one = leader("all", fixes_answers=True)
    made = jax.jit(lambda key: one.sample(one.init(key), 0, key).made)(jr.key(0))
    assert np.all(np.asarray(made.is_query)[np.asarray(made.is_counted)])


def test_the_policy_sees_what_the_leader_sees_whatever_its_critic_does():
    for learner in (sg.LeaderReinforce, sg.LeaderPPO):
        one, other = (leader(sees, learner) for sees in ("leader", "all"))
        policies = [each.init(jr.key(0)).policy for each in (one, other)]
        assert jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a, b), *policies))
        written = experiment_to_json(Experiment(other, 2))
        assert written["learner"]["critic_sees"] == "all"
        assert experiment_to_json(experiment_from_json(written)) == written
    with pytest.raises(sg.InputError, match="critic_sees"):
        leader("everyone")
