"""The checker of environments: ours pass, and each broken promise is found and named."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg


COUNTER = itertools.count()


class Walk(sg.AbstractEnvironment):
    """Two seats on a line of five places; `fault` names the promise that is broken."""

    num_steps: int = eqx.field(static=True, default=4)
    fault: str = eqx.field(static=True, default="")

    @property
    def observation_spaces(self):
        spaces = (sg.Discrete(5), sg.Box((2,), -1.0, 5.0))
        return spaces[:1] if self.fault == "spaces" else spaces

    @property
    def action_spaces(self):
        return sg.Discrete(2), sg.Box((2,), -1.0, 1.0)

    def seen(self, place):
        if self.fault == "range":
            place = place + 9
        second = jnp.zeros(3) if self.fault == "shape" else jnp.array([1.0, 2.0])
        return (place,) if self.fault == "seats" else (place, second)

    def reset(self, key):
        return (jnp.int32(0), jr.randint(key, (), 0, 5)), self.seen(jr.randint(key, (), 0, 5))

    def step(self, state, actions, key):
        time, place = state
        place = (place + actions[0] + jr.randint(key, (), 0, 2)) % 5
        if self.fault == "pure":
            place = (place + next(COUNTER)) % 5
        rewards = jnp.stack([place.astype(float), jnp.sum(actions[1])])
        if self.fault == "finite":
            rewards = rewards / 0.0
        if self.fault == "rewards":
            rewards = rewards[:1]
        is_over = time + 1 >= (99 if self.fault == "end" else self.num_steps)
        later = (time + 1).astype(jnp.float32) if self.fault == "state" else time + 1
        return sg.Transition((later, place), self.seen(place), rewards, is_over)


GAMES = (
    Walk(),
    sg.iterated_matrix_game("prisoners_dilemma"),
    sg.iterated_matrix_game("chicken", 3, 2, "opponent", is_mixed=True),
    sg.AllocationGame(2),
    sg.StackelbergPOMDP(sg.ExactOracle(sg.iterated_matrix_game("hero", 3)), shows_phase=True),
    sg.StackelbergPOMDP(sg.InnerQLearning(sg.AllocationGame(2), 2), 2, fixes_answers=True),
)


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_environments_of_the_package_keep_their_promises(game):
    sg.check_environment(game, 2)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("spaces", "1 spaces of observations and 2 of actions"),
        ("range", "seat 0.*0 to 4"),
        ("shape", r"seat 1.*\(3,\).*\(2,\)"),
        ("seats", "a tuple of 2"),
        ("pure", "something else for the same state"),
        ("finite", "finite numbers"),
        ("rewards", r"\(1,\).*\(2,\)"),
        ("end", "still False after 4 steps"),
        ("state", "turns int32.*into float32"),
    ],
)
def test_a_broken_promise_is_named(fault, says):
    with np.errstate(all="ignore"), pytest.raises(sg.InputError, match=says):
        sg.check_environment(Walk(fault=fault))


def test_what_is_no_environment_is_refused():
    with pytest.raises(sg.InputError, match="environment"):
        sg.check_environment(np.zeros(3))
