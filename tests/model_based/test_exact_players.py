"""Policy and world model as players, exactly: the numbers of the study, and the same by other means."""

import itertools
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import stackelberg as sg
from model_based.by_hand import episode_weights, is_answer_to_some_model, value_of
from stackelberg.games.domains.small_processes import PROCESSES
from stackelberg.games.model_loss import visited


STUDY = sg.decision_process("simple-2")
TRAP, AWAY, SECOND, BEST = STUDY.deterministic_policies()[[0, 2, 1, 3]]


def parts(process):
    fields = (process.transition, process.reward, process.initial, process.is_terminal)
    return tuple(np.asarray(field) for field in fields)


@pytest.mark.parametrize(
    ("policy", "value", "endless", "visits"),
    [
        (BEST, 36.45, 73.960396, [0, 48, 0, 2]),
        (SECOND, 2.578043, 2.397111, [3.32601, 0, 0, 5.98853]),
        (TRAP, 0.9875, 0.985037, [0, 0, 1.25, 0]),
        (AWAY, 0.9875, 0.985037, [0, 0, 1.25, 0]),
        (np.full((3, 2), 0.5), 1.693678, None, [0.57471, 0.57471, 1.03448, 1.03448]),
    ],
)
def test_values_and_visits_of_the_studys_process(policy, value, endless, visits):
    assert float(STUDY.value(policy)) == pytest.approx(value, abs=1e-6)
    assert np.asarray(STUDY.visits(policy))[:2].ravel() == pytest.approx(visits, abs=1e-5)
    if endless is not None:
        assert float(STUDY.counted(discount=0.99).value(policy)) == pytest.approx(endless, abs=1e-6)


@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 6), discount=st.floats(0.1, 1.0))
@settings(max_examples=20)
def test_values_and_visits_are_those_of_plain_loops(seed, horizon, discount):
    process = sg.random_process(3, 2, seed, horizon=horizon, discount=discount)
    policy = np.random.default_rng(seed).dirichlet(np.ones(2), 3)
    by_hand = value_of(*parts(process), policy, horizon, discount)
    assert float(process.value(policy)) == pytest.approx(by_hand, abs=1e-12)
    assert float(process.optimal_value()) >= by_hand - 1e-12
    # What is paid is visits times what each visit pays.
    assert float(np.sum(process.visits(policy) * process.expected_reward())) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(
    ("score", "losses"),
    [("brier", (0.02, 0.19177, 0.51872)), ("likelihood", (0.02773, 0.34110, 0.77168))],
)
def test_the_losses_of_the_released_code_averaged_by_episode(score, losses):
    loss = sg.ModelLoss(score, "episode")
    found = [loss.value(STUDY, policy, loss.fitted(STUDY, policy, STUDY.transition)) for policy in (BEST, TRAP, SECOND)]
    assert [float(one) for one in found] == pytest.approx(losses, abs=1e-5)


def test_averaging_by_episode_bends_the_best_row_away_from_the_world():
    fitted = sg.ModelLoss("brier", "episode").fitted(STUDY, TRAP, STUDY.transition)
    assert np.asarray(fitted[1, 0]) == pytest.approx([0, 0.10743, 0.89257], abs=1e-5)
    by_step = sg.ModelLoss("brier", "step").fitted(STUDY, TRAP, STUDY.transition)
    assert np.asarray(by_step[1, 0]) == pytest.approx([0, 0.2, 0.8], abs=1e-12)


@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 4))
@settings(max_examples=10)
def test_weights_by_episode_are_those_of_all_paths(seed, horizon):
    drawn = sg.random_process(3, 2, seed, horizon=horizon)
    process = sg.DecisionProcess(drawn.transition, drawn.reward, drawn.initial, [0, 0, 1], horizon=horizon)
    policy = np.random.default_rng(seed).dirichlet(np.ones(2), 3)
    law, _, initial, terminal = parts(process)
    found = sg.ModelLoss("brier", "episode").weights(process, policy)
    assert np.asarray(found) == pytest.approx(episode_weights(law, initial, terminal, policy, horizon), abs=1e-12)
    assert np.sum(found) == pytest.approx(1.0)


def test_a_fit_is_the_model_of_least_loss():
    """The planted bug, weights of steps for a loss of episodes, is found."""
    rng = np.random.default_rng(0)
    for score in ("divergence", "likelihood", "brier"):
        loss = sg.ModelLoss(score, "episode")
        fitted = loss.fitted(STUDY, SECOND, STUDY.transition)
        least = float(loss.value(STUDY, SECOND, fitted))
        for other in rng.dirichlet(np.ones(3), (8, 3, 2)):
            assert float(loss.value(STUDY, SECOND, 0.9 * fitted + 0.1 * other)) >= least - 1e-12
        wrong = sg.ModelLoss(score, "step").fitted(STUDY, SECOND, STUDY.transition)
        assert float(loss.value(STUDY, SECOND, wrong)) > least + 1e-4


def test_every_deterministic_policy_of_the_study_answers_a_model_without_loss():
    found = sg.zero_loss_equilibria(STUDY)
    assert found.is_equilibrium.all()
    assert sorted(set(np.round(found.slack, 3))) == pytest.approx([0.985, 1.397, 72.96], abs=6e-3)
    assert (found.worst_value, found.best_value) == pytest.approx((0.9875, 36.45))


@pytest.mark.parametrize("name", PROCESSES)
def test_the_answers_of_the_catalog_are_recomputed(name):
    entry = PROCESSES[name]
    found, process = sg.zero_loss_equilibria(entry.process), entry.process
    assert found.worst_value == pytest.approx(entry.worst_equilibrium, abs=1e-9)
    assert float(process.optimal_value()) == pytest.approx(entry.best_value, abs=1e-9)
    by_hand = [value_of(*parts(process), policy, process.horizon) for policy in process.deterministic_policies()]
    assert max(by_hand) == pytest.approx(entry.best_value, abs=1e-9)
    assert found.values == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_zero_loss_equilibria_are_those_that_some_model_makes_optimal(seed):
    """Independent: all models whose unknown rows lead to one state, all policies in each of them, linear systems.

    The planted bug, a best completion in the place of the worst, calls others equilibria.
    """
    drawn = sg.random_process(3, 2, seed, num_successors=2)
    reward = np.where(np.random.default_rng(seed).random((3, 2, 1)) < 0.5, 1.0, 0.0) + 0.5 * drawn.reward
    process = sg.DecisionProcess(drawn.transition, reward, drawn.initial, horizon=20)
    found = sg.zero_loss_equilibria(process, 0.6)
    law, paid, initial, terminal = parts(process)
    by_hand = [is_answer_to_some_model(law, paid, initial, terminal, one, 0.6) for one in found.policies]
    assert found.is_equilibrium.tolist() == by_hand
    assert not np.any(np.abs(found.slack) < 1e-9)


def test_among_random_processes_some_policies_are_no_equilibria():
    """Otherwise the test above could not fail."""
    found = [sg.zero_loss_equilibria(sg.random_process(3, 2, seed, num_successors=2), 0.6) for seed in range(6)]
    assert any(not one.is_equilibrium.all() for one in found)
    assert all(one.is_equilibrium.any() for one in found)


def test_the_best_policy_is_always_an_equilibrium():
    for seed in range(10):
        process = sg.random_process(3, 2, seed, discount=0.9)
        found = sg.zero_loss_equilibria(process, 0.9)
        assert found.best_value == pytest.approx(float(process.optimal_value()), abs=1e-9)


@pytest.mark.parametrize(("selection", "paid"), [("worst", 0.9875), ("best", 36.45)])
def test_the_leaders_loss_does_not_choose_between_truth_and_trap(selection, paid):
    solution = sg.solve(sg.ModelAsLeader(STUDY), sg.FollowerClasses(selection))
    assert float(solution.leader_value) == 0.0
    assert solution.certificate.status == "optimal"
    assert solution.certificate.follower_regret == pytest.approx(0.0, abs=1e-9)
    assert float(STUDY.value(solution.response)) == pytest.approx(paid, abs=1e-9)


def test_under_the_loss_of_the_code_the_trap_is_no_equilibrium():
    solution = sg.solve(sg.ModelAsLeader(STUDY, sg.ModelLoss("brier", "episode")))
    assert float(solution.leader_value) == pytest.approx(-0.02, abs=1e-12)
    assert float(STUDY.value(solution.response)) == pytest.approx(36.45)


def test_policy_as_leader_is_ordinary_reinforcement_learning():
    """Whatever the ties do with rows that are never met, the promise of a fitted model is what the world pays."""
    solution = sg.solve(sg.PolicyAsLeader(STUDY))
    assert float(solution.leader_value) == pytest.approx(36.45)
    assert solution.certificate.gap <= 1e-9
    game = sg.PolicyAsLeader(STUDY)
    for policy, ties in itertools.product(STUDY.deterministic_policies(), ("leader", "adversary", "uniform")):
        outcome = sg.evaluate(game, policy, sg.BestResponse(ties)(game, policy))
        assert float(outcome.leader_value) == pytest.approx(float(STUDY.value(policy)), abs=1e-9)
        assert float(outcome.follower_regret) == pytest.approx(0.0, abs=1e-12)
    paths = []
    for ties in ("leader", "adversary"):
        _, metrics = sg.train(sg.PolicyAscent(game, sg.BestResponse(ties)), 20)
        paths.append(metrics["promised"][:, 0, 0])
    assert paths[0] == pytest.approx(paths[1], abs=1e-9)


@pytest.mark.parametrize(("gradient", "steps"), [("plain", 29), ("natural", 17)])
def test_policy_ascent_crosses_36_at_the_stated_step(gradient, steps):
    _, metrics = sg.train(sg.PolicyAscent(sg.PolicyAsLeader(STUDY), gradient=gradient, learning_rate=0.1), 40)
    assert int(np.argmax(metrics["promised"][:, 0, 0] > 36.0)) == steps


def test_from_the_even_model_the_trap_closes_in_one_round():
    found = sg.repeated_fits(STUDY, np.full((3, 2, 3), 1 / 3))
    assert (float(found.values[0]), int(found.rounds[0]), int(found.rows_learned[0])) == (0.9875, 1, 1)
    model = sg.ModelAsLeader(STUDY).uniform_commitment()
    planning = STUDY.counted(discount=0.99)
    values = planning.values(planning.best_policy(model), model)
    assert np.asarray(values)[:2] == pytest.approx([1.58824, 1.25490], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("simple-2", {0.9875: 47.5, 2.578: 29.0, 36.45: 23.5}),
        ("triangle", {491.0: 74.8, 203.0: 17.6, 50.0: 7.6}),
        ("two-states", {246.0: 66.8, 50.0: 33.2}),
    ],
)
def test_basins_of_20_000_random_models(name, shares):
    """Half a percentage point is 1.4 standard errors at most; 1.5 points are 4."""
    process = sg.decision_process(name)
    found = sg.repeated_fits(process, sg.random_models(process, 20_000))
    for value, percent in shares.items():
        assert 100 * np.mean(np.abs(found.values - value) < 1e-3) == pytest.approx(percent, abs=1.5)


def test_where_exact_players_rest_the_model_is_right_and_the_policy_optimal_in_it():
    process = sg.decision_process("deterministic-1")
    found = sg.repeated_fits(process, sg.random_models(process, 50, seed=1))
    game = sg.ModelAsLeader(process)
    for model, policy in zip(found.models[:10], found.policies[:10], strict=True):
        outcome = sg.evaluate(game, model, policy)
        assert float(outcome.leader_value) == pytest.approx(0.0, abs=1e-12)
        assert float(outcome.follower_regret) == pytest.approx(0.0, abs=1e-6)
    assert found.promised == pytest.approx(found.values, abs=1e-9)


@pytest.mark.parametrize(
    ("weight", "answer", "loss", "promised", "paid"),
    [
        (0.1, (0, 1), 0.814, 49.49, 2.578),
        (0.5, (0, 1), 0.563, 49.39, 2.578),
        (0.7, (0, 0), 0.149, 48.94, 0.9875),
        (0.9, (0, 0), 0.117, 48.78, 0.9875),
        (0.99, (0, 0), 0.064, 46.85, 0.9875),
        (0.995, (1, 1), 0.00045, 36.66, 36.45),
        (0.999, (1, 1), 0.00003, 36.51, 36.45),
    ],
)
def test_a_model_that_is_paid_its_own_promise(weight, answer, loss, promised, paid):
    found = sg.promised_reward(sg.ModelAsLeader(STUDY), weight)
    at = found.chosen
    assert found.is_answer.all()
    assert tuple(np.argmax(found.policies[at], axis=1)[:2]) == answer
    assert found.loss[at] == pytest.approx(loss, abs=6e-4 if loss > 0.01 else 6e-6)
    assert found.promised[at] == pytest.approx(promised, abs=5e-3)
    assert found.values[at] == pytest.approx(paid, abs=5e-4)


def test_no_model_of_a_fine_grid_beats_the_optimum_of_a_class():
    """The trap's class: one row that is met, on a grid of 1/200, and the free row led to each state."""
    game, weight = sg.ModelAsLeader(STUDY), 0.9
    found = sg.promised_reward(game, weight)
    grid = np.array([(i, j, 200 - i - j) for i in range(1, 200) for j in range(1, 200 - i)]) / 200
    visits = 1.25 / 50
    least = np.inf
    for end in range(3):
        reach = grid[:, 0]
        told = np.array([_promise(row, np.eye(3)[end]) for row in grid[::7]])
        loss = visits * (0.2 * np.log(0.2 / grid[::7, 1]) + 0.8 * np.log(0.8 / grid[::7, 2]))
        assert reach.min() > 0
        least = min(least, float(np.min(weight * loss - (1 - weight) * told)))
    assert found.objective[0] <= least + 1e-9
    assert found.objective[0] == pytest.approx(least, abs=0.02)


def _promise(row, free):
    """The return of X everywhere over 50 steps in a model with these rows for B and A, by a plain loop."""
    reward, value = np.asarray(STUDY.reward), np.zeros(3)
    for _ in range(50):
        value = np.array([free @ (reward[0, 0] + value), row @ (reward[1, 0] + value), 0.0])
    return value[1]


def test_completions_are_bounds_on_every_completion():
    process, rng = sg.random_process(3, 2, 5, discount=0.8), np.random.default_rng(0)
    known = rng.random((3, 2)) < 0.5
    best, above = sg.completed(process, known, "best")
    _, below = sg.completed(process, known, "worst")
    for _ in range(50):
        other = np.where(known[..., None], process.transition, rng.dirichlet(np.ones(3), (3, 2)))
        value = np.asarray(process.values(process.best_policy(other), other))
        assert np.all(value <= np.asarray(above) + 1e-9)
        assert np.all(value >= np.asarray(below) - 1e-9)
    assert np.asarray(process.values(process.best_policy(best), best)) == pytest.approx(np.asarray(above), abs=1e-9)


def test_a_soft_follower_leaves_a_model_no_row_to_hide_in():
    """With a full support zero loss forces the truth on every row; the loss of the trap's model is then positive."""
    game = sg.ModelAsLeader(STUDY)
    trap = sg.solve(game).commitment
    soft = sg.QuantalResponse(2.0)(game, trap)
    assert np.asarray(visited(STUDY, soft))[:2].all()
    assert float(game.leader_value(trap, soft)) < -0.05
    assert float(game.leader_value(trap, sg.BestResponse()(game, trap))) == pytest.approx(0.0, abs=1e-12)
    truth = np.asarray(STUDY.transition)
    assert float(game.leader_value(truth, sg.QuantalResponse(2.0)(game, truth))) == pytest.approx(0.0, abs=1e-12)


def test_ties_between_optimal_policies_go_where_the_model_is_right():
    """Two ways pay the same in the model; the leader's friend takes the one that the model tells truly."""
    law = np.zeros((3, 2, 3))
    law[0] = [[0, 0.5, 0.5], [0, 0.2, 0.8]]
    process = sg.DecisionProcess(law + np.eye(3)[:, None, :] * np.array([0, 1, 1])[:, None, None], np.ones((3, 2, 3)),
                                 [1, 0, 0], [0, 1, 1], discount=0.9)  # fmt: skip
    model = np.array(process.transition)
    model[0, 1] = [0, 0.6, 0.4]
    game = sg.ModelAsLeader(process)
    assert sg.BestResponse("leader")(game, model)[0].tolist() == [1.0, 0.0]
    assert sg.BestResponse("adversary")(game, model)[0].tolist() == [0.0, 1.0]


def test_the_games_are_traced_and_differentiated():
    game = sg.PolicyAsLeader(STUDY)
    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(lambda policy: game.leader_value(policy, STUDY.transition)))(np.full((3, 2), 0.5))
    step = 1e-6
    for cell in ((0, 1), (1, 0)):
        moved = np.full((3, 2), 0.5)
        moved[cell] += step
        rise = (float(STUDY.value(moved)) - float(STUDY.value(np.full((3, 2), 0.5)))) / step
        assert float(slope[cell]) == pytest.approx(rise, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"discount": 1.0}, "discount"),
        ({"discount": 1.5}, "discount"),
        ({"horizon": 0}, "horizon"),
        ({"terminal": [0, 2, 0]}, "terminal"),
        ({"terminal": [0, 1]}, "terminal"),
        ({"transition": np.ones((3, 2, 3))}, "transition"),
        ({"reward": np.full((3, 2, 3), np.nan)}, "reward"),
        ({"reward": np.zeros((3, 2))}, "reward"),
        ({"states": ["a", "a", "b"]}, "states"),
    ],
)
def test_a_process_that_is_none_is_refused_by_name(changes, field):
    law, reward, initial, _ = parts(STUDY)
    fields = {"transition": law, "reward": reward, "initial": initial, "discount": 0.9} | changes
    with pytest.raises(sg.InputError, match=field):
        sg.DecisionProcess(**fields)


def test_what_cannot_be_asked_is_said():
    with pytest.raises(sg.InputError, match="episodes must end"):
        sg.ModelAsLeader(STUDY.counted(discount=0.9), sg.ModelLoss("brier", "episode"))
    with pytest.raises(sg.InputError, match="simple-2"):
        sg.decision_process("simple2")
    with pytest.raises(sg.InputError, match="100,000"):
        sg.bridge_grid().deterministic_policies()
    game = sg.PolicyAsLeader(STUDY)
    with pytest.raises(sg.InputError, match="fit"):
        sg.QuantalResponse(1.0)(game, game.uniform_commitment())


def test_the_table_of_the_docs_is_the_catalog():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "learn-a-model.md").read_text(encoding="utf-8")
    for name, entry in PROCESSES.items():
        row = f"| `{name}` | {entry.description} | {entry.best_value:g} | {entry.worst_equilibrium:g} |"
        assert row in page
