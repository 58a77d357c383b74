"""Worlds, agents and repeated play: who must not see something does not hold it, and what is learned is right."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import stats

import stackelberg as sg
from stackelberg._loop.precision import precise
from stackelberg._loop.randomness import PLAY, SAMPLE, STEPS, of_step, role, seed_keys
from stackelberg.games.choices_files import read_growing
from stackelberg.play.ask_tell import episodes


GAME = sg.catalog_game("conitzer-sandholm")
AGENT = sg.ResponseEstimation(capacity=60, num_exploring=20, plan_every=5)


@pytest.fixture(scope="module")
def world():
    return sg.World(GAME, sg.QuantalResponse(5.0), num_plays=5)


def arrays(tree):
    return [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(tree)]


def test_the_rules_hold_nothing_of_the_follower(world):
    """The rules of two worlds whose followers differ are the same, leaf by leaf; those of two games are not."""
    other = sg.World(GAME, sg.QuantalResponse(0.5), num_plays=5)
    assert arrays(world.rules) == arrays(other.rules)
    assert arrays(world.rules) != arrays(sg.World(sg.random_game(2, 2, seed=1), sg.QuantalResponse(5.0)).rules)


def test_rules_of_features_hide_the_payoffs():
    features = np.stack([np.eye(2), np.ones((2, 2))], axis=-1)
    hidden = sg.World(GAME, sg.QuantalResponse(5.0), features=features).rules
    assert np.array_equal(hidden.features, features)
    assert not any(np.array_equal(leaf, GAME.follower_payoff) for leaf in jax.tree.leaves(hidden) if leaf.ndim == 2)


def test_answers_are_drawn_with_the_probabilities_of_the_response(world):
    """Pearson's test on 40,000 answers: by chance alone it fails once in a million, and never for this seed."""
    commitment = np.array([0.3, 0.7])
    counts = played(world, commitment, 8000)
    expected = np.asarray(world.follower(GAME, commitment)) * counts.sum()
    assert stats.chisquare(counts, expected).pvalue > 1e-6


def test_a_response_that_is_off_by_two_percent_would_be_noticed(world):
    counts = played(world, np.array([0.3, 0.7]), 8000)
    wrong = np.asarray(world.follower(GAME, np.array([0.31, 0.69]))) * counts.sum()
    assert stats.chisquare(counts, wrong).pvalue < 1e-6


def played(world, commitment, times):
    with precise("float64"):
        keys = jr.split(jr.key(3), times)
        return np.asarray(jax.vmap(lambda key: world.play(jnp.asarray(commitment), key).counts)(keys)).sum(axis=0)


def test_the_leader_is_paid_what_the_drawn_actions_pay(world):
    """The mean reward of 40,000 plays lies within 5 standard errors of its expectation: once in two million."""
    commitment = np.array([0.3, 0.7])
    with precise("float64"):
        keys = jr.split(jr.key(4), 8000)
        rewards = np.asarray(jax.vmap(lambda key: world.play(jnp.asarray(commitment), key).leader_reward)(keys)) / 5
    expected = float(GAME.leader_value(commitment, world.follower(GAME, commitment)))
    assert abs(rewards.mean() - expected) < 5 * stats.sem(rewards)


@pytest.fixture(scope="module")
def learned(world):
    learner = sg.Repeated(AGENT, world)
    learners = sg.stack([learner], [sg.Suboptimality().attached(learner)])
    run, metrics = sg.train(learners, 60, [3, 4])
    return learner, run, metrics


def test_the_estimate_is_the_maximum_of_the_likelihood(learned):
    """Against the fit of the same log by another method that shares no code with the agent."""
    _, run, metrics = learned
    log = run.state.log
    for s in range(2):
        commitment, counts = np.asarray(log.commitment[0, s]), np.asarray(log.counts[0, s])
        rows = [(n, b, counts[n, b]) for n in range(60) for b in range(2) if counts[n, b] > 0]
        n, b, count = (np.array(column) for column in zip(*rows, strict=True))
        choices = sg.Choices.of(b.astype(int), commitment=commitment[n.astype(int)], count=count)
        fit = sg.fit_response(choices, GAME)
        assert metrics["estimate"][-1, 0, s] == pytest.approx(fit.estimate[0], rel=2e-3)  # the ridge is 1e-3
        assert metrics["standard_error"][-1, 0, s] == pytest.approx(fit.standard_error[0], rel=5e-3)


def test_an_estimate_that_went_astray_comes_back():
    """A log that is separated at first drives the estimate far out, where Newton's step overshoots by powers of ten."""
    agent = sg.ResponseEstimation(capacity=60, num_exploring=60)
    advisor = sg.Advisor(agent, sg.rules_of(GAME))
    for n in range(20):
        found = advisor.observe(0 if n % 2 else 1, commitment=[0.52, 0.48] if n % 2 else [0.48, 0.52])
    assert found["estimate"] > 20.0
    for _ in range(15):
        for action, count in ((0, 60), (1, 40)):
            found = advisor.observe(action, commitment=[0.55, 0.45], count=count)
    truth = np.log(60 / 40) / 0.1  # nearly all plays are of one commitment, whose odds are then matched
    assert found["estimate"] == pytest.approx(truth, rel=0.05)


def test_suboptimality_is_what_the_certificate_says_is_missing(learned):
    learner, run, metrics = learned
    best = sg.solve(GAME, sg.QuantalStackelberg(sg.QuantalResponse(5.0)))
    for s, commitment in enumerate(sg.commitments(learner, run)[0]):
        value = float(sg.evaluate(GAME, commitment, sg.QuantalResponse(5.0)(GAME, commitment)).leader_value)
        assert metrics["leader_value"][-1, 0, s] == pytest.approx(value, abs=1e-9)
        assert metrics["suboptimality"][-1, 0, s] == pytest.approx(best.certificate.upper - value, abs=1e-9)
    assert np.nanmin(metrics["suboptimality"]) >= 0.0
    assert np.nanmin(metrics["announced_suboptimality"]) >= 0.0


STAGES = sg.MarkovWorld(sg.random_markov_game(1, 2, 2, 1, seed=0), sg.QuantalResponse(5.0))


@pytest.mark.parametrize("agent", [sg.OptimisticValueIteration(), sg.ResponseEstimation()])
def test_an_agent_that_does_not_fit_its_world_is_refused_and_one_that_fits_is_not(agent, world):
    is_one_shot = isinstance(agent, sg.ResponseEstimation)
    with pytest.raises(sg.InputError) as problem:
        sg.Repeated(agent, STAGES if is_one_shot else world)
    for word in (type(agent).__name__, "MarkovRules", "OptimisticValueIteration() in a sg.MarkovWorld"):
        assert word in str(problem.value)
    sg.Repeated(agent, world if is_one_shot else STAGES)


def test_a_monitor_without_a_world_needs_a_learner_that_has_one():
    from oracles.learners import Descent

    with pytest.raises(sg.InputError, match="world"):
        sg.Suboptimality().attached(Descent(0.1))


def test_the_real_world_and_a_simulated_one_are_two_callers_of_one_agent(world, learned):
    """An advisor that is told the answers that the world drew makes the same announcements and believes the same."""
    learner, run, metrics = learned
    advisor = sg.Advisor(AGENT, world.rules, seed=3)
    with precise("float64"):
        steps = role(seed_keys([3])[0, 0], STEPS)
    believed = []
    for n in range(60):
        announced = advisor.announce()
        assert np.array_equal(announced, advisor.announce())
        with precise("float64"):
            answer = world.play(jnp.asarray(announced), role(role(of_step(steps, n), SAMPLE), PLAY))
        assert np.allclose(answer.counts, run.state.log.counts[0, 0, n])
        believed.append(advisor.take(answer)["estimate"])
    assert np.allclose(believed, metrics["estimate"][:, 0, 0], rtol=1e-9)
    assert np.allclose(advisor.recommend(), sg.commitments(learner, run)[0, 0], atol=1e-9)


def test_answers_one_by_one_or_together_are_the_same_observation(world):
    one, two = sg.Advisor(AGENT, world.rules), sg.Advisor(AGENT, world.rules)
    assert one.observe([0, 1, 1]) == two.observe([1, 0, 1])
    assert one.num_observed == 1


def test_an_advisor_says_when_it_is_full_and_what_it_cannot_take(world):
    advisor = sg.Advisor(sg.ResponseEstimation(capacity=1, num_exploring=0), world.rules)
    with pytest.raises(sg.InputError, match="action"):
        advisor.observe(2)
    with pytest.raises(sg.InputError, match="commitment"):
        advisor.observe(0, commitment=[0.5, 0.6])
    with pytest.raises(sg.InputError, match="empty"):
        advisor.observe([])
    advisor.observe(1)
    with pytest.raises(sg.InputError, match="capacity=2"):
        advisor.observe(1)


class Anywhere(sg.AbstractAgent):
    """An agent that says nothing of its rules: it announces uniform play of two actions."""

    @property
    def max_steps(self) -> None:
        return None

    @property
    def meanings(self) -> dict:
        return {}

    def init(self, rules: Any, key: Any) -> Any:
        return jnp.zeros(())

    def announce(self, rules: Any, state: Any, n: Any, key: Any) -> Any:
        return jnp.full(2, 0.5)

    def observe(self, rules: Any, state: Any, episode: Any, n: Any, key: Any) -> Any:
        return state, {}

    def recommend(self, rules: Any, state: Any) -> Any:
        return jnp.full(2, 0.5)

    def belief(self, rules: Any, state: Any) -> Any:
        return None


def test_an_advisor_says_when_agent_and_rules_do_not_fit(world):
    """What was given, what is allowed, what to do; an agent that says nothing of its rules is left alone."""
    stages = sg.MarkovWorld(sg.random_markov_game(2, 2, 2, 2), sg.QuantalResponse(5.0)).rules
    with pytest.raises(sg.InputError) as over:
        sg.Advisor(sg.ResponseEstimation(), stages)
    assert over.value.field == "agent"
    assert over.value.found == "ResponseEstimation plays by Rules, and `rules` are MarkovRules"
    assert "one stage, or those of play over stages" in over.value.allowed
    assert "sg.OptimisticValueIteration()" in over.value.remedy
    assert "sg.rules_of(game)" in over.value.remedy
    with pytest.raises(sg.InputError) as once:
        sg.Advisor(sg.OptimisticMaximumLikelihood(10), world.rules)
    assert once.value.found == "OptimisticMaximumLikelihood plays by MarkovRules, and `rules` are Rules"
    assert "sg.ResponseEstimation()" in once.value.remedy
    assert "sg.MarkovWorld(...).rules" in once.value.remedy
    sg.Advisor(sg.ResponseEstimation(), world.rules)
    sg.Advisor(sg.OptimisticValueIteration(10), stages)
    for rules in (world.rules, stages):
        assert np.array_equal(sg.Advisor(Anywhere(), rules).announce(), [0.5, 0.5])


def test_repeated_play_says_when_agent_and_world_do_not_fit(world):
    stages = sg.MarkovWorld(sg.random_markov_game(2, 2, 2, 2), sg.QuantalResponse(5.0))
    for agent, where in ((sg.ResponseEstimation(), stages), (sg.OptimisticValueIteration(10), world)):
        with pytest.raises(sg.InputError, match=f"{type(agent).__name__} plays by .*, {type(where).__name__} by "):
            sg.Repeated(agent, where)


LOG = """commitment.up,commitment.down,action,count,period
0.5,0.5,left,2,0
0.5,0.5,right,3,0
0.5,0.5,left,1,1
1,0,left,4,1
"""


def test_a_growing_log_can_be_read_at_every_byte(tmp_path):
    """However much of it is there: all rows that are finished, never half of one."""
    path = tmp_path / "log.csv"
    for size in range(len(LOG) + 1):
        path.write_text(LOG[:size])
        choices, remark = read_growing(path, GAME)
        finished = max(LOG[:size].count("\n") - 1, 0)
        assert (0 if choices is None else len(choices)) == finished
        assert bool(remark) == (finished == 0 or LOG[size - 1] != "\n"), (size, remark)


def test_a_log_that_is_not_there_yet_has_no_rows(tmp_path):
    assert read_growing(tmp_path / "none.csv", GAME)[0] is None
    with pytest.raises(sg.FileError):
        read_growing(tmp_path / "no" / "folder.csv", GAME)


def test_rows_of_one_commitment_and_period_are_one_announcement(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    found = [(row.tolist(), counts.tolist()) for row, counts in episodes(read_growing(path, GAME)[0], 2)]
    assert found == [([0.5, 0.5], [2, 3]), ([0.5, 0.5], [1, 0]), ([1.0, 0.0], [4, 0])]


def test_a_log_of_simultaneous_play_has_no_announcements():
    with pytest.raises(sg.InputError, match="commitment"):
        list(episodes(sg.ochs_matching_pennies()[1], 2))
