"""Save and use: what is written reads back as the same thing, and a policy acts as its plan says."""

import json

import numpy as np
import pytest
from scipy import stats

import stackelberg as sg


GAME = sg.catalog_game("conitzer-sandholm")
HUMAN = sg.QuantalResponse(5.0)


@pytest.fixture(scope="module")
def plan():
    return sg.Plan.of(GAME, HUMAN, sg.solve(GAME, sg.QuantalStackelberg(HUMAN)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "estimation"
    world = sg.World(GAME, HUMAN, num_plays=3)
    agent = sg.ResponseEstimation(capacity=20, num_exploring=10, plan_every=5)
    experiment = sg.Experiment(sg.Repeated(agent, world), 20, sg.Suboptimality(), seeds=[2, 5])
    return folder, experiment, sg.run(experiment, folder)


def test_everything_that_is_saved_is_read_back(tmp_path, plan, finished):
    choices = sg.sample_choices(GAME, HUMAN, [[0.5, 0.5], [0.2, 0.8]], 50, seed=1)
    fit = sg.fit_response(choices, GAME)
    values = {
        "plan.json": plan,
        "fit.json": fit,
        "follower.json": HUMAN,
        "game.json": GAME,
        "game.nfg": GAME,
        "experiment.toml": finished[1],
        "experiment.json": finished[1],
        "policy.json": sg.policy_of(plan),
    }
    for name, value in values.items():
        sg.save(value, tmp_path / name)
        again = sg.load(tmp_path / name)
        assert type(again) is type(value), name
        sg.save(again, tmp_path / f"again-{name}")
        assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_folder_is_the_record_of_its_run(finished):
    folder, _, record = finished
    again = sg.load(folder)
    assert again.seeds == (2, 5)
    assert np.array_equal(again.final("estimate"), record.final("estimate"))


def test_the_policy_of_a_run_is_what_its_monitor_measured(finished):
    """Its true value, computed from scratch, is the one that was recorded last."""
    folder, _, record = finished
    for s, seed in enumerate(record.seeds):
        policy = sg.policy_of(folder, seed=seed)
        value = float(sg.evaluate(GAME, policy.commitment, HUMAN(GAME, policy.commitment)).leader_value)
        assert value == pytest.approx(record.final("leader_value")[0, s], abs=1e-9)
        assert policy.actions == GAME.leader_actions


def test_a_run_of_several_seeds_needs_one_to_be_named(finished):
    with pytest.raises(sg.InputError, match="2, 5"):
        sg.policy_of(finished[0])


def test_a_policy_acts_with_its_probabilities(plan):
    """Pearson's test on 20,000 actions: false by chance once in a million, and not for this seed; a twin is caught."""
    policy = sg.policy_of(plan)
    generator = np.random.default_rng(5)
    counts = np.bincount([policy.act(seed=generator) for _ in range(20_000)], minlength=2)
    assert stats.chisquare(counts, 20_000 * policy.probabilities()).pvalue > 1e-6
    assert stats.chisquare(counts, 20_000 * np.array([0.25, 0.75])).pvalue < 1e-6
    assert policy.act(seed=3) == policy.act(seed=3)


def test_an_observation_is_what_the_commitment_depends_on():
    shares = np.random.default_rng(1).dirichlet(np.ones(3), (4, 5))
    policy = sg.Policy(shares, "policy", actions=["stay", "left", "right"])
    assert np.array_equal(policy.probabilities((2, 4)), shares[2, 4])
    prescription = sg.Policy(shares[0], "prescription")
    assert np.array_equal(prescription.probabilities(3), shares[0, 3])
    for wrong in (None, 3, (2, 5), (4, 0), (-1, 0), (0, 0, 0), (0.5, 0), "stay"):
        with pytest.raises(sg.InputError, match="observation"):
            policy.probabilities(wrong)
    with pytest.raises(sg.InputError, match="observation"):
        sg.Policy([0.5, 0.5]).act(0)


def test_coverage_is_no_distribution_and_says_where_to_go():
    park = sg.patrol_park()
    plan = sg.Plan.of(park, HUMAN, sg.solve(park, sg.QuantalStackelberg(HUMAN)))
    with pytest.raises(sg.InputError, match="Lottery"):
        sg.policy_of(plan)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "schema"),
        ("[]", "schema"),
        ('{"schema": "stackelberg-plicy/1"}', "Did you mean 'stackelberg-policy/1'"),
        ('{"schema": "stackelberg-policy/1", "kind": "strategy"}', "keys"),
        ('{"schema": "stackelberg-solve/1"}', "missing"),
        ('{"schema": "stackelberg-follower/1", "kind": "os.system"}', "kind"),
    ],
)
def test_a_file_of_nothing_known_is_refused(tmp_path, text, words):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(sg.InputError, match=words):
        sg.load(tmp_path / "x.json")


def test_an_object_without_a_form_in_files_is_refused(tmp_path):
    for value in (3, "text", sg.MultipleLPs(), json):
        with pytest.raises(sg.InputError, match="no form"):
            sg.save(value, tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
