"""What else would be picked for a log: against closed forms, general optimisers, and twins with the bug planted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import optimize

import stackelberg as sg
from stackelberg._learner import advance, start
from stackelberg.batch.conservative import soft_integral
from stackelberg.batch.consistency import consistent
from stackelberg.batch.moments import rounded_up
from stackelberg.batch.tabular import counted_plan
from stackelberg.calculus.precision import exact
from stackelberg.experiments.catalog.batch_control import pole_behaviour, tier_log
from stackelberg.experiments.catalog.batch_measuring import mixed, shares


GRID = sg.goal_grid(3, discount=0.9)
SCALE = sg.RewardScale(0.0, 1.0, 0.9)
STATES = jnp.arange(9.0)[:, None]


def grid_log(rows=400, seed=0):
    return sg.process_log(GRID, mixed(GRID, 0.5), rows, seed)


def trained(learner, num_steps, seed=0):
    run, metrics = advance(learner, start(learner, (seed,)), num_steps)
    return jax.tree.map(lambda leaf: leaf[0, 0], run.state), metrics


def counted(data):
    """Counts, mean rewards and the law of a log, pair by pair; where it ends the law sums to less than 1."""
    counts, paid, law = np.zeros(GRID.shape), np.zeros(GRID.shape), np.zeros((*GRID.shape, GRID.shape[0]))
    np.add.at(counts, (data.state, data.chosen), 1.0)
    np.add.at(paid, (data.state, data.chosen), data.reward)
    on = ~data.terminal
    np.add.at(law, (data.state[on], data.chosen[on], data.next_state[on]), 1.0)
    met = np.maximum(counts, 1.0)
    return counts, paid / met, law / met[..., None]


def softmax(values):
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def conservative_fixed_point(data, policy, caution, sign=1.0):
    """q = T q - α (softmax(q) / μ - 1) on the pairs of a log, by a general solver of equations."""
    counts, paid, law = counted(data)
    shares_of = counts / counts.sum(axis=-1, keepdims=True)

    def off(flat):
        q = flat.reshape(counts.shape)
        goal = paid + 0.9 * law @ np.sum(policy * q, axis=-1)
        # Times μ, so that pairs that were never met stay finite.
        return (shares_of * (q - goal) + sign * caution * (softmax(q) - shares_of)).ravel()

    found = optimize.root(off, np.zeros(counts.size), method="hybr", tol=1e-10)
    assert found.success
    return found.x.reshape(counts.shape)


def whole(learner):
    """All rows as one minibatch."""
    return jax.tree.map(jnp.asarray, learner.rows)


@pytest.mark.parametrize("caution", [0.0, 0.3])
def test_conservative_values_of_a_table_are_its_fixed_point(caution):
    """Full batches of a linear critic of one-hot states; the twin has the sign of pessimism turned."""
    data = grid_log(1_500)
    policy = sg.cloned(data)
    learner = sg.ConservativeQLearning(
        data, 0.9, caution=caution, policy=policy, hidden=(), learning_rate=0.03, target_rate=0.1
    )
    assert np.min(counted(data)[0]) > 0

    @eqx.filter_jit
    def settled(state):
        step = lambda state, n: (learner.update(state, whole(learner), n, jr.key(0))[0], None)
        return jax.lax.scan(step, state, jnp.arange(3_000))[0]

    state = settled(learner.init(jr.key(0)))
    found = np.asarray(learner.values(state.critic, STATES))
    chosen = np.asarray(policy.choice(STATES), dtype=float)
    np.testing.assert_allclose(found, conservative_fixed_point(data, chosen, caution), atol=0.02)
    if caution:
        assert np.max(np.abs(found - conservative_fixed_point(data, chosen, caution, -1.0))) > 0.2


def test_the_conservative_loss_is_that_of_its_text():
    """By NumPy, row by row, greedy targets with ends; without the ends it is another number."""
    data = grid_log(60)
    learner = sg.ConservativeQLearning(data, 0.9, caution=0.7, hidden=(5,))
    critic, target = (learner.init(jr.key(seed)).critic for seed in (0, 1))
    q, late = (np.asarray(learner.values(net, STATES), dtype=float) for net in (critic, target))
    by_hand = 0.0
    for s, a, r, then, over in zip(data.state, data.chosen, data.reward, data.next_state, data.terminal, strict=True):
        goal = r + 0.9 * (0.0 if over else late[then, np.argmax(q[then])])
        by_hand += 0.7 * (np.log(np.sum(np.exp(q[s]))) - q[s, a]) + 0.5 * (q[s, a] - goal) ** 2
    assert float(learner.loss(critic, target, whole(learner))[0]) == pytest.approx(by_hand / len(data), rel=1e-5)


def test_fitted_q_iteration_plans_as_well_as_the_counted_world():
    data = grid_log(800)
    assert sg.fitted_q_iteration(data, 0.9).caution == 0.0
    state, metrics = trained(sg.fitted_q_iteration(data, 0.9, hidden=(32, 32), learning_rate=1e-3), 1_500)
    learner = sg.fitted_q_iteration(data, 0.9, hidden=(32, 32))
    plan = counted_plan(data, discount=0.9, reward_range=(0.0, 1.0))
    earned = [
        shares(GRID, made[None] / made[None].sum(axis=-1, keepdims=True))[0]
        for made in (exact(lambda one: one.choice(STATES))(one) for one in (learner.policy(state), plan))
    ]
    assert earned[0] > earned[1] - 0.02
    assert set(metrics) == {"critic_loss", "excess", "promised"}


def test_discrete_learners_play_a_pole_and_are_written(tmp_path):
    world = sg.CartPole()
    data = sg.control_log(world, pole_behaviour(0.3), 600, jr.key(0))
    learner = sg.ConservativeQLearning(data, 0.95, hidden=(16, 16))
    state, metrics = trained(learner, 50)
    policy = learner.policy(state)
    values = np.asarray(learner.values(state.critic, data.observation))
    np.testing.assert_array_equal(policy.greedy(data.observation)[:, 0], np.argmax(values, axis=-1))
    sg.write_batch_policy(policy, tmp_path / "policy.npz")
    again = sg.read_batch_policy(tmp_path / "policy.npz")
    np.testing.assert_array_equal(again.greedy(data.observation), policy.greedy(data.observation))
    assert np.all(np.isfinite(metrics["critic_loss"]))


def test_the_integral_of_a_continuous_critic_is_quadrature():
    """log ∫ exp q by 40,000 draws of both laws against 4,001 points; without dividing by densities it misses."""
    data = tier_log("medium", 300, 0)
    learner = sg.ConservativeActorCritic(data, 0.97, hidden=(8,), num_draws=20_000)
    state = learner.init(jr.key(3))
    critics = jax.tree.map(lambda leaf: 4.0 * leaf if eqx.is_inexact_array(leaf) else leaf, state.critics)
    rows = jnp.asarray(learner.rows.observation[:3])
    action, chance = learner.spread_actions(state.actor, rows, jr.key(0))
    found = np.asarray(soft_integral(critics, rows, action, chance))
    points = np.linspace(-1.0, 1.0, 4_001)
    for place in range(3):
        pairs = np.concatenate([np.repeat(rows[place][None], 4_001, axis=0), points[:, None]], axis=-1)
        values = np.asarray(eqx.filter_vmap(lambda critic, pairs=pairs: jax.vmap(critic)(pairs)[:, 0])(critics))
        told = np.log(np.trapezoid(np.exp(values.astype(float)), points, axis=-1))
        np.testing.assert_allclose(found[:, place], told, atol=0.02)
    assert np.max(np.abs(np.asarray(soft_integral(critics, rows, action, 0.0 * chance)) - found)) > 0.1


def test_densities_of_sampled_actions_are_those_of_the_policy():
    policy = sg.blank_batch_policy(0, 0, 2, np.zeros(3), np.ones(3), (4,), jr.key(0))
    rows, noise = jr.normal(jr.key(1), (50, 3)), jr.normal(jr.key(2), (50, 2))
    action, chance = policy.sampled(rows, noise)
    np.testing.assert_allclose(action, policy.actions(rows, noise), atol=1e-6)
    np.testing.assert_allclose(chance, policy.log_chance(rows, action), atol=1e-3)


def test_a_continuous_conservative_critic_leans_to_the_log():
    """With more caution the log's own actions are worth more against uniform ones."""
    data = tier_log("medium", 600, 0)
    above = []
    for caution in (0.0, 5.0):
        learner = sg.ConservativeActorCritic(
            data, 0.97, caution=caution, hidden=(32, 32), num_draws=4, batch_size=64, learning_rate=1e-3
        )
        state, metrics = trained(learner, 250)
        rows = learner.rows
        of = lambda action, critics=state.critics, rows=rows: float(
            jnp.mean(
                eqx.filter_vmap(lambda critic: jax.vmap(critic)(jnp.concatenate([rows.observation, action], -1)))(
                    critics
                )
            )
        )
        above.append(of(rows.action) - of(jr.uniform(jr.key(0), rows.action.shape, minval=-1.0)))
        assert np.all(np.isfinite(metrics["promised"]))
        assert learner.policy(state).greedy(data.observation).shape == (600, 1)
    assert above[1] > above[0] + 0.1


def opposed(data, policy, **settings):
    learner = sg.AdversarialActorCritic(data, policy, 0.9, hidden=(8,), **settings)
    state = learner.init(jr.key(1))
    return learner, state, learner.sample(state, 0, jr.key(2))


def every_row(learner):
    none = np.zeros(learner.action.shape)
    met = type(learner.sample(None, 0, jr.key(0)))
    rows = (learner.observation, learner.action, learner.reward, learner.then, learner.terminal, none, none)
    return met(*(jnp.asarray(one, jnp.float32) if one.dtype != bool else jnp.asarray(one) for one in rows))


@pytest.mark.parametrize("seed", range(3))
def test_no_critic_calls_the_logs_own_policy_better_or_worse(seed):
    """E[q(s, π) - q(s, a)] is 0 for every q where π is the log's share of actions, and not for another π."""
    data = grid_log(300, seed)
    learner, state, _ = opposed(data, sg.cloned(data, pseudo_count=1e-9))
    rows = every_row(learner)
    relative = lambda policy: np.asarray(jnp.mean(learner.relative(state.critics, policy, rows), axis=-1))
    np.testing.assert_allclose(relative(state.policy), 0.0, atol=1e-5)
    assert np.max(np.abs(relative(sg.SoftmaxTable(jnp.zeros(GRID.shape))))) > 1e-3


def test_half_of_the_bellman_error_is_against_targets():
    """By NumPy from the critics' tables, and another number where the lesser of the targets is not taken."""
    data = grid_log(200)
    learner, state, _ = opposed(data, sg.cloned(data))
    late = learner.init(jr.key(9)).critics
    rows = every_row(learner)
    table = lambda critics: np.asarray(
        eqx.filter_vmap(lambda critic: jax.vmap(critic)(learner.encoding(STATES)))(critics), dtype=float
    )
    q, old = table(state.critics), table(late)
    chosen = np.asarray(state.policy.choice(STATES), dtype=float)
    own, still = np.sum(chosen * q, axis=-1), np.sum(chosen * old, axis=-1)
    here = q[:, data.state, data.chosen]
    on = 0.9 * ~data.terminal
    off = lambda then: np.mean((data.reward + on * then[..., data.next_state] - here) ** 2)
    found = float(learner.bellman(state.critics, late, state.policy, rows))
    assert found == pytest.approx(0.5 * off(own) + 0.5 * off(still.min(axis=0)), rel=1e-4)
    assert found != pytest.approx(0.5 * off(own) + 0.5 * off(still.max(axis=0)), rel=1e-4)


def test_layers_are_cut_back_and_the_policy_waits():
    data = grid_log(200)
    learner, state, batch = opposed(data, sg.cloned(data), most_weight=0.5, warm_steps=2)
    update = eqx.filter_jit(learner.update)
    waiting, _ = update(state, batch, 1, jr.key(0))
    np.testing.assert_array_equal(waiting.policy.logits, state.policy.logits)
    after, _ = update(state, batch, 2, jr.key(0))
    assert np.max(np.abs(after.policy.logits - state.policy.logits)) > 0.0
    for layer in after.critics.layers:
        assert np.all(np.linalg.norm(layer.weight, axis=(-2, -1)) <= 0.5 + 1e-5)


def test_an_adversarial_policy_is_better_than_the_logs():
    data = grid_log(600)
    learner = sg.AdversarialActorCritic(
        data, sg.cloned(data), 0.9, bellman_weight=30.0, slow_rate=2e-2, hidden=(32,), warm_steps=200, batch_size=128
    )
    state, metrics = trained(learner, 1_000)
    earned = [
        shares(GRID, exact(lambda one: one.choice(STATES))(one)[None])[0] for one in (sg.cloned(data), state.policy)
    ]
    assert earned[1] > earned[0] + 0.15
    assert set(metrics) == {"relative", "critic_loss"}


def test_an_adversarial_policy_of_continuous_actions_learns():
    data = tier_log("medium", 300, 0)
    start_from = sg.cloned(data, hidden=(8,), num_steps=20)
    learner = sg.AdversarialActorCritic(data, start_from, 0.97, hidden=(8,), warm_steps=2, batch_size=32)
    state, metrics = trained(learner, 20)
    assert np.all(np.isfinite(metrics["critic_loss"]))
    assert learner.policy(state).greedy(data.observation).shape == (300, 1)
    assert learner.commitment(state).ndim == 1


def bellman_task(rows=80, seed=0, features=None, **settings):
    data = grid_log(rows, seed)
    chosen = sg.TableFeatures(9, 4) if features is None else features
    return data, chosen, sg.bellman_moments(data, chosen, SCALE, **settings)


def above_least(data, features, policy, omega, is_net=True):
    """The squared Bellman error over rows, minus the least that a critic of the class attains against its targets."""
    here = np.asarray(features.taken(data.observation, data.action), dtype=float)
    then = np.asarray(features.averaged(data.next_observation, policy, None), dtype=float)
    goal = data.reward + 0.9 * ~data.terminal * (then @ omega)
    least = np.linalg.lstsq(here, goal, rcond=None)[0]
    off = np.mean((here @ omega - goal) ** 2)
    return off - is_net * np.mean((here @ least - goal) ** 2)


@pytest.mark.parametrize("kind", ["table", "fourier"])
def test_whitened_tests_measure_the_bellman_error_above_its_least(kind):
    """Row by row with a least-squares fit inside; without the fit it is another number, as next states are noisy."""
    process = sg.random_process(5, 3, 0)
    data = sg.process_log(process, np.full(process.shape, 1.0 / process.shape[1]), 300, 0)
    if kind == "table":
        features = sg.TableFeatures(data.num_states, data.num_actions)
    else:
        rows = sg.Dataset(
            data.observation, data.action, data.reward, data.next_observation, data.terminal, data.truncated,
            num_actions=data.num_actions,
        )  # fmt: skip
        features = exact(lambda: sg.features_for(rows, 4, key=jr.key(0)))()
    low = float(min(data.reward.min(), 0.0))
    scale = sg.RewardScale(low, float(data.reward.max()) + 1e-3, 0.9)
    paid = exact(lambda: scale.earned(data))()
    table = sg.SoftmaxTable(np.random.default_rng(0).normal(size=process.shape))
    moments = sg.bellman_moments(data, features, scale)
    omega = np.random.default_rng(1).normal(size=features.size)

    @exact
    def compared():
        toward, _ = moments.under(table)
        told = np.sum((moments.paid - toward @ omega) ** 2)
        earned = eqx.tree_at(lambda one: one.reward, data, np.asarray(paid))
        return (
            float(told),
            above_least(earned, features, table, omega),
            above_least(earned, features, table, omega, False),
        )

    told, net, gross = compared()
    assert told == pytest.approx(net, rel=1e-6)
    assert told != pytest.approx(gross, rel=1e-2)


@pytest.mark.parametrize("weight", [10.0, 1e3])
def test_the_pessimistic_critic_is_that_of_a_general_optimiser(weight):
    """SciPy's bounded minimiser on the definition over rows; with the sign of the value turned it misses."""
    data, features, moments = bellman_task(ridge=1e-12)
    policy = sg.cloned(data)

    @exact
    def both():
        found = consistent(moments, policy, "penalty", jnp.asarray(weight))
        return found.critic("penalty", weight), found.value("penalty", weight), np.asarray(moments.under(policy)[1])

    omega, value, first = both()
    rows = exact(lambda: moments.under(policy)[0])()
    quadratic = lambda q: np.sum((np.asarray(moments.paid) - np.asarray(rows) @ q) ** 2)
    some = np.random.default_rng(0).uniform(0.0, 10.0, features.size)
    assert exact(lambda: above_least(data, features, policy, some))() == pytest.approx(quadratic(some), rel=1e-6)

    def best(sign):
        loss = lambda q: sign * first @ q + weight * quadratic(q)
        slope = lambda q: sign * first - 2.0 * weight * np.asarray(rows).T @ (np.asarray(moments.paid) - rows @ q)
        found = optimize.minimize(
            loss, np.full(features.size, 1.0), jac=slope, bounds=[(0.0, 10.0)] * features.size, method="L-BFGS-B",
            options={"maxiter": 20_000, "ftol": 1e-15, "gtol": 1e-10},
        )  # fmt: skip
        return loss(found.x), float(first @ found.x)

    least, told = best(1.0)
    assert float(first @ omega + weight * quadratic(omega)) == pytest.approx(least, abs=1e-7)
    assert float(value) == pytest.approx(told, abs=1e-4)
    assert abs(best(-1.0)[1] - float(value)) > 1e-3


def test_a_large_weight_is_the_plug_in_value_and_a_smaller_one_is_less():
    data, _, moments = bellman_task(1_500)
    policy = sg.cloned(data)
    counts, paid, law = counted(data)
    assert counts.min() > 0
    chosen = np.asarray(policy.choice(STATES), dtype=float)
    onwards = np.einsum("sa,sat->st", chosen, law)
    value = np.linalg.solve(np.eye(9) - 0.9 * onwards, np.sum(chosen * paid, axis=-1))
    plug_in = 0.1 * np.mean(value[data.starts[:, 0].astype(int)])
    of = exact(
        lambda weight: float(consistent(moments, policy, "penalty", jnp.asarray(weight)).value("penalty", weight))
    )
    found = [of(weight) for weight in (1e9, 1e2, 1e1, 1e0)]
    assert found[0] == pytest.approx(plug_in, abs=1e-6)
    assert np.all(np.diff(found) < 0.0)


def test_pessimistic_soft_iteration_learns_and_its_first_step_is_mirror_ascent():
    _, features, moments = bellman_task(600)
    blank = sg.SoftmaxTable(np.zeros(GRID.shape))
    learner = sg.PessimisticSoftIteration(moments, blank, 1e2, learning_rate=10.0)

    @exact
    def first():
        state = learner.init(jr.key(0))
        after, metrics = learner.update(state, (), 0, jr.key(0))
        omega = consistent(moments, blank, "penalty", 1e2).critic("penalty", 1e2)
        return learner.commitment(after), np.asarray(omega).reshape(GRID.shape), metrics

    made, q, metrics = first()
    np.testing.assert_allclose(made, softmax(10.0 * 0.1 * q), atol=1e-9)
    assert metrics["pessimistic"] <= metrics["plug_in"]
    state, _ = trained(learner, 60)
    earned = shares(GRID, exact(learner.commitment)(state)[None])[0]
    assert earned > 0.95
    assert features.size == 36


def test_soft_critics_of_random_features_choose_by_their_sum():
    data = sg.control_log(sg.CartPole(), pole_behaviour(0.3), 300, jr.key(0))
    features = exact(lambda: sg.features_for(data, 10, key=jr.key(0)))()
    moments = sg.bellman_moments(data, features, sg.RewardScale(0.0, 1.0, 0.95), ridge=1e-6)
    learner = sg.PessimisticSoftIteration(moments, sg.cloned(data, hidden=(4,), num_steps=5), 1e3)
    state, metrics = trained(learner, 3)
    assert np.all(metrics["pessimistic"] <= metrics["plug_in"] + 1e-12)
    choice = exact(lambda: learner.policy(state).choice(data.observation))()
    np.testing.assert_allclose(np.sum(choice, axis=-1), 1.0, atol=1e-6)


def test_a_large_weight_leaves_the_kernel_loss_alone():
    """The leader then climbs the plug-in value of the counted world: its slope is that of the exact value there."""
    data = grid_log(1_500)
    features, policy = sg.TableFeatures(9, 4), sg.cloned(data)
    moments = sg.moments_of(
        data, features, features, SCALE, policy=policy, is_bounded=False, ridge=1e-13, key=jr.key(0)
    )
    counts, paid, law = counted(data)
    assert counts.min() > 0

    def value(logits):
        chosen = jax.nn.softmax(logits)
        onwards = jnp.einsum("sa,sat->st", chosen, law)
        each = jnp.linalg.solve(jnp.eye(9) - 0.9 * onwards, jnp.sum(chosen * paid, axis=-1))
        return 0.1 * jnp.mean(each[data.starts[:, 0].astype(int)])

    @exact
    def slopes(weight):
        learner = sg.StackelbergLearner(moments, policy, "penalty", weight)
        return eqx.filter_grad(lambda one: learner.paid(one)[0])(policy).logits, jax.grad(value)(policy.logits)

    found, told = slopes(1e10)
    np.testing.assert_allclose(found, told, atol=1e-6)
    assert np.max(np.abs(np.subtract(*slopes(1e2)))) > 1e-4


POLE = sg.control_log(sg.CartPole(), pole_behaviour(0.3), 300, jr.key(0))


def neural(**settings):
    start_from = sg.cloned(POLE, hidden=(8,), num_steps=5)
    tests = sg.features_for(POLE, 10, key=jr.key(1))
    scale = sg.RewardScale(0.0, 1.0, 0.95)
    return sg.NeuralStackelbergLearner(POLE, start_from, tests, scale, hidden=(8,), batch_size=64, **settings)


def test_the_lagrangian_leader_with_one_step_is_descent_and_ascent_in_turn():
    """One function, the critic down it and the policy up it, each by one step of Adam."""
    learner = neural(leader="lagrangian", follower_steps=1, weight=10.0)
    state = learner.init(jr.key(0))
    batch = learner.sample(state, 0, jr.key(1))
    after, _ = learner.update(state, batch, 0, jr.key(2))
    first, second = (jax.tree.map(lambda leaf, place=place: leaf[place], batch) for place in (0, 1))
    with_net = lambda net: eqx.tree_at(lambda one: one.network, state.critic, net)
    down = jax.grad(lambda net: learner.follower_loss(state.policy, with_net(net), first))(state.critic.network)
    # The first step of Adam is the rate times the sign.
    net = jax.tree.map(lambda leaf, slope: leaf - 3e-3 * slope / (jnp.abs(slope) + 1e-8), state.critic.network, down)
    up = jax.grad(lambda policy: learner.follower_loss(policy, with_net(net), second))(state.policy)
    told = jax.tree.map(lambda leaf, slope: leaf + 3e-4 * slope / (jnp.abs(slope) + 1e-8), state.policy, up)
    for found, wanted in zip(jax.tree.leaves(after.policy.network), jax.tree.leaves(told.network), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)


@pytest.mark.parametrize(("statistic", "curvature"), [("u", "gauss-newton"), ("two-batch", "hessian")])
def test_every_statistic_moves_the_policy_or_falls_back(statistic, curvature):
    learner = neural(statistic=statistic, curvature=curvature, follower_steps=1)
    state, metrics = trained(learner, 4)
    assert np.all(np.isfinite(metrics["slope"]))
    assert np.all(metrics["curvature"] >= 0.0) or curvature == "hessian"
    assert np.all(np.isfinite(state.solution))


def test_statistics_of_features_are_those_of_their_kernel():
    generator = np.random.default_rng(0)
    tests, residual = generator.normal(size=(30, 4)), generator.normal(size=30)
    from stackelberg.calculus.kernel import feature_loss, kernel_loss

    @exact
    def values(kind):
        return feature_loss(residual, tests, kind), kernel_loss(residual, tests @ tests.T, kind)

    for kind in ("v", "u"):
        assert values(kind)[0] == pytest.approx(float(values(kind)[1]), rel=1e-10)
    halves = [tests[part].T @ residual[part] / 15 for part in (slice(15), slice(15, 30))]
    assert exact(lambda: feature_loss(residual, tests, "two-batch"))() == pytest.approx(halves[0] @ halves[1])


def test_an_indefinite_statistic_is_told_and_the_policy_moves_by_its_own_part():
    """Residuals so large that the Hessian of "u" is not positive; that of Gauss and Newton always is."""
    learner = neural(statistic="u", curvature="hessian", solver=sg.ConjugateGradient(30, 1e-8), damping=0.0)
    state = learner.init(jr.key(0))
    rows = jax.tree.map(lambda leaf: leaf[0], learner.sample(state, 0, jr.key(1)))
    rows = rows._replace(reward=rows.reward + 30.0 * jr.normal(jr.key(2), rows.reward.shape))
    slope, solution, _, _, curvature = eqx.filter_jit(learner.direction)(state, rows, 0, jr.key(3))
    assert float(curvature) <= 0.0
    own = jax.grad(learner.leader_loss)(state.policy, state.critic, rows)
    for found, wanted in zip(jax.tree.leaves(slope), jax.tree.leaves(own), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.all(np.asarray(solution) == 0.0)


def test_the_last_layers_answer_is_differentiated_as_a_whole_one():
    """Against the dense system of the last layer's weights, which knows nothing of products."""
    with jax.enable_x64(True):
        learner = neural(answers="last-layer", solver=sg.ConjugateGradient(400, 1e-12), weight=50.0)
        state = learner.init(jr.key(0))
        rows = jax.tree.map(lambda leaf: leaf[0], learner.sample(state, 0, jr.key(1)))
        found, solution, top, _, _ = learner.direction(state, rows, 0, jr.key(2))
        part, whole_of = learner._answering(state.critic.network)
        flat, unravel = jax.flatten_util.ravel_pytree(part)
        critic = lambda w: eqx.tree_at(lambda one: one.network, state.critic, whole_of(unravel(w)))
        tests = np.asarray(learner._tests(rows))
        residual = lambda w: tests.T @ learner._residual(state.policy, critic(w), rows) / 64
        jacobian = np.asarray(jax.jacobian(residual)(flat))
        matrix = 2.0 * 50.0 * jacobian.T @ jacobian
        damped = matrix + 1e-6 * np.linalg.norm(matrix @ np.asarray(state.top)) * np.eye(len(flat))
        pull = jax.grad(lambda w: learner.leader_loss(state.policy, critic(w), rows))(flat)
        np.testing.assert_allclose(solution, np.linalg.solve(damped, pull), rtol=1e-4, atol=1e-6)
        mixed_part = jax.grad(
            lambda policy: jax.grad(lambda w: learner.follower_loss(policy, critic(w), rows))(flat) @ solution
        )(state.policy)
        own = jax.grad(learner.leader_loss)(state.policy, state.critic, rows)
        for one, first, second in zip(*map(jax.tree.leaves, (found, own, mixed_part)), strict=True):
            np.testing.assert_allclose(one, first - second, rtol=1e-8, atol=1e-10)
        # Products turn the direction into the leading one, whose length is the largest curvature.
        for _ in range(100):
            top = matrix @ top / np.linalg.norm(matrix @ top)
        assert np.linalg.norm(matrix @ top) == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-3)


def test_a_solution_stands_until_it_is_refreshed():
    learner = neural(refresh_every=3, follower_steps=1)
    run, solutions = start(learner, (0,)), []
    for _ in range(4):
        run, _ = advance(learner, run, 1)
        solutions.append(np.asarray(run.state.solution))
    np.testing.assert_array_equal(solutions[0], solutions[1])
    np.testing.assert_array_equal(solutions[1], solutions[2])
    assert np.max(np.abs(solutions[3] - solutions[2])) > 0.0


def test_settings_out_of_range_are_refused():
    discrete, continuous = grid_log(50), tier_log("medium", 50, 0)
    wrong = [
        (sg.ConservativeQLearning, (continuous,), {}, "discrete"),
        (sg.ConservativeQLearning, (discrete,), {"caution": -1.0}, "caution"),
        (sg.ConservativeQLearning, (discrete,), {"policy": sg.SoftmaxTable(np.zeros((9, 3)))}, "actions"),
        (sg.ConservativeQLearning, (discrete,), {"discount": 1.5}, "discount"),
        (sg.ConservativeActorCritic, (discrete,), {}, "continuous"),
        (sg.ConservativeActorCritic, (continuous,), {"num_draws": 0}, "num_draws"),
        (sg.ConservativeActorCritic, (continuous,), {"temperature": np.nan}, "temperature"),
        (sg.AdversarialActorCritic, (discrete, "cloned"), {}, "policy"),
        (sg.AdversarialActorCritic, (continuous, sg.cloned(discrete)), {}, "policy"),
        (sg.AdversarialActorCritic, (discrete, sg.cloned(discrete)), {"bellman_weight": -1.0}, "bellman_weight"),
        (sg.AdversarialActorCritic, (discrete, sg.cloned(discrete)), {"warm_steps": 1.5}, "warm_steps"),
        (sg.PessimisticSoftIteration, (None, sg.cloned(discrete)), {}, "moments"),
        (sg.PessimisticSoftIteration, (bellman_task()[2], sg.cloned(discrete), 0.0), {}, "weight"),
        (sg.bellman_moments, (continuous, sg.TableFeatures(9, 4), SCALE), {}, "discrete"),
        (neural, (), {"statistic": "w"}, "statistic"),
        (neural, (), {"answers": "all"}, "answers"),
        (neural, (), {"refresh_every": 0}, "refresh_every"),
        (neural, (), {"damping": -1.0}, "damping"),
    ]
    for make, given, settings, word in wrong:
        with pytest.raises(sg.InputError, match=word):
            make(*given, **settings)


def test_averages_by_other_tests_are_not_whitened():
    from stackelberg.batch.bellman_pessimism import whitened

    moments = sg.problem_of(
        POLE, sg.cloned(POLE, hidden=(4,), num_steps=2), sg.RewardScale(0.0, 1.0, 0.95), num_features=6
    )
    with pytest.raises(sg.InputError, match="same features"):
        whitened(moments.moments)


def test_rows_that_make_logs_share_a_program_are_never_drawn():
    """A log of 300 rows is stored as 512; the twin counts those that were added, and learns something else."""
    learner = sg.ConservativeQLearning(grid_log(300), 0.9, hidden=(16,), batch_size=32)
    longer = eqx.tree_at(lambda one: one.rows, learner, jax.tree.map(rounded_up, learner.rows))
    drawing = eqx.tree_at(lambda one: one.num_rows, longer, np.asarray(512))
    assert longer.rows.reward.shape == (512,)
    own, same, other = (trained(one, 50)[0].critic for one in (learner, longer, drawing))
    for mine, theirs in zip(jax.tree.leaves(own), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert any(np.any(a != b) for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(other), strict=True))
