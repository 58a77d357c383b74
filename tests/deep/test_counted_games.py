"""Games counted from play: against the game itself, by a linear system, and where counting cannot work."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg


SMALL = sg.CrossingGame((1.0, 0.4, 0.8), (0.2, 0.9, 0.5), reach=0, discount=0.9)
COUNTED = sg.counted_game(SMALL, 20_000)
LEADERS = np.eye(2)[np.arange(64)[:, None] >> np.arange(6) & 1]


def _by_hand(**changes):
    """Two states: staying in the first leads to either, 3 times in 4 and once in 4; once in five plays it stops."""
    counts = np.zeros((2, 1, 2, 2))
    counts[0, 0, 0] = 12, 4
    counts[1, 0, 0] = 0, 8
    ends, paid = np.zeros((2, 1, 2)), np.zeros((2, 2, 1, 2))
    ends[:, 0, 0], ends[0, 0, 1] = (4, 2), 10
    paid[0, :, 0, 0], paid[1, :, 0, 0], paid[1, 0, 0, 1] = (20, 0), (0, 30), 15
    fields = {
        "following": np.broadcast_to([0, 1], (2, 1, 2, 2)),
        "counts": counts,
        "ends": ends,
        "paid": paid,
        "begins": [3, 1],
        "leader_sees": [0, 0],
        "num_seen": 1,
        "num_steps": 50,
    }
    return sg.CountedGame(**(fields | changes))


def test_every_leader_is_answered_as_in_the_game_itself():
    """All 64 leaders: what a follower who plans in the counts does is worth as much to it as its best response.

    The twin plans for the leader's rewards.
    """
    own = lambda game: jax.jit(
        jax.vmap(lambda leader: SMALL.values(leader, game.induce(leader).best_response("leader"))[1])
    )
    planned, best = (own(game)(jnp.asarray(LEADERS, jnp.float32)) for game in (COUNTED, SMALL))
    np.testing.assert_allclose(planned, best, atol=1e-5)
    twin = eqx.tree_at(lambda game: game.rewards, COUNTED, COUNTED.rewards[::-1])
    assert np.abs(own(twin)(jnp.asarray(LEADERS, jnp.float32)) - best).max() > 0.1


def test_counts_are_the_game():
    """The share of stops is within 5 of its standard errors, false alarm 1e-6; all else is exact, nothing is random."""
    seen = COUNTED.visits > 0
    error = 5.0 * np.sqrt(0.9 * 0.1 / COUNTED.visits[COUNTED.chances.sum(-1) > 0].sum())
    assert abs(COUNTED.chance_to_go_on - 0.9) < error
    assert abs(COUNTED.chance_to_go_on - 0.88) > error
    following, payoffs, is_over = SMALL._tables
    rewards = np.einsum("uk,ksab->usab", np.asarray(SMALL._prices), payoffs)
    np.testing.assert_allclose(COUNTED.rewards[:, seen], rewards[:, seen], atol=1e-6)
    goes_on = COUNTED.chances.sum(-1) > 0
    np.testing.assert_array_equal(goes_on[seen], ~np.broadcast_to(is_over, seen.shape)[seen])
    np.testing.assert_array_equal(COUNTED.following[goes_on][:, 0], following[goes_on])
    # What was never seen is what play never reaches: on the fence, in front of the guard.
    assert seen.mean() > 0.75


def test_a_game_of_known_length_is_counted_exactly():
    """The dilemma, ten rounds: no play was stopped, so that values are sums over all rounds; all pairs of policies."""
    game = sg.iterated_matrix_game("prisoners_dilemma")
    counted = sg.counted_game(game, 2_000)
    assert counted.chance_to_go_on == 1.0
    policies = game.policies(0), game.policies(1)
    both = lambda one: jax.vmap(lambda leader: one.values_of_all(leader, jnp.asarray(policies[1])))(
        jnp.asarray(policies[0])
    )
    np.testing.assert_allclose(both(counted), both(game), rtol=1e-6)
    assert sg.solve(counted).certificate.lower == pytest.approx(31.0)
    sg.check_environment(counted)


def test_values_by_a_linear_system():
    """Values, and the follower's best answer, of the game written by hand, against matrices written by hand."""
    game, gamma = _by_hand(), 24 / 30
    assert game.chance_to_go_on == pytest.approx(gamma)
    law = gamma * np.array([[0.75, 0.25], [0.0, 1.0]])
    of_stays = np.linalg.solve(np.eye(2) - law, np.array([[1.0, 0.0], [0.0, 3.0]]))
    stay, leave = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    start = np.array([0.75, 0.25])
    with jax.enable_x64(True):
        np.testing.assert_allclose(game.values(np.ones((1, 1)), stay), start @ of_stays, rtol=1e-6)
        leaving = [0.0, 0.75 * 1.5 + 0.25 * 3.0 / (1.0 - gamma)]
        np.testing.assert_allclose(game.values(np.ones((1, 1)), leave), leaving, rtol=1e-6)
        np.testing.assert_array_equal(game.induce(np.ones((1, 1))).best_response(), stay)


def test_a_step_that_was_never_made_is_feared():
    """It ends the game and pays both the least that was seen."""
    game = _by_hand()
    assert game.visits[1, 0, 1] == 0
    np.testing.assert_allclose(game.rewards[:, 1, 0, 1], [0.0, 0.0])
    state, _ = game.reset(jr.key(1))
    state = type(state)(jnp.int32(1), state.time)
    made = game.step(state, (jnp.int32(0), jnp.int32(1)), jr.key(2))
    assert bool(made.is_over)


def test_plays_are_paid_their_value():
    """20,000 plays of the game by hand: 5 standard errors and what the cut leaves out; a false alarm in 1e6.

    The twin that forgets that play may stop is far off.
    """
    game = _by_hand()

    def play(key):
        def step(carry, key):
            state, is_on = carry
            made = game.step(state, (jnp.int32(0), jnp.int32(0)), key)
            return (made.state, is_on & ~made.is_over), is_on * made.rewards

        of_start, of_steps = jr.split(key)
        start = game.reset(of_start)[0], jnp.bool_(True)
        return jax.lax.scan(step, start, jr.split(of_steps, game.num_steps))[1].sum(axis=0)

    paid = np.asarray(jax.jit(jax.vmap(play))(jr.split(jr.key(0), 20_000)))
    error = 5.0 * paid.std(axis=0) / np.sqrt(len(paid)) + 3.0 * 0.8**50 / 0.2
    exact = np.asarray(game.values(np.ones((1, 1)), np.eye(2)[[0, 0]]))
    assert np.all(np.abs(paid.mean(axis=0) - exact) < error)
    forgets = np.asarray(_by_hand(ends=np.zeros((2, 1, 2))).values(np.ones((1, 1)), np.eye(2)[[0, 0]]))
    assert np.all(np.abs(paid.mean(axis=0) - forgets) > error)


def test_a_mixture_is_drawn():
    """In a counted game with mixed commitments the leader's rows are chances: 20,000 steps, 5 standard errors."""
    game = sg.counted_game(sg.iterated_matrix_game("prisoners_dilemma", is_mixed=True), 2_000)
    state, _ = game.reset(jr.key(0))
    step = lambda key: game.step(state, (jnp.array([0.3, 0.7]), jnp.int32(0)), key).rewards[0]
    paid = np.asarray(jax.vmap(step)(jr.split(jr.key(1), 20_000)))
    expected = [0.3, 0.7] @ np.asarray(game.rewards)[0, 0, :, 0]
    assert abs(paid.mean() - expected) < 5.0 * paid.std() / np.sqrt(20_000)


@pytest.mark.slow
def test_a_network_learns_in_the_counts():
    """It is pretrained without a step in the game itself, and asked there."""
    network = sg.pretrained_networks(COUNTED, num_steps=2, num_copies=4, rollout_steps=8, width=8)
    follower = sg.ContextualNetwork(SMALL, network.policies, width=8)
    process = sg.StackelbergPOMDP(follower)
    assert process.num_steps > 0


def test_a_follower_who_does_not_see_the_state_is_refused():
    with pytest.raises(sg.InputError, match=r"the leader sees \d and \d where the follower sees"):
        sg.counted_game(sg.iterated_matrix_game("chicken", sight="opponent"), 400)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": -np.ones((2, 1, 2, 2))}, "at least 0"),
        ({"counts": np.zeros((2, 1, 2))}, "counts"),
        ({"following": np.full((2, 1, 2, 2), 2)}, "at most 1"),
        ({"ends": np.full((2, 1, 2), np.nan)}, "finite"),
        ({"begins": [0, 0]}, "nothing but zeros"),
        ({"counts": np.zeros((2, 1, 2, 2)), "ends": np.zeros((2, 1, 2))}, "nothing but zeros"),
        ({"leader_sees": [0, 1]}, "at most 0"),
        ({"paid": np.zeros((1, 2, 1, 2))}, "paid"),
    ],
)
def test_counts_that_cannot_be(changes, message):
    with pytest.raises(sg.InputError, match=message):
        _by_hand(**changes)
