"""Farsighted followers: the likelihood, its derivatives, the ellipsoid, and plans for the best or the worst."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import stackelberg as sg
from stackelberg.calculus.soft_backward import Dynamics, leader_values
from stackelberg.followers.gauge import shaped
from stackelberg.quantal.farsighted_likelihood import _derivatives, fitted_farsighted, log_likelihood, model_loss
from stackelberg.quantal.likelihood_planning import along_likelihood
from stackelberg.quantal.model import Model, log_answers, outlook, worth
from stackelberg.quantal.model_agents import OptimisticMaximumLikelihood, PessimisticMaximumLikelihood
from stackelberg.quantal.model_planning import FORMS, Possible
from stackelberg.quantal.model_uncertainty import inner, leader_side, moved, spread
from stackelberg.quantal.myopic_likelihood import zero_weights
from stackelberg.quantal.record import PlayRecord


H, S, A, B = 3, 2, 2, 2
RATE = 4.0


def world(seed=0, announcement="strategy", discount=0.9, rate=RATE):
    game = sg.random_markov_game(S, A, B, H, seed=seed, follower_discount=discount)
    return sg.MarkovWorld(game, sg.QuantalResponse(rate), announcement)


def policies_of(where, number, seed=0):
    between = (B,) if where.announcement == "prescription" else ()
    return np.random.default_rng(seed).dirichlet(np.ones(A), (number, H, S, *between))


def truth_of(where):
    game = where.game
    return Model(
        jnp.asarray(game.follower_reward).reshape(H, S, A * B),
        jnp.asarray(game.leader_reward),
        jnp.asarray(game.transition),
    )


def logged(where, number=200, num_policies=20, seed=0):
    """Counts of plays under a few policies."""
    announced = policies_of(where, num_policies, seed)
    with jax.enable_x64(True):
        rules, shown = where.rules, jnp.asarray(announced)
        place = np.arange(number) % num_policies
        keys = jax.random.split(jax.random.key(seed), number)
        episodes = jax.jit(jax.vmap(where.play))(shown[place], keys)
        record = PlayRecord.empty(rules, num_policies)
        add = lambda record, now: (record.add(now[0], now[1]), None)
        return rules, jax.lax.scan(add, record, (episodes, jnp.asarray(place)))[0]


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_a_model_answers_and_pays_as_the_game_does(announcement, discount):
    """Against the follower and the game, which share no code with it; the twin is another discount."""
    where = world(1, announcement, discount)
    (policy,) = policies_of(where, 1)
    with jax.enable_x64(True):
        rules, truth = where.rules, truth_of(where)
        seen = outlook(rules, truth, policy)
        response = where.follower(where.game, policy)
        np.testing.assert_allclose(np.exp(seen.log_response), response, rtol=0, atol=1e-13)
        np.testing.assert_allclose(log_answers(rules, truth.weights, truth.law, policy), np.log(response), atol=1e-12)
        assert float(seen.worth) == pytest.approx(float(where.game.leader_value(policy, response)), abs=1e-13)
        other = outlook(world(1, announcement, 0.5).rules, truth, policy)
        assert np.abs(np.exp(other.log_response) - response).max() > 1e-3


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_the_adjoint_gradient_is_that_of_automatic_differentiation(announcement):
    """Fifty games: the hand-written derivative in the policy against that of the model's own recursion, to 1e-12."""
    with jax.enable_x64(True):
        mine = jax.jit(jax.value_and_grad(lambda policy, dynamics, first: first @ leader_values(policy, dynamics)))
        rules = world(0, announcement).rules
        starting = lambda first: eqx.tree_at(lambda rules: rules.initial, rules, first)
        free = lambda policy, truth, first: outlook(starting(first), truth, policy).worth
        theirs = jax.jit(jax.value_and_grad(free))
        for seed in range(50):
            where = world(seed, announcement)
            (policy,) = jnp.asarray(policies_of(where, 1, seed))
            truth, game = truth_of(where), where.game
            dynamics = Dynamics(
                truth.leader_reward,
                jnp.asarray(game.follower_reward),
                truth.law,
                jnp.asarray(RATE),
                jnp.asarray(1.0),
                jnp.asarray(0.9),
            )
            for one, other in zip(
                mine(policy, dynamics, game.initial), theirs(policy, truth, game.initial), strict=True
            ):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_potential_shaping_changes_no_likelihood():
    """The twin, a shift of one reward, does."""
    where = world(2)
    rules, record = logged(where)
    with jax.enable_x64(True):
        truth = truth_of(where)
        potential = np.random.default_rng(0).normal(size=(H, S))
        other = jnp.asarray(shaped(where.game, potential)).reshape(H, S, A * B)
        score = lambda weights: float(log_likelihood(rules, record, truth.law, weights))
        assert score(other) == pytest.approx(score(truth.weights), abs=1e-9)
        assert abs(score(truth.weights.at[0, 0, 0].add(1.0)) - score(truth.weights)) > 1e-2


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_the_estimate_is_the_maximum_that_a_library_finds(announcement):
    where = world(3, announcement)
    rules, record = logged(where)
    ridge = 1e-2 / RATE**2
    with jax.enable_x64(True):
        law, start = truth_of(where).law, zero_weights(rules)
        found = jax.jit(lambda: fitted_farsighted(rules, record, law, start, ridge, 25))()
        loss = lambda flat: -log_likelihood(rules, record, law, flat.reshape(start.shape)) + 5e-3 * jnp.sum(flat**2)
        both = jax.jit(jax.value_and_grad(loss))
        best = optimize.minimize(
            lambda flat: tuple(np.asarray(part, float) for part in both(flat)),
            np.zeros(start.size),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-9},
        )
        mine = float(loss(jnp.asarray(found.weights).reshape(-1)))
        assert mine == pytest.approx(best.fun, abs=1e-6)
        assert float(found.slope) < 1e-6
        gradient, information = _derivatives(rules, record, law, found.weights)
        np.testing.assert_allclose(
            gradient, -both(jnp.asarray(found.weights).reshape(-1))[1] + 1e-2 * np.ravel(found.weights), atol=1e-8
        )
        assert np.linalg.eigvalsh(information).min() > -1e-10


def test_information_is_the_covariance_of_the_slopes():
    """Σ against the average, over answers, of the outer product of slopes found by differences."""
    where = world(4)
    rules, record = logged(where, 40, 4)
    with jax.enable_x64(True):
        truth = truth_of(where)
        _, information = _derivatives(rules, record, truth.law, truth.weights)
        flat, size = np.ravel(truth.weights), truth.weights.size
        total = np.zeros((size, size))
        at = jax.jit(lambda flat, policy: log_answers(rules, flat.reshape(truth.weights.shape), truth.law, policy))
        for policy, answers in zip(np.asarray(record.commitment), np.asarray(record.answers), strict=True):
            steps = 1e-5 * np.eye(size)
            slopes = np.stack([(at(flat + step, policy) - at(flat - step, policy)) / 2e-5 for step in steps], axis=-1)
            expected = answers.sum(-1, keepdims=True) * np.exp(at(flat, policy))
            total += np.einsum("hsb,hsbi,hsbj->ij", expected, slopes, slopes)
        np.testing.assert_allclose(information * RATE**2, total, atol=1e-5)


def possible_of(where, sign, width=1.0, number=60):
    rules, record = logged(where, number)
    reward, law = leader_side(rules, record)
    ridge = 1.0 / RATE**2
    found = fitted_farsighted(rules, record, law, zero_weights(rules), ridge, 10)
    around = spread(rules, record, law, found.information, ridge)
    return record, Possible(rules, Model(found.weights, reward, law), around, width, sign)


def test_the_end_of_the_ellipsoid_is_as_far_along_as_it_goes():
    """Against random points of its surface, drawn through the covariance's own square root."""
    where = world(5)
    with jax.enable_x64(True):
        _, possible = possible_of(where, 1, width=1e-3)
        (policy,) = policies_of(where, 1)
        logits = jnp.log(policy)
        gradient = jax.grad(lambda model: worth(possible.rules, model, logits))(possible.model)
        direction = possible.spread.through(gradient)
        reach = float(jnp.sqrt(inner(gradient, direction)))
        end = possible.end(gradient)
        gained = float(inner(gradient, jax.tree.map(jnp.subtract, end, possible.model)))
        assert gained == pytest.approx(1e-3 * reach, rel=1e-3)
        rng = np.random.default_rng(0)
        around = possible.spread
        for _ in range(300):
            law = np.sqrt(np.asarray(around.law) / np.asarray(around.plays)[..., None]) * rng.normal(
                size=around.law.shape
            )
            law -= np.asarray(around.law) * law.sum(-1, keepdims=True)
            point = Model(
                jnp.asarray(np.linalg.solve(np.asarray(around.factor).T, rng.normal(size=24))).reshape(H, S, 4),
                jnp.asarray(np.sqrt(around.reward_variance) * rng.normal(size=(H, S, A, B))),
                jnp.asarray(law),
            )
            # A normal draw through the covariance has a product with the gradient of deviation `reach`.
            assert abs(float(inner(gradient, point))) < 6.0 * reach


@pytest.mark.parametrize("sign", [1, -1])
def test_the_extreme_over_the_ellipsoid_beats_draws_from_it(sign):
    where = world(6)
    with jax.enable_x64(True):
        _, possible = possible_of(where, sign, width=1.5)
        (policy,) = policies_of(where, 1, 3)
        logits = jnp.log(policy)
        found = jax.jit(lambda: possible.extreme(logits, possible.model))()
        assert float(found.value) == pytest.approx(float(worth(possible.rules, found.model, logits)), abs=1e-12)

        def at_edge(key):
            drawn = possible.spread.drawn(possible.rules, possible.model, key)
            off = jax.tree.map(jnp.subtract, drawn, possible.model)
            # Radii of draws in so many dimensions are larger than the width: every draw is pulled in to it.
            size = jnp.sqrt(1.0 * sum(leaf.size for leaf in jax.tree.leaves(off)))
            return worth(possible.rules, moved(possible.model, off, 1.5 / size), logits)

        values = jax.jit(jax.vmap(at_edge))(jax.random.split(jax.random.key(0), 500))
        assert sign * float(found.value) > float(jnp.max(sign * values))
        assert sign * (float(found.value) - float(worth(possible.rules, possible.model, logits))) > 1e-2


def test_a_plan_by_likelihood_stays_in_its_set():
    where = world(7)
    with jax.enable_x64(True):
        record, possible = possible_of(where, 1, width=2.0)
        logits = jnp.zeros((H, S, A))
        start = possible.extreme(logits, possible.model)
        end, far = jax.jit(
            lambda: along_likelihood(possible.rules, record, possible.model, logits, start.model, 2.0, 90, 0.1)
        )()
        lost = model_loss(possible.rules, record, far) - model_loss(possible.rules, record, possible.model)
        assert float(lost) <= 2.0 + 1e-6
        assert float(worth(possible.rules, far, end)) > float(worth(possible.rules, possible.model, end)) + 1e-3


@pytest.mark.parametrize("form", [FORMS[0], *(pytest.param(form, marks=pytest.mark.slow) for form in FORMS[1:])])
def test_every_form_runs_in_portions_as_in_one(form):
    where = world(8)
    agent = OptimisticMaximumLikelihood(24, form=form, num_starts=2, num_steps=10)
    learner = sg.stack([sg.Repeated(agent, where)])
    whole, metrics = sg.advance(learner, sg.start(learner, range(2)), 24)
    parts = sg.start(learner, range(2))
    for portion in (7, 17):
        parts, _ = sg.advance(learner, parts, portion)
    for one, two in zip(jax.tree.leaves(whole.state), jax.tree.leaves(parts.state), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(two))
    assert np.isfinite(metrics["promised_value"]).all()


def endless(where, plays=1e6, number=12):
    """Counts that are their own expectations."""
    announced, game = policies_of(where, number), where.game
    answers = plays * np.stack([np.asarray(where.follower(game, policy)) for policy in announced])
    visits = np.full((H, S, A, B), plays)
    moves = visits[..., None] * game.transition
    return PlayRecord(announced, answers, visits, visits * game.leader_reward, moves)


@pytest.mark.parametrize("form", ["support", pytest.param("delta method", marks=pytest.mark.slow)])
def test_with_endless_data_plans_are_the_best_and_promises_true(form):
    where = world(9)
    best = sg.GradientAscent(where.follower)(where.game).leader_value
    record = endless(where)
    with jax.enable_x64(True):
        agent = PessimisticMaximumLikelihood(12, form=form, num_starts=8)
        rules = where.rules
        state = agent.blank(rules, 12, 0, jax.random.key(0))
        plan = jax.jit(
            lambda: (
                agent.renewed(
                    rules, record, state.weights, rules.uniform_commitment(), state.surprise, -1, jax.random.key(0)
                ).plan
            )
        )()
    value = float(where.game.leader_value(plan.commitment, where.follower(where.game, np.asarray(plan.commitment))))
    assert value == pytest.approx(float(best), abs=2e-3)
    assert float(plan.value) == pytest.approx(value, abs=1e-2)
    assert float(plan.value) < value + 1e-6
    assert (
        float(best)
        - float(where.game.leader_value(np.full((H, S, A), 0.5), where.follower(where.game, np.full((H, S, A), 0.5))))
        > 1e-2
    )
