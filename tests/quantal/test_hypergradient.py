"""Sampled hypergradients have the right mean, and the follower's score is what makes it right."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.quantal.model import Model, worth


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_the_mean_over_plays_is_the_gradient_of_the_leaders_value(announcement):
    """With the true follower: 40,000 plays, every entry within 5 standard errors (a false alarm in 10⁴ runs). The twin
    leaves the follower's score out, and is off by many."""
    game = sg.random_markov_game(2, 2, 2, 2, seed=1, follower_discount=0.9)
    where = sg.MarkovWorld(game, sg.QuantalResponse(4.0), announcement)
    with jax.enable_x64(True):
        rules = where.rules
        agent = sg.SampledHypergradient(10)
        state = agent.init(rules, jax.random.key(0))
        logits = jax.random.normal(jax.random.key(1), state.logits.shape)
        truth = Model(
            jnp.asarray(game.follower_reward).reshape(2, 2, 4),
            jnp.asarray(game.leader_reward),
            jnp.asarray(game.transition),
        )
        state = eqx.tree_at(
            lambda state: (state.weights, state.law, state.logits), state, (truth.weights, truth.law, logits)
        )
        exact = jax.grad(lambda logits: worth(rules, truth, logits))(logits)

        def sampled(agent):
            def one(key):
                episode = where.play(jax.nn.softmax(logits, axis=-1), key)
                left = jnp.cumsum(episode.rewards[::-1])[::-1]
                return agent.slope(rules, state, episode, left - 0.5)

            slopes = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(2), 40_000))
            error = jnp.std(slopes, axis=0) / np.sqrt(len(slopes)) + 1e-6
            return float(jnp.max(jnp.abs(jnp.mean(slopes, axis=0) - exact) / error))

        assert sampled(agent) < 5.0
        assert sampled(sg.SampledHypergradient(10, is_aware=False)) > 8.0


def test_drawn_announcements_climb_the_value_of_drawing():
    """All 16 announcements of a game of two stages and two states, each played exactly: the mean slope is the gradient
    of the expected value. The twin counts the states that were played alone."""
    game = sg.random_markov_game(2, 2, 2, 2, seed=1, follower_discount=0.9)
    where = sg.MarkovWorld(game, sg.QuantalResponse(4.0))
    every = np.eye(2)[np.indices((2,) * 4).reshape(4, -1).T].reshape(16, 2, 2, 2)
    with jax.enable_x64(True):
        values = jnp.array([game.leader_value(one, where.follower(game, one)) for one in every])
        agent = sg.SampledHypergradient(10, is_drawn=True)
        state = agent.init(where.rules, jax.random.key(0))
        logits = jax.random.normal(jax.random.key(1), state.logits.shape)
        state = eqx.tree_at(lambda state: state.logits, state, logits)
        chance = lambda logits: jnp.prod(jnp.sum(jax.nn.softmax(logits, axis=-1) * every, axis=-1), axis=(1, 2))
        exact = jax.grad(lambda logits: chance(logits) @ values)(logits)
        episode = where.play(every[0], jax.random.key(2))

        def mean(slope):
            return sum(
                share * slope(eqx.tree_at(lambda one: one.commitment, episode, jnp.asarray(one)), value)
                for share, one, value in zip(chance(logits), every, values, strict=True)
            )

        gain = lambda value: jnp.full(2, value - 0.5)
        found = mean(lambda episode, value: agent.slope(where.rules, state, episode, gain(value)))
        np.testing.assert_allclose(found, exact, atol=1e-12)
        blind = sg.SampledHypergradient(10, is_aware=False)
        wrong = mean(lambda episode, value: blind.slope(where.rules, state, episode, gain(value)))
        assert np.abs(wrong - exact).max() > 0.01
        drawn = agent.announce(where.rules, state, 0, jax.random.key(3))
        np.testing.assert_array_equal(jnp.sort(drawn, axis=-1), np.broadcast_to([0.0, 1.0], drawn.shape))


@pytest.mark.parametrize("is_drawn", [False, True])
def test_it_climbs(is_drawn):
    """The last announcements are worth more than uniform play, over eight games; without a step they would not be."""
    places = [
        sg.MarkovWorld(sg.random_markov_game(2, 2, 2, 3, seed=seed, follower_discount=0.9), sg.QuantalResponse(4.0))
        for seed in range(8)
    ]
    agent = sg.SampledHypergradient(400, learning_rate=0.2, is_drawn=is_drawn)
    learner = sg.stack([sg.Repeated(agent, place) for place in places])
    run, _ = sg.advance(learner, sg.start(learner, [0]), 400)
    gains = []
    for place, logits in zip(places, np.asarray(run.state.logits)[:, 0], strict=True):
        worth_of = lambda policy, place=place: float(
            place.game.leader_value(policy, place.follower(place.game, policy))
        )
        policy = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        gains.append(worth_of(policy) - worth_of(np.full_like(policy, 0.5)))
    assert np.mean(gains) > 0.1
