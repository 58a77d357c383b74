"""Messages and sequential prices: values by enumeration and by play, the published settings by brute force."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.followers.asking_all import Answers

from .mechanism_brute_force import best_without_messages, efficient_mechanism, expected


SETTINGS = {
    "PI": (sg.information_game, ((0.2, 1.0), (0.0, 0.4)), ((0.8, 0.2), (0.5, 0.5))),
    "two types": (lambda m: sg.message_space_game(2, m), ((0.0, 1.0),) * 2, ((0.5, 0.5),) * 2),
    "three types": (lambda m: sg.message_space_game(3, m), ((0.0, 0.5, 1.0),) * 2, ((1 / 3,) * 3,) * 2),
}


def commitment_of(game, mechanism, messages):
    """A mechanism of plans as a table of the game."""
    table = np.full(game.shape_of(0), 1.0 / game.shape_of(0)[1])
    prices = [round(float(price), 6) for price in game.prices]
    for (one, two), (first, price, later) in mechanism.items():
        said = one + messages * two
        for visited, seat, asked in ((0, first, price), (1 << first, 1 - first, later)):
            row = np.zeros(table.shape[1])
            row[seat + 2 * prices.index(round(asked, 6))] = 1.0
            table[1 + visited + 4 * said] = row
    return table


def spoken(speaking, messages):
    """Message strategies as tables; the last row is that after the message."""
    return tuple(np.vstack([np.eye(messages)[list(own)], np.eye(messages)[0]]) for own in speaking)


@pytest.mark.parametrize("name", SETTINGS)
def test_values_of_mechanisms_by_enumeration(name):
    make, values, chances = SETTINGS[name]
    game, rng = make(2), np.random.default_rng(0)
    prices = [float(price) for price in game.prices]
    for _ in range(10):
        draw = lambda: (int(rng.integers(2)), float(rng.choice(prices)), float(rng.choice(prices)))
        mechanism = {said: draw() for said in itertools.product(range(2), repeat=2)}
        speaking = [tuple(int(word) for word in rng.integers(0, 2, len(own))) for own in values]
        found = game.values(commitment_of(game, mechanism, 2), spoken(speaking, 2))
        np.testing.assert_allclose(found, expected(mechanism, speaking, values, chances), atol=1e-6)


def test_plays_are_paid_their_value():
    """20,000 plays of mixtures: 5 standard errors, false alarm 2e-6. Other odds of the types are far off."""
    game, rng = sg.information_game(), np.random.default_rng(1)
    shapes = [game.shape_of(seat) for seat in range(3)]
    tables = tuple(jnp.asarray(rng.dirichlet(np.ones(b), p), jnp.float32) for p, b in shapes)

    @eqx.filter_jit
    def play(key):
        def step(carry, n):
            state, observations, is_on = carry
            keys = jr.split(jr.fold_in(key, n + 1), 4)
            drawn = zip(keys[:3], tables, observations, strict=True)
            actions = tuple(jr.categorical(one, jnp.log(table[own])).astype(jnp.int32) for one, table, own in drawn)
            made = game.step(state, actions, keys[3])
            return (made.state, made.observations, is_on & ~made.is_over), is_on * made.rewards

        start = (*game.reset(jr.fold_in(key, 0)), jnp.bool_(True))
        return jax.lax.scan(step, start, jnp.arange(game.num_steps))[1].sum(axis=0)

    paid = np.asarray(jax.vmap(play)(jr.split(jr.key(0), 20_000)))
    error = paid.std(axis=0) / np.sqrt(len(paid))
    far = lambda one: np.abs(paid.mean(axis=0) - np.asarray(one.values(tables[0], tables[1:]))) / error
    assert np.all(far(game) < 5.0)
    assert np.any(far(sg.MessagePriceGame([[0.2, 1.0], [0.0, 0.4]])) > 5.0)
    sg.check_environment(game)


@pytest.mark.parametrize(
    ("name", "silent", "efficient"), [("PI", -0.06, True), ("two types", 0.0, True), ("three types", -1 / 18, True)]
)
def test_published_settings_by_brute_force(name, silent, efficient):
    """The best loss without messages, and that two messages are enough for none, with an equilibrium that shows it."""
    make, values, chances = SETTINGS[name]
    game = make(2)
    prices = [float(price) for price in game.prices]
    assert best_without_messages(values, chances, prices) == pytest.approx(silent, abs=1e-9)
    found = efficient_mechanism(values, chances, prices, 2)
    assert (found is not None) == efficient
    mechanism, speaking = found
    table, response = commitment_of(game, mechanism, 2), spoken(speaking, 2)
    with jax.enable_x64(True):
        oracle = sg.PureNash(game)
        assert float(game.values(table, response)[0]) == pytest.approx(0.0, abs=1e-6)
        assert float(oracle.regrets(table, response).max()) == pytest.approx(0.0, abs=1e-6)
        answer = oracle.response(Answers(jnp.asarray(table), jnp.int32(oracle.num_queries)))
        assert float(oracle.worth(table, answer)[0]) == pytest.approx(0.0, abs=1e-6)


def test_what_is_refused():
    with pytest.raises(sg.InputError, match=r"profiles of types"):
        sg.MessagePriceGame(np.ones((6, 5)), num_messages=9)
    # 4,096 profiles of types, as many of messages, and 4,096 visited sets would be one table of 6.9e10 entries
    with pytest.raises(sg.InputError, match=r"cases.*say which prices"):
        sg.MessagePriceGame(np.arange(24.0).reshape(12, 2), num_messages=2)
    with pytest.raises(sg.InputError, match=r"item_values"):
        sg.MessagePriceGame([[-1.0, 0.0], [0.0, 1.0]])
