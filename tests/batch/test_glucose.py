"""Generated patients: rest, the signs of meals and insulin, and what the calculator's numbers mean."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.calculus.precision import exact
from stackelberg.games.control import episodes_of


@eqx.filter_jit
def stepped(world, state, action):
    """Half an hour on, after which nothing is eaten."""
    return world.step(state, action, jr.key(0)).at[10].set(0.0).at[11].set(0.0)


def after(world, state, bolus_multiple=0, steps=16):
    """Glucose while nothing more is eaten, with one action at first and none later."""
    found = []
    for step in range(steps):
        action = jax.nn.one_hot(bolus_multiple if step == 0 else 0, 5)
        state = stepped(world, state, action)
        found.append(float(state[0]))
    return np.array(found)


def rest(world):
    state = jnp.zeros(12).at[8].set(1.0)
    return state.at[0].set(world.patient.basal).at[9].set(world.patient.basal)


@pytest.mark.parametrize("seed", range(3))
def test_rest_meals_and_insulin(seed):
    with jax.enable_x64(True):
        world = sg.GlucoseControl(sg.generated_patient(seed))
        calm = rest(world)
        np.testing.assert_allclose(after(world, calm), world.patient.basal, atol=1e-6)
        fed = after(world, calm.at[10].set(50.0))
        assert fed.max() > world.patient.basal + 40.0
        met = after(world, calm.at[10].set(50.0).at[11].set(50.0), 2)
        assert met.max() < fed.max()
        assert met[-1] < fed[-1]
        more = after(world, calm.at[10].set(50.0).at[11].set(50.0), 4)
        assert more[-1] < met[-1]


@pytest.mark.parametrize("seed", range(3))
def test_the_correction_is_what_a_unit_lowers_glucose_by(seed):
    """The integral of the fall, times the rate at which glucose returns, is the correction up to second order."""

    @exact
    def fall(world):
        state = rest(world).at[3].set(0.05)
        total = 0.0
        for _ in range(96):
            state = stepped(world, state, jax.nn.one_hot(0, 5))
            total = total + 30.0 * (world.patient.basal - state[0])
        return total * world.patient.effectiveness / 0.05

    world = sg.GlucoseControl(sg.generated_patient(seed))
    slow = world.patient.delay / (world.patient.delay + world.patient.effectiveness)
    assert float(fall(world)) * slow == pytest.approx(world.patient.correction, rel=0.05)


def test_a_day_of_the_calculator_is_better_than_a_day_without():
    world = sg.GlucoseControl(sg.generated_patient(1), 48)
    of = lambda k: episodes_of(world, lambda state, key: jax.nn.one_hot(k, 5), jr.key(0), 8)
    none, usual = of(0), of(2)
    share = lambda played: float(np.mean((played.then[..., 0] > 70.0) & (played.then[..., 0] < 180.0)))
    assert share(usual) > share(none) + 0.2
    assert float(usual.reward.mean()) > float(none.reward.mean())
    assert world.observed(none.then).shape == (8, 48, 7)
