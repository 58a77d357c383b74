"""Leaders against query oracles: they find the exact value, steps go on bit for bit, files say the same."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._learner import advance, commitments, start
from stackelberg.deep.q_learning import lambda_returns


EXAMPLES = Path(__file__).parent.parent.parent / "examples"
DILEMMA = sg.iterated_matrix_game("prisoners_dilemma", 5, sight="opponent")
LEADERS = (sg.LeaderReinforce, sg.LeaderPPO, sg.LeaderQLearning, sg.LeaderEvolution)


@pytest.mark.parametrize("leader", LEADERS)
def test_every_leader_finds_the_best_commitment(leader):
    """In 8 runs of each 8 end at the exact value; of 32 measured runs of each all did (a miss in 8: below 0.25)."""
    process = sg.StackelbergPOMDP(sg.exact_contextual(DILEMMA), fixes_answers=True)
    learner = leader(process)
    run, metrics = advance(learner, start(learner, range(8)), 300)
    made = commitments(learner, run)[0]
    np.testing.assert_array_equal(np.argmax(made, axis=-1), np.tile([1, 0, 1], (8, 1)))
    assert metrics["sampled_return"][-1].mean() > 15.0 > metrics["sampled_return"][0].mean()


def test_networks_learn_the_same():
    process = sg.StackelbergPOMDP(sg.exact_contextual(DILEMMA), fixes_answers=True)
    for learner in (sg.LeaderPPO(process, width=16), sg.LeaderEvolution(process, width=16, num_layers=1)):
        run, _ = advance(learner, start(learner, range(2)), 200)
        made = np.argmax(commitments(learner, run)[0], axis=-1)
        np.testing.assert_array_equal(made, np.tile([1, 0, 1], (2, 1)))


@pytest.mark.slow
def test_a_leader_without_its_queries_finds_no_threat():
    """All 32 runs that were measured end at 10; a leader that learns from its answers gets 20."""
    game = sg.iterated_matrix_game("hidden_queries", 5, sight="opponent")
    for hides, value in ((False, 20.0), (True, 10.0)):
        process = sg.StackelbergPOMDP(sg.exact_contextual(game), fixes_answers=True, hides_queries=hides)
        learner = sg.LeaderReinforce(process)
        run, _ = advance(learner, start(learner, range(4)), 250)
        for one in commitments(learner, run)[0]:
            assert float(game.leader_value(one, game.induce(one).best_response())) == value


def test_the_monitor_tells_an_artefact_from_a_win():
    """A follower that always gives in makes every leader look good; the exact best response does not."""
    game = sg.iterated_matrix_game("prisoners_dilemma")
    naive = sg.ContextualTable(game, np.tile([1.0, 0.0], (32, 5, 1)))
    process = sg.StackelbergPOMDP(naive)
    monitor = sg.BestResponseTruth(process)
    always = jnp.eye(2)[jnp.ones(5, int)]
    found = monitor(
        always, sg.LeaderReinforce(process).sample(_blank(process), 0, jax.random.key(0)), jax.random.key(1)
    )
    assert float(found["oracle_value"]) == 40.0
    assert float(found["leader_value"]) == float(found["adverse_value"]) == 20.0
    assert float(found["oracle_regret"]) == 10.0
    assert float(found["suboptimality"]) == 11.0
    assert monitor.certificate().upper == 31.0


def _blank(process):
    return sg.LeaderReinforce(process).init(jax.random.key(0))


def test_pretraining_and_learning_go_on_bit_for_bit():
    game = sg.iterated_matrix_game("chicken", 4)
    leader = sg.LeaderReinforce(sg.StackelbergPOMDP(sg.ContextualTable(game), fixes_answers=True), 16)
    learner = sg.AfterPretraining(leader, 12, 32)
    whole, _ = advance(learner, start(learner, range(2)), 20)
    part, _ = advance(learner, start(learner, range(2)), 7)
    part, _ = advance(learner, part, 6)
    part, _ = advance(learner, part, 7)
    for one, other in zip(_arrays(whole.state), _arrays(part.state), strict=True):
        np.testing.assert_array_equal(one, other)


def _arrays(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))]


def test_a_pretrained_follower_has_no_regret_against_any_leader():
    """After refinement; of 32 measured followers of this game all 32 × 32 answers were exact."""
    game = sg.iterated_matrix_game("battle")
    follower = sg.pretrained_follower(game, 300)
    regret = []
    for leader, policy in zip(game.policies(0), follower.policies, strict=True):
        problem = game.induce(leader)
        regret.append(float(problem.value(problem.best_response()) - problem.value(policy)))
    assert max(regret) == 0.0
    blind, problem = sg.ContextualTable(game), game.induce(game.policies(0)[3])
    assert float(problem.value(problem.best_response()) - problem.value(blind.policies[3])) > 1.0


@pytest.mark.parametrize("trace", [0.0, 0.5, 1.0])
def test_lambda_returns_are_those_of_the_definition(trace):
    """By the recursion written out for five steps, of which the third is not counted."""
    worth = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    observations, rewards = np.array([0, 1, 0, 2, 1]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    counted = np.array([True, True, False, True, True])
    made = _trajectory(observations, rewards, counted)
    best = worth.max(axis=1)
    fifth = 5.0
    fourth = 4.0 + (1 - trace) * best[1] + trace * fifth
    second = 2.0 + 3.0 + (1 - trace) * best[2] + trace * fourth
    first = 1.0 + (1 - trace) * best[1] + trace * second
    found = np.asarray(lambda_returns(jnp.asarray(worth), made, trace))
    np.testing.assert_allclose(found[counted], [first, second, fourth, fifth], rtol=1e-6)


def _trajectory(observations, rewards, counted):
    from stackelberg.followers.stackelberg_pomdp import Trajectory

    return Trajectory(
        jnp.asarray(observations), jnp.zeros(5, int), jnp.asarray(rewards), jnp.zeros(5, bool), jnp.asarray(counted)
    )


@pytest.mark.parametrize(("name", "kind"), [("matrix-game", "AfterPretraining"), ("mechanism", "LeaderReinforce")])
def test_the_examples_are_experiments_that_read_back_the_same(name, kind, tmp_path):
    experiment = sg.read_experiment(EXAMPLES / f"{name}.toml")
    sg.write_experiment(experiment, tmp_path / "again.toml")
    again = sg.read_experiment(tmp_path / "again.toml")
    assert sg.experiment_to_json(again) == sg.experiment_to_json(experiment)
    assert type(experiment.learner).__name__ == kind
