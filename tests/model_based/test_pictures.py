"""Where a model is wrong, against where its policy goes: of networks, of tables, and of runs in folders."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from typer.testing import CliRunner

import stackelberg as sg
from stackelberg.cli.app import app
from stackelberg.experiments.experiment import Experiment
from stackelberg.model_based.ensemble import Transitions, blank_ensemble
from stackelberg.model_based.gathering import gathered
from stackelberg.model_based.where_met import off, where_met
from stackelberg.rl.actor import random_action


class Walled(sg.LineFork):
    """A line on which nothing moves beyond 1."""

    def step(self, state, action, key):
        return jnp.where(state > 1.0, state, super().step(state, action, key))


def still(num_features, size):
    """An ensemble that tells of no change at all."""
    ensemble = blank_ensemble(num_features, 1, 3, (4,), jr.key(0))
    networks = eqx.tree_at(
        lambda one: (one.layers[-1].weight, one.layers[-1].bias), ensemble.networks, replace_fn=lambda leaf: 0.0 * leaf
    )
    return eqx.tree_at(lambda one: (one.networks, one.size), ensemble, (networks, jnp.full(num_features + 1, size)))


def test_errors_are_counted_in_sizes_of_a_change():
    data = Transitions(
        jnp.zeros((2, 2)), jnp.zeros((2, 1)), jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.zeros(2), jnp.zeros(2)
    )
    assert np.asarray(off(still(2, 5.0), data)) == pytest.approx([np.sqrt((9 + 16) / 2) / 5.0, 0.0])


def test_a_line_shows_errors_also_where_nothing_was_ever_met():
    """A model of no change is wrong exactly where the world moves, and the policy went left."""
    world = Walled()
    left, _ = gathered(world, lambda state, key: -jnp.ones(1), jr.key(0), 1, 60)
    shown = where_met(world, still(1, 0.2), left, left)
    assert (shown.kind, shown["visits"].sum()) == ("model error", pytest.approx(1.0))
    places = np.linspace(-1.2, 3.2, 23)[:-1]
    assert np.all(shown["loss"][places >= 1.0] < 0.01)
    assert np.all(shown["loss"][(places > -1.0) & (places < 0.7)] > 0.3)
    assert shown["visits"][places > 0.2].sum() == 0.0
    # The planted bug: a picture of what was met alone would say nothing of the right.
    assert shown["loss"][(places > 0.2) & (places < 0.7)].min() > 0.3


def test_a_plane_shows_errors_where_anything_was_met():
    world = sg.CartPole()
    met, _ = gathered(world, lambda state, key: random_action(world, key), jr.key(1), 2, 400)
    lately = Transitions(*(part[-50:] for part in (met.states, met.actions, met.thens, met.rewards, met.ends)))
    ensemble = blank_ensemble(4, 2, 3, (4,), jr.key(0)).normalised(met)
    shown = where_met(world, ensemble, met, lately)
    assert shown.kind == "model error map"
    assert shown["visits"].sum() == pytest.approx(1.0)
    assert np.all(np.isfinite(shown["error"][shown["visits"] > 0]))
    assert {shown.attributes["x_label"], shown.attributes["y_label"]} <= set(world.feature_names)
    figure = sg.plot(shown)
    assert [axes.get_xlabel() for axes in figure.axes[:2]] == [shown.attributes["x_label"]] * 2


@pytest.fixture(scope="module")
def counting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "counting"
    learner = sg.CountingModel(sg.decision_process("simple-2"))
    sg.run(Experiment(learner, 40, seeds=2, over={"learner.noise": [0.0, 0.5]}), folder)
    return folder


def test_a_run_shows_what_its_learner_draws_of_each_seed_and_setting(counting):
    process = sg.decision_process("simple-2")
    shown = [sg.pictures_of(counting, seed=seed, setting=setting) for seed in (0, 1) for setting in (0, 1)]
    (caption,) = shown[0]
    assert caption == "Where the model is wrong, and where the policy goes"
    for one in shown:
        assert one[caption].kind == "model error"
    policy = sg.policy_of(counting, seed=1, setting=1).commitment
    met = np.asarray(process.visits(policy))[~np.asarray(process.is_terminal)]
    assert shown[3][caption]["visits"] == pytest.approx(met.ravel() / met.sum())
    with pytest.raises(sg.InputError, match="seed"):
        sg.pictures_of(counting, seed=7)


def test_the_page_of_a_run_holds_its_pictures_and_plot_draws_them(counting, tmp_path):
    page, runner = tmp_path / "page.html", CliRunner()
    assert runner.invoke(app, ["report", str(counting), "--out", str(page), "--quiet"]).exit_code == 0
    told = page.read_text()
    assert told.count("data:image/png;base64,") == 2
    assert "Where the model is wrong, and where the policy goes: " in told
    made = runner.invoke(app, ["plot", str(counting), "--kind", "state", "--out", str(tmp_path / "drawn"), "--quiet"])
    assert made.exit_code == 0
    assert (tmp_path / "drawn.csv").read_text().startswith("visits,loss")


def test_most_learners_draw_nothing_and_a_run_must_be_complete(tmp_path):
    learner = sg.PolicyAscent(sg.PolicyAsLeader(sg.decision_process("simple-2")))
    sg.run(Experiment(learner, 2), tmp_path / "run")
    assert sg.pictures_of(tmp_path / "run") == {}
    made = CliRunner().invoke(app, ["plot", str(tmp_path / "run"), "--kind", "state"])
    assert made.exit_code != 0
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(sg.InputError, match="not complete"):
        sg.pictures_of(tmp_path / "run")


class OfOnesOwn(sg.CountingModel):
    """A learner that no file can make again."""


def test_a_run_of_a_learner_of_ones_own_has_its_page_without_pictures(tmp_path):
    run, page = tmp_path / "own", tmp_path / "page.html"
    sg.run(Experiment(OfOnesOwn(sg.decision_process("simple-2")), 3), run)
    assert CliRunner().invoke(app, ["report", str(run), "--out", str(page), "--quiet"]).exit_code == 0
    assert "data:image/png;base64," not in page.read_text()
    with pytest.raises(sg.InputError, match="is a class of the program"):
        sg.pictures_of(run)
