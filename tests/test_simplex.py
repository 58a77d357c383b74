"""Soft choices against fifty-digit arithmetic, at every inverse temperature."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from stackelberg.calculus import simplex
from stackelberg.calculus.precision import exact


choice = exact(simplex.quantal_choice)
log_choice = exact(simplex.log_quantal_choice)
maximum = exact(simplex.soft_maximum)

# Numbers below 2.2e-308 count as zero in compiled code.
payoffs = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=6)
temperatures = st.one_of(st.floats(1e-6, 1e6), st.sampled_from([1e-300, 1e-30, 1e30, 1e300]))


def exact_choice(values, inverse_temperature):
    """Fifty digits after centring; numbers far below double range count as zero."""
    with mpmath.workdps(50):
        top = max(values)
        weights = [mpmath.exp(mpmath.mpf(inverse_temperature) * (mpmath.mpf(v) - mpmath.mpf(top))) for v in values]
        total = mpmath.fsum(weights)
        return [w / total for w in weights], mpmath.mpf(top) + mpmath.log(total) / mpmath.mpf(inverse_temperature)


@settings(max_examples=300, deadline=None)
@given(payoffs, temperatures)
def test_probabilities_and_soft_maximum_agree_with_fifty_digits(values, inverse_temperature):
    probabilities, soft = exact_choice(values, inverse_temperature)
    found = choice(np.array(values), inverse_temperature)
    # λ (q - max q) is rounded once before it is exponentiated, so that a logit of size L costs L units of rounding.
    logits = inverse_temperature * (np.array(values) - max(values))
    for p, q, logit in zip(found, probabilities, logits, strict=True):
        assert abs(p - float(q)) <= 4e-16 * (1 + abs(logit)) * float(q) + 1e-300 if logit > -700 else p < 1e-300
    spread = max(abs(v) for v in values)
    assert float(maximum(np.array(values), inverse_temperature)) == pytest.approx(
        float(soft), rel=1e-14, abs=1e-15 * spread
    )


@given(payoffs)
@settings(max_examples=50, deadline=None)
def test_zero_is_uniform_and_infinity_is_uniform_among_the_best(values):
    values = np.array(values)
    assert np.all(choice(values, 0.0) == 1.0 / len(values))
    best = values == values.max()
    assert np.array_equal(choice(values, np.inf), best / best.sum())


@given(payoffs, temperatures)
@settings(max_examples=50, deadline=None)
def test_log_probabilities_are_the_logarithms(values, inverse_temperature):
    values = np.array(values)
    probabilities = choice(values, inverse_temperature)
    logs = log_choice(values, inverse_temperature)
    seen = probabilities > 1e-290
    assert np.allclose(np.exp(logs[seen]), probabilities[seen], rtol=1e-12)


@pytest.mark.parametrize("inverse_temperature", [0.0, 1.0, 1e3, 1e300, np.inf])
@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 0.0, -1e9], [3.0]])
def test_gradients_are_finite_everywhere(values, inverse_temperature):
    with jax.enable_x64(True):
        jacobian = jax.jacobian(lambda q: simplex.quantal_choice(q, inverse_temperature))(jnp.array(values))
        assert np.all(np.isfinite(jacobian))


def test_entropy_has_the_gradient_of_its_limit_at_the_boundary():
    with jax.enable_x64(True):
        assert float(simplex.entropy(jnp.array([1.0, 0.0]))) == 0.0
        assert np.all(np.isfinite(jax.grad(simplex.entropy)(jnp.array([0.5, 0.5]))))
