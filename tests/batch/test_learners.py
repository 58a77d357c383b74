"""Policies from logs: answers of the critic, their bounds and guarantees, and what is learned, on known worlds."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import optimize

import stackelberg as sg
from stackelberg.batch.consistency import PLUG_IN, consistent
from stackelberg.batch.learning import learn_policy
from stackelberg.batch.tabular import counted_plan, covered_value
from stackelberg.calculus.precision import exact
from stackelberg.experiments.catalog.batch_exact import Quadratic, descended, identities, population
from stackelberg.experiments.catalog.batch_measuring import as_table, mixed, policies, shares, table_task


GRID = sg.goal_grid(3, discount=0.9)


def task(seed=0, rows=60, **settings):
    return table_task(GRID, mixed(GRID, 0.5), rows, seed, (0.0, 1.0), **settings)


@exact
def solved(made, policy, form, weight, begun=None):
    found = consistent(made.moments, policy, form, jnp.asarray(weight), None if begun is None else jnp.asarray(begun))
    toward, first = made.moments.under(policy)
    return found, found.value(form, weight), found.critic(form, weight), toward, first


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weight", [1e2, 1e4])
def test_the_bounded_answer_is_that_of_a_general_optimiser(seed, weight):
    """The same convex program by SciPy's bounded least squares, which knows nothing of active sets."""
    made = task(seed)
    _, value, omega, toward, first = solved(made, made.policy, "penalty", weight)
    # first·ω + λ|g - Gω|² + λκ|ω|² is a sum of squares once the square is completed on the rows of a root.
    matrix = toward.T @ toward + float(made.moments.ridge) * np.eye(len(first))
    root = np.linalg.cholesky(matrix).T
    target = np.linalg.solve(root.T, toward.T @ np.asarray(made.moments.paid) - first / (2.0 * weight))
    told = optimize.lsq_linear(root, target, (0.0, 10.0), method="bvls", tol=1e-14, max_iter=2_000)
    loss = lambda q: first @ q + weight * (np.sum((made.moments.paid - toward @ q) ** 2) + made.moments.ridge * q @ q)
    assert np.min(omega) >= -1e-9
    assert np.max(omega) <= 10.0 + 1e-9
    assert loss(omega) <= loss(np.clip(told.x, 0.0, 10.0)) + 1e-9 * abs(loss(told.x))
    assert value == pytest.approx(float(first @ omega), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("part", [1.0, 0.5, 0.1])
def test_the_least_consistent_value_is_found_wherever_the_search_begins(seed, part):
    """SciPy's bounded least squares for a multiplier, and a bracketing search for the multiplier.

    The twin is a start with all weights at the floor: a rule that reads the multiplier off the weights that are free
    sees none there, and would call that the answer for every radius.
    """
    made = task(seed, rows=200)
    most = solved(made, made.policy, "penalty", PLUG_IN)[0]
    radius = part * exact(made.radius)(made.policy, most, 0.95)
    found, value, _, toward, first = solved(made, made.policy, "constraint", radius)
    ridge, paid = float(made.moments.ridge), np.asarray(made.moments.paid)
    matrix = toward.T @ toward + ridge * np.eye(len(first))
    root = np.linalg.cholesky(matrix).T
    allowed = radius**2 + float(found.slack)

    def answer(log_multiplier):
        side = toward.T @ paid - first / (2.0 * np.exp(log_multiplier))
        target = np.linalg.solve(root.T, side)
        return optimize.lsq_linear(root, target, (0.0, 10.0), method="bvls", tol=1e-15, max_iter=5_000).x

    beyond = lambda log_multiplier: (
        np.sum((paid - toward @ (q := answer(log_multiplier))) ** 2) + ridge * q @ q - allowed
    )
    floor = np.sum(paid**2) <= allowed
    told = 0.0 if floor else first @ answer(optimize.brentq(beyond, np.log(1e-3), np.log(1e12), xtol=1e-13))
    assert value == pytest.approx(told, abs=1e-8)
    for start in (np.zeros(len(first)), np.full(len(first), 10.0), np.full(len(first), np.nan)):
        again, value, *_ = solved(made, made.policy, "constraint", radius, start)
        assert again.is_settled
        assert value == pytest.approx(told, abs=1e-8)


@pytest.mark.parametrize("form", ["penalty", "lagrangian", "constraint", "ball"])
@pytest.mark.parametrize("is_bounded", [True, False])
def test_what_the_leader_climbs_is_what_differences_say(form, is_bounded):
    made = task(1, is_bounded=is_bounded, ridge=1e-6)
    weight = 1e3 if form != "constraint" else 0.05
    value = exact(lambda logits: consistent(made.moments, sg.SoftmaxTable(logits), form, weight).value(form, weight))
    slope = exact(
        jax.grad(lambda logits: consistent(made.moments, sg.SoftmaxTable(logits), form, weight).value(form, weight))
    )
    logits = np.asarray(made.policy.logits)
    generator = np.random.default_rng(0)
    for _ in range(3):
        along, tiny = generator.normal(size=logits.shape), 1e-6
        apart = (value(logits + tiny * along) - value(logits - tiny * along)) / (2.0 * tiny)
        assert np.sum(slope(logits) * along) == pytest.approx(float(apart), rel=1e-4, abs=1e-9)


def test_closed_forms_hold_and_one_that_is_wrong_does_not():
    found = exact(lambda keys: jax.lax.map(identities, keys))(jr.split(jr.key(5), 20))
    for name, tolerance in {"answer": 1e-8, "penalty": 1e-8, "lagrangian": 1e-8, "constraint": 1e-8, "half": 1e-8,
                            "difference": 1e-6, "implicit": 1e-6, "conjugate": 1e-6}.items():  # fmt: skip
        assert np.max(getattr(found, name)) < tolerance, name
    # The twin: half the weight in one of the two games is what makes them one, and without it they differ.
    with jax.enable_x64(True):
        moments, policy, *_ = population(jr.key(5))
        of = lambda form: jax.grad(
            lambda logits: consistent(moments, sg.SoftmaxTable(logits), form, 50.0).value(form, 50.0)
        )(policy.logits)
        assert float(jnp.linalg.norm(of("penalty") - of("lagrangian")) / jnp.linalg.norm(of("penalty"))) > 1e-2


def test_the_quadratic_game_ends_at_its_equilibria_or_is_flagged():
    found = descended(Quadratic(4.0), 0.0)
    assert (found.x, found.y, found.value) == pytest.approx((0.5, -0.75, -0.375), abs=1e-9)
    assert descended(Quadratic(4.0), 2.0).x == pytest.approx(0.461538, abs=1e-6)
    broken = descended(Quadratic(0.8), 0.0, 1_000)
    assert broken.curvature == pytest.approx(-0.2)
    assert abs(broken.x) > 1e3


def test_rows_in_another_order_and_doubled_rows_teach_the_same():
    made = task()
    data = made.data
    order = np.random.default_rng(0).permutation(len(data))
    of = lambda rows: table_from(data.taken(rows))
    base = of(np.arange(len(data)))
    for rows in (order, np.repeat(np.arange(len(data)), 2)):
        again = of(rows)
        for name in ("paid", "here", "reach"):
            np.testing.assert_allclose(getattr(again, name), getattr(base, name), atol=1e-15)


def table_from(data):
    features = sg.TableFeatures(data.num_states, data.num_actions)
    scale = sg.RewardScale(0.0, 1.0, 0.9)
    return sg.moments_of(data, features, features, scale, policy=sg.cloned(data), key=jr.key(0))


def test_features_of_a_table_are_summed_as_rows_are():
    """The counted sums against the same sums over rows, by features of which the shortcut knows nothing."""
    data = task().data
    quick = table_from(data)

    class Plain(sg.TableFeatures):
        pass

    table = sg.TableFeatures(data.num_states, data.num_actions)
    by = np.asarray(table.taken(data.observation, data.action), dtype=float)
    np.testing.assert_allclose(quick.here, by.T @ by / len(data), atol=1e-7)
    np.testing.assert_allclose(quick.paid, by.T @ data.reward / len(data), atol=1e-7)
    onwards = np.eye(data.num_states)[data.next_state] * (~data.terminal)[:, None] * 0.9 / len(data)
    np.testing.assert_allclose(quick.reach, by.T @ onwards, atol=1e-7)


def test_rewards_in_other_units_teach_the_same():
    """Shifted and stretched rewards, with terminal rows: what comes after the end is shifted too."""
    process = sg.bridge_grid(4).counted(discount=0.9)
    data = sg.process_log(process, np.full(process.shape, 0.25), 8_000, episode_length=20)
    assert data.terminal.any()
    values = []
    for low, high in ((-1.0, 1.0), (-3.0, 2.0)):
        features = sg.TableFeatures(data.num_states, data.num_actions)
        start = sg.cloned(data)
        scale = sg.RewardScale(low, high, 0.9)
        moments = sg.moments_of(
            data, features, features, scale, policy=start, is_bounded=False, ridge=1e-13, key=jr.key(0)
        )
        with jax.enable_x64(True):
            values.append(float(scale.restored(consistent(moments, start, "penalty", jnp.asarray(1e12)).plug_in)))
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_an_action_that_was_never_taken_is_never_chosen():
    """Two states; the untried action could be worth anything, and is judged by the least."""
    data = sg.Dataset(
        [[0.0], [1.0]] * 20, [0, 0] * 20, [0.4, 0.6] * 20, [[1.0], [0.0]] * 20, [0] * 40, [0, 1] * 20,
        num_actions=2, num_states=2,
    )  # fmt: skip
    found = learn_policy(data, discount=0.9, reward_range=(0.0, 1.0), weights=(1e2, 1e4), num_steps=100)
    assert np.all(np.argmax(found.policy.logits, axis=-1) == 0)
    assert np.all(np.argmax(counted_plan(data, discount=0.9, reward_range=(0.0, 1.0)).logits, axis=-1) == 0)


def test_the_lower_bound_holds():
    """At a level of 95 % at most 5 of 40 logs may violate it: a sound bound does with probability 1 - 0.014.

    The twin, the most consistent critic taken for a bound, is above the truth in far more.
    """
    process, top = sg.goal_grid(3, discount=0.9), 0.1
    violations = plain = 0
    for seed in range(40):
        data = sg.process_log(process, mixed(process, 0.5), 1_000, seed)
        found = learn_policy(data, discount=0.9, reward_range=(0.0, 1.0), weights=(1e4,), num_steps=150)
        probabilities = np.exp(found.policy.logits - found.policy.logits.max(axis=-1, keepdims=True))
        true = top * float(process.value(probabilities / probabilities.sum(axis=-1, keepdims=True)))
        violations += found.value.low > true
        plain += found.value.value > true
    assert violations <= 5
    assert plain > 10


def test_learning_beats_cloning_and_says_how_sure_it_is():
    grid = sg.goal_grid()
    data = sg.process_log(grid, mixed(grid, 0.5), 1_000, 3)
    found = learn_policy(data, discount=0.95, reward_range=(0.0, 1.0), weights=(1e3, 1e4), num_steps=300)
    states = jnp.arange(25.0)[:, None]
    made = exact(lambda policy: policy.choice(states))(found.policy)
    earned = shares(grid, made[None])[0]
    assert earned > 0.95
    assert found.value.low <= 0.05 * float(grid.optimal_value()) + 1e-9
    assert found.value.low > found.behaviour.low
    assert found.stationarity.follower_slope < 1e-8
    assert found.stationarity.follower_curvature > 0.0
    assert not any("better than the one" in words for words in found.warnings)
    blind = sg.process_log(grid, np.full(grid.shape, 0.25), 30, 0)
    unsure = learn_policy(blind, discount=0.95, reward_range=(0.0, 1.0), weights=(1e3, 1e4), num_steps=50)
    assert any("rows on average" in words for words in unsure.warnings)


def test_what_is_covered_bounds_what_is_learned():
    grid = sg.goal_grid()
    data = sg.process_log(grid, mixed(grid, 0.5), 600, 0)
    gone = np.random.default_rng(0).random(grid.shape) < 0.2
    kept = data.taken(~gone[data.state, data.chosen])
    counts = np.zeros(grid.shape)
    np.add.at(counts, (kept.state, kept.chosen), 1.0)
    best = covered_value(grid, counts)
    assert best <= float(grid.optimal_value()) + 1e-9
    plan = exact(lambda policy: policy.choice(jnp.arange(25.0)[:, None]))(
        counted_plan(kept, discount=0.95, reward_range=(0.0, 1.0))
    )
    assert float(grid.value(plan / plan.sum(axis=-1, keepdims=True))) <= best + 1e-9


def test_where_nothing_was_tried_nothing_is_covered():
    """Plain sweeps that take met actions alone. The twin lets the best action stand for all where none was met, and
    promises what no log can tell."""
    rng, promised = np.random.default_rng(3), []
    for _ in range(5):
        counts = (rng.random(GRID.shape) < 0.4) * 1.0
        law, paid = np.asarray(GRID.transition), np.asarray(GRID.expected_reward())
        told = {}
        for word, open_ended in (("rule", False), ("twin", True)):
            value = np.zeros(GRID.shape[0])
            for _ in range(500):
                each = paid + GRID.discount * law @ value
                known = np.where(counts > 0, each, -np.inf).max(axis=-1)
                unknown = each.max(axis=-1) if open_ended else 0.0
                value = np.where(counts.any(axis=-1), known, unknown) * (1.0 - np.asarray(GRID.is_terminal))
            told[word] = float(np.asarray(GRID.initial) @ value)
        assert covered_value(GRID, counts) == pytest.approx(told["rule"], abs=1e-9)
        promised.append(told["twin"] - told["rule"])
    assert max(promised) > 0.01


def test_several_learners_on_one_log_are_one_call():
    made = task()
    learners = [sg.StackelbergLearner(made.moments, made.policy, "penalty", weight) for weight in (1e2, 1e4)]
    together = policies(learners, 30)
    alone = [policies([one], 30)[0] for one in learners]
    np.testing.assert_allclose(together, alone, atol=1e-9)
    np.testing.assert_allclose(together.sum(axis=-1), 1.0)
    run, metrics = sg.train(sg.stack(learners), 30)
    np.testing.assert_allclose(sg.commitments(sg.stack(learners), run)[:, 0], together, atol=1e-9)
    assert set(metrics) == {"pessimistic", "plug_in", "inconsistency", "slope"}


def test_the_individual_leader_improves_first_states_alone():
    made = task(0, 200)
    learner = sg.StackelbergLearner(made.moments, made.policy, "penalty", 1e4, leader="individual")
    after = policies([learner], 50)[0]
    before = exact(lambda policy: policy.choice(jnp.arange(9.0)[:, None]))(made.policy)
    moved = np.abs(after - before).max(axis=-1)
    assert moved[0] > 1e-3
    assert np.all(moved[1:] < 1e-12)


def test_policies_are_written_and_read_again(tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, 3))
    blank = lambda actions, states: sg.blank_batch_policy(
        actions, states, 2, np.zeros(3), np.ones(3), (8, 8), jr.key(1)
    )
    for policy, seen in ((blank(4, 0), rows), (blank(0, 0), rows), (as_table(np.full((5, 2), 0.5)), np.ones((7, 1)))):
        sg.write_batch_policy(policy, tmp_path / "policy.npz")
        again = sg.read_batch_policy(tmp_path / "policy.npz")
        np.testing.assert_allclose(again.greedy(seen), policy.greedy(seen), atol=1e-6)
    sg.write_log(task().data, tmp_path / "log.npz")
    with pytest.raises(sg.FileError, match="no policy"):
        sg.read_batch_policy(tmp_path / "log.npz")


def test_a_tanh_gaussian_is_a_density():
    policy = sg.blank_batch_policy(0, 0, 1, np.zeros(2), np.ones(2), (4,), jr.key(0))
    edges = np.linspace(-1.0, 1.0, 20_001)
    middle = 0.5 * (edges[1:] + edges[:-1])
    density = np.exp(policy.log_chance(np.zeros((20_000, 2)), middle[:, None]))
    assert np.sum(density) * (edges[1] - edges[0]) == pytest.approx(1.0, abs=1e-3)
    drawn = np.asarray(policy.draw(np.zeros((50_000, 2)), jr.key(1)))[:, 0]
    for cut in (-0.3, 0.1, 0.4):
        share = np.sum(density[middle < cut]) * (edges[1] - edges[0])
        assert abs(np.mean(drawn < cut) - share) < 4 * np.sqrt(0.25 / 50_000)


def test_an_end_that_the_range_leaves_out_is_refused():
    """After an end every step pays 0; where 0 is out of range a value would be wrong without a word."""
    process = sg.bridge_grid(4).counted(discount=0.9)
    data = sg.process_log(process, np.full(process.shape, 0.25), 300, episode_length=20)
    assert data.terminal.any()
    for reward_range in ((0.5, 1.0), (-1.0, -0.5)):
        with pytest.raises(sg.InputError, match="terminal"):
            learn_policy(data, discount=0.9, reward_range=reward_range, weights=(1e3,), num_steps=1)
        with pytest.raises(sg.InputError, match="terminal"):
            counted_plan(data, discount=0.9, reward_range=reward_range)
    found = learn_policy(data, discount=0.9, weights=(1e3,), num_steps=1)
    assert (found.learner.moments.scale.low, found.learner.moments.scale.high) == (-1.0, 1.0)


def test_a_search_that_is_cut_short_is_told(monkeypatch):
    from stackelberg.batch import consistency

    made = task(2, rows=30)
    assert bool(solved(made, made.policy, "penalty", 1e4)[0].is_settled)
    monkeypatch.setattr(consistency, "MOST_SETS", 1)
    jax.clear_caches()
    uniform = sg.SoftmaxTable(np.zeros(GRID.shape))
    assert not bool(solved(made, uniform, "penalty", 1e2)[0].is_settled)
    monkeypatch.undo()
    jax.clear_caches()


def test_logs_are_joined_one_after_the_other():
    data = task().data
    both = sg.joined_logs([data, data])
    assert both.num_episodes == 2 * data.num_episodes
    np.testing.assert_array_equal(both.propensity[len(data) :], data.propensity)


def test_either_rule_leaves_what_looks_like_gain():
    """A ring whose noise looks like gain: what is near the most consistent critic tells, and so does the bound."""
    ring = sg.noisy_ring()
    law, spread = np.full(ring.shape, 0.3 / 7.0), np.ones(ring.shape)
    law[:, 0], spread[:, 0] = 0.7, 0.1
    data = sg.process_log(ring, law, 300, 4, reward_deviation=spread)
    settings = {"discount": ring.discount, "reward_range": (-4.0, 4.0), "weights": (1e2, 1e6), "num_steps": 150}
    found = {rule: learn_policy(data, rule=rule, **settings) for rule in ("bound", "local")}
    assert {rule: one.weight for rule, one in found.items()} == {"bound": 1e2, "local": 1e2}
    few, many = found["local"].candidates
    assert few.local > many.local
    assert few.plug_in < many.plug_in  # which alone would choose the other
    with pytest.raises(sg.InputError, match="rule"):
        learn_policy(data, rule="quarters", **settings)
