"""The proved width of a whole model: its formula by hand, and a truth that it never excludes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.quantal import model_agents
from stackelberg.quantal.farsighted_likelihood import fitted_farsighted, model_loss
from stackelberg.quantal.model import Model
from stackelberg.quantal.model_uncertainty import leader_side, proved_width
from stackelberg.quantal.myopic_likelihood import zero_weights
from stackelberg.quantal.record import PlayRecord


def world(discount, rate, horizon=2, **settings):
    game = sg.random_markov_game(2, 2, 2, horizon, seed=3, follower_discount=discount)
    return sg.MarkovWorld(game, sg.QuantalResponse(rate), **settings)


def test_the_width_is_the_one_computed_by_hand():
    """s = a = b = H = 2, λ = 1, γ = 0, T = 16, and a ridge that makes B = 2: n = 16 and E = 1.

    β = 16 log 129 + 16 log 34 + 16 log 5 + 5 + log 20 = 167.925, and √(2 β) = 18.3262.
    """
    ridge = 16.0 * np.log(2.0)
    with jax.enable_x64(True):
        assert float(proved_width(world(0.0, 1.0).rules, 16, ridge)) == pytest.approx(18.3262, abs=1e-4)
        known = float(proved_width(world(0.0, 1.0, reward_known=True).rules, 16, ridge))
        assert known == pytest.approx(np.sqrt(2.0 * (167.92552 - 16.0 * np.log(5.0))), abs=1e-4)
        # γ = 1/2: E = 3/2, so that 129 becomes 193 and 34 becomes 2 + 32 (1 + 9) = 322.
        ahead = 2.0 * (16.0 * np.log(193.0 * 322.0 * 5.0) + 5.0 + np.log(20.0))
        assert float(proved_width(world(0.5, 1.0).rules, 16, ridge)) == pytest.approx(np.sqrt(ahead), abs=1e-9)


def test_the_proved_set_never_excludes_the_truth():
    """200 logs of 60 episodes. What the truth loses is near half a χ² with 50 degrees of freedom (weights, rewards,
    laws): that it exceeds β, which is above 300, has a probability below 1e-80.

    The twin forgets the covering, and allows log 20 + 5 H / 2 alone, as for a single model: it excludes most truths.
    """
    where, number, episodes = world(0.9, 4.0), 200, 60
    rules, game = where.rules, where.game
    announced = np.random.default_rng(0).dirichlet(np.ones(2), (12, 2, 2))
    place = np.arange(episodes) % 12
    with jax.enable_x64(True):
        truth = Model(
            jnp.asarray(game.follower_reward).reshape(2, 2, 4),
            jnp.asarray(game.leader_reward),
            jnp.broadcast_to(jnp.asarray(game.transition), (2, 2, 2, 2, 2)),
        )
        policies, start, ridge = jnp.asarray(announced), zero_weights(rules), 1.0 / 16.0

        @jax.jit
        @jax.vmap
        def excess(key):
            plays = jax.vmap(where.play)(policies[place], jax.random.split(key, episodes))
            record = PlayRecord.of(rules, policies, plays, jnp.asarray(place))
            reward, law = leader_side(rules, record)
            weights = fitted_farsighted(rules, record, law, start, ridge, 15).weights
            return model_loss(rules, record, truth) - model_loss(rules, record, Model(weights, reward, law))

        lost = np.asarray(excess(jax.random.split(jax.random.key(0), number)))
        beta = 0.5 * float(proved_width(rules, episodes, 1.0)) ** 2
    assert np.all(np.isfinite(lost))
    assert beta > 300.0
    assert np.all(lost <= beta)
    assert np.mean(lost > np.log(20.0) + 5.0) > 0.5


@pytest.mark.parametrize("agent", [sg.OptimisticMaximumLikelihood, sg.PessimisticMaximumLikelihood])
def test_a_preset_is_one_of_two(agent):
    assert agent().preset == "calibrated"
    assert agent(preset="theory").preset == "theory"
    with pytest.raises(sg.InputError, match="preset"):
        agent(preset="theorie")


@pytest.mark.parametrize("agent", [sg.OptimisticMaximumLikelihood, sg.PessimisticMaximumLikelihood])
def test_plans_are_made_with_the_width_of_the_preset(agent, monkeypatch):
    """What the search for a policy is handed, in both presets."""
    widths = []

    def caught(possible, *rest):
        widths.append(float(possible.width))
        raise StopIteration

    monkeypatch.setattr(model_agents, "planned", caught)
    rules = world(0.9, 4.0, horizon=1).rules
    with jax.enable_x64(True):
        for settings in ({"width": 1.5}, {"width": 1.5, "preset": "theory"}):
            with pytest.raises(StopIteration):
                agent(20, ridge=2.0, **settings).init(rules, jax.random.key(0))
        proved = float(proved_width(rules, 20, 2.0))
    assert widths == [1.5, proved]
    assert proved > 10.0
