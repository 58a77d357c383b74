"""The profile likelihood of a follower's discount: its interval, and what it cannot tell."""

import jax
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.quantal.discount_profile import recorded


def log_of(discount, seed, number=20_000):
    """Plays under forty policies of a random game with three stages."""
    game = sg.random_markov_game(2, 2, 2, 3, seed=seed, follower_discount=discount, concentration=0.3)
    where = sg.MarkovWorld(game, sg.QuantalResponse(5.0))
    drawn = np.random.default_rng(seed).dirichlet(np.full(2, 0.5), (40, 3, 2))
    with jax.enable_x64(True):
        episodes = jax.jit(jax.vmap(where.play))(
            drawn[np.arange(number) % 40], jax.random.split(jax.random.key(seed), number)
        )
    return sg.PlayLog(where.rules, jax.tree.map(np.asarray, episodes))


@pytest.fixture(scope="module")
def profiles():
    return {d: [sg.profiled_discount(log_of(d, seed), np.linspace(0, 1, 11)) for seed in range(4)] for d in (0.0, 0.9)}


def test_the_interval_holds_the_discount_and_tells_who_looks_ahead(profiles):
    """Each interval misses with probability 5 %, so that two of four do with probability 1.4 %. The twins: a follower
    who looks ahead is never taken for one who does not, nor the other way round."""
    for discount, found in profiles.items():
        assert sum(one.estimate.low <= discount <= one.estimate.high for one in found) >= 3
    assert all(one.estimate.low > 0.0 for one in profiles[0.9])
    assert all(one.estimate.low == 0.0 for one in profiles[0.0])
    assert sum(one.estimate.high < 0.6 for one in profiles[0.0]) >= 3


def test_the_likelihood_is_highest_at_the_estimate(profiles):
    for one in (*profiles[0.0], *profiles[0.9]):
        assert one.log_likelihood.max() == one.log_likelihood[one.discounts == float(one.estimate)]


def test_equal_announcements_share_a_row_and_nothing_is_lost():
    log = log_of(0.9, 0, 300)
    with jax.enable_x64(True):
        record = recorded(log.rules, log)
    assert record.answers.shape[0] == 40
    assert np.asarray(record.answers).sum() == 300 * 3
    assert np.asarray(record.visits).sum() == 300 * 3


def test_wrong_grids_and_games_of_one_stage_are_refused():
    log = log_of(0.9, 0, 50)
    with pytest.raises(sg.InputError, match="do not rise"):
        sg.profiled_discount(log, [0.5, 0.5])
    with pytest.raises(sg.InputError, match="at most 1"):
        sg.profiled_discount(log, [0.5, 1.5])
    short = sg.MarkovWorld(sg.random_markov_game(2, 2, 2, 1), sg.QuantalResponse(5.0))
    with pytest.raises(sg.InputError, match="one stage"):
        sg.profiled_discount(sg.PlayLog(short.rules, log.episodes))
