"""Sinks: what a tracker is given is what is recorded, once a step; none of them can end a run."""

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.cli.early_runs import MISSING_SINK, SINKS
from stackelberg.experiments.running import sinks_tracking as tracking
from stackelberg.experiments.running.sinks import Sinks

from .tensorboard import scalars


EXPERIMENT = {"seeds": [3, 5], "over": {"learner.agent.ridge": [0.01, 1e-05]}, "learner": {"kind": "repeated"}}


def numbers(step):
    return {"regret": np.array([[step, step + 1.0], [-step, 2.0]]), "unmeasured": np.full((2, 2), np.nan)}


EXPECTED = {
    "regret/ridge-0.01/seed-3": 1.0,
    "regret/ridge-0.01/seed-5": 2.0,
    "regret/ridge-0.01/mean": 1.5,
    "regret/ridge-1e-05/seed-3": -1.0,
    "regret/ridge-1e-05/seed-5": 2.0,
    "regret/ridge-1e-05/mean": 0.5,
}


def test_numbers_are_named_by_metric_setting_and_seed():
    assert dict(tracking.Names(EXPERIMENT).numbers(numbers(1.0))) == EXPECTED
    alone = tracking.Names({"seeds": [0]})
    assert dict(alone.numbers({"regret": np.array([[2.0]])})) == {"regret/mean": 2.0, "regret/seed-0": 2.0}


def test_tensorboard_holds_what_the_log_of_the_run_holds(finished):
    """The event file of a real run, read back with protocol buffers; TensorBoard stores float32."""
    record = sg.read_run(finished / "runs" / "small")
    shown = scalars(finished / "runs" / "small" / "tensorboard")
    assert set(shown) == {f"{name}/{which}" for name in record.metrics for which in ("mean", "seed-0", "seed-1")}
    for name, values in record.metrics.items():
        for s, seed in enumerate(record.seeds):
            steps, found = zip(*shown[f"{name}/seed-{seed}"], strict=True)
            assert list(steps) == record.steps.tolist()
            np.testing.assert_array_equal(np.float32(found), values[:, 0, s].astype(np.float32))


def test_tensorboard_shows_no_step_twice_after_a_resume(tmp_path):
    """Steps 1 to 6, then on from the checkpoint at 4: steps 5 and 6 of the first session are purged."""
    for first, last in ((1, 6), (5, 8)):
        sink = sg.TensorBoardSink(tmp_path / "events")
        sink.open(tmp_path, EXPERIMENT, first - 1)
        for step in range(first, last + 1):
            sink.write(step, numbers(float(step)))
        sink.close()
    shown = scalars(tmp_path / "events")
    assert shown["regret/ridge-0.01/seed-3"] == [(step, float(step)) for step in range(1, 9)]


class Recorder(ModuleType):
    """A stand-in for a library: it writes down every call that is made."""

    def __init__(self, name):
        super().__init__(name)
        self.calls = []

    def note(self, name, answer=None):
        def call(*arguments, **named):
            self.calls.append((name, arguments, named))
            return answer

        return call


@pytest.fixture
def wandb(monkeypatch):
    stand_in = Recorder("wandb")
    run = SimpleNamespace(log=stand_in.note("log"), finish=stand_in.note("finish"))
    stand_in.init = stand_in.note("init", run)
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    return stand_in


def test_wandb_is_told_of_one_run_that_goes_on(wandb, tmp_path):
    """Against a stand-in module that records the calls: the real library is not installed for the tests."""
    for step in (0, 4):
        sink = sg.WandbSink("games", mode="offline")
        sink.open(tmp_path, EXPERIMENT, step)
        sink.write(step + 1, numbers(1.0))
        sink.write(step + 2, {"unmeasured": np.full((2, 2), np.nan)})
        sink.close()
    (init, log, finish), again = wandb.calls[:3], wandb.calls[3:]
    assert (init[2]["project"], init[2]["resume"], init[2]["mode"]) == ("games", "allow", "offline")
    assert init[2]["config"] == EXPERIMENT
    assert log == ("log", (EXPECTED,), {"step": 1})
    assert finish[0] == "finish"
    assert [name for name, _, _ in again] == ["init", "log", "finish"]
    assert again[0][2]["id"] == init[2]["id"]
    assert again[1][2] == {"step": 5}


class Client:
    """A stand-in for MLflow's client, with the memory that the sink relies on."""

    def __init__(self, runs, tracking_uri):
        self.runs, self.tracking_uri = runs, tracking_uri

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return f"id of {name}"

    def search_runs(self, experiment_ids, filter_string, max_results):
        assert filter_string.startswith("tags.`stackelberg.run` = '")
        wanted = filter_string.split("'")[1]
        return [run.told for run in self.runs.values() if run.tags["stackelberg.run"] == wanted]

    def create_run(self, experiment_id, run_name, tags):
        told = SimpleNamespace(info=SimpleNamespace(run_id=f"run {len(self.runs)}"), data=SimpleNamespace(metrics={}))
        self.runs[told.info.run_id] = SimpleNamespace(told=told, tags=tags, points=[], params={}, status="RUNNING")
        return told

    def update_run(self, run_id, status):
        self.runs[run_id].status = status

    def get_metric_history(self, run_id, name):
        return [SimpleNamespace(step=step) for key, _, step in self.runs[run_id].points if key == name]

    def log_param(self, run_id, name, value):
        self.runs[run_id].params[name] = value

    def log_metric(self, run_id, name, value, step):
        self.runs[run_id].points.append((name, value, step))
        self.runs[run_id].told.data.metrics[name] = value

    def set_terminated(self, run_id):
        self.runs[run_id].status = "FINISHED"


def test_mlflow_is_told_of_one_run_with_every_step_once(monkeypatch, tmp_path):
    """Against a stand-in module that records the calls: the real library is not installed for the tests."""
    runs = {}
    stand_in = ModuleType("mlflow")
    stand_in.MlflowClient = lambda tracking_uri: Client(runs, tracking_uri)
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    for first, last in ((1, 6), (5, 8)):
        sink = sg.MLflowSink("games", "sqlite:///runs.db")
        sink.open(tmp_path, EXPERIMENT, first - 1)
        for step in range(first, last + 1):
            sink.write(step, numbers(float(step)))
        sink.close()
    (run,) = runs.values()
    assert [step for name, _, step in run.points if name == "regret/ridge-0.01/mean"] == list(range(1, 9))
    assert len(run.points) == 8 * len(EXPECTED)
    assert run.params["learner.kind"] == "repeated"
    assert run.status == "FINISHED"


@pytest.mark.parametrize("make", [sg.TensorBoardSink, lambda: sg.WandbSink("a"), lambda: sg.MLflowSink("a")])
def test_a_library_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch, make):
    for name in ("tensorboardX", "wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(sg.InputError, match="not installed") as caught:
        make()
    assert caught.value.code == MISSING_SINK == tracking.MISSING
    assert 'pip install "stackelberg[' in caught.value.remedy


def test_the_command_line_knows_the_same_libraries_and_extras():
    assert dict(SINKS.values()) == tracking.EXTRAS


def test_a_sink_without_its_library_is_refused_at_the_command_line(invoke, monkeypatch):
    monkeypatch.setattr("stackelberg.cli.early_runs.util.find_spec", lambda name: None)
    done = invoke("train", "small.toml", "--sink", "wandb:games", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stderr)["error"]["code"] == "E-SINK-001"


class Failing:
    """A sink that fails at one of its calls."""

    def __init__(self, where):
        self.where, self.heard = where, []

    def _do(self, name):
        self.heard.append(name)
        if name == self.where:
            raise ConnectionError("nobody\nanswers")

    def open(self, folder, experiment, step):
        self._do("open")

    def write(self, step, metrics):
        self._do("write")

    def close(self):
        self._do("close")


@pytest.mark.parametrize(
    ("where", "heard"),
    [("open", ["open"]), ("write", ["open", "write"]), ("close", ["open", "write", "write", "close"])],
)
def test_a_sink_that_fails_is_told_of_once_and_left_alone_and_the_others_go_on(tmp_path, where, heard):
    notes, failing, other = [], Failing(where), Failing("never")
    sinks = Sinks([failing, other], notes.append)
    sinks.open(tmp_path, {}, 0)
    sinks.write(1, {})
    sinks.write(2, {})
    sinks.close()
    assert failing.heard == heard
    assert other.heard == ["open", "write", "write", "close"]
    (note,) = notes
    assert "The sink Failing" in note
    assert "ConnectionError: nobody answers" in note
