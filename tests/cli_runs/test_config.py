"""`config`: files are completed and checked as they are read, and the published schema is what the reader takes."""

import copy
import json
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from jaxtyping import TypeCheckError

import stackelberg as sg
from stackelberg import _codec as codec
from stackelberg.cli.configuring import toml
from stackelberg.cli.experiment_schema import experiment_schema
from stackelberg.experiments.spec import TABLE, config_hash

from .schemas import valid


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))

FIRST = next(path for path in EXAMPLES if path.stem == "response-estimation")


@pytest.fixture(scope="module")
def schema():
    made = json.loads(json.dumps(experiment_schema()))
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_what_is_shown_is_the_same_experiment(invoke, tmp_path, suffix):
    place = tmp_path / f"shown{suffix}"
    done = invoke("config", "show", "small.toml", "--out", place, *(["--json"] if suffix == ".json" else []))
    assert done.exit_code == 0, done.output
    assert place.read_text() == done.stdout
    assert config_hash(sg.read_experiment(place)) == config_hash(sg.read_experiment("small.toml"))


def test_settings_change_what_is_shown_and_nothing_else(invoke):
    shown = tomllib.loads(invoke("config", "show", "small.toml").stdout)
    words = ["--set", "learner.agent.ridge=0.5", "--seeds", "3,4", "--set", "over.learner.agent.ridge=[0.5, 0.6]"]
    changed = tomllib.loads(invoke("config", "show", "small.toml", *words).stdout)
    shown["learner"]["agent"]["ridge"] = 0.5
    assert changed == shown | {"seeds": [3, 4], "over": {"learner.agent.ridge": [0.5, 0.6]}}


def test_what_the_file_leaves_out_follows_what_is_set(invoke, tmp_path):
    """The planted mistake: completing the file first would leave 500 times as many lines as asked for."""
    text = Path("small.toml").read_text().replace("record_every = 20\n", "").replace("600", "9000")
    (tmp_path / "long.toml").write_text(text)
    shown = tomllib.loads(invoke("config", "show", tmp_path / "long.toml", "--set", "num_steps=5000").stdout)
    assert shown["record_every"] == 10


def test_every_file_gets_a_verdict_and_the_worst_decides(invoke, tmp_path):
    (tmp_path / "bad.toml").write_text(Path("small.toml").read_text().replace("capacity", "capasity"))
    (tmp_path / "torn.toml").write_text("schema = ")
    text = Path("small.toml").read_text().partition("[monitor]")[0]  # to attach the monitor is to solve the game
    (tmp_path / "good.toml").write_text(text)
    good = invoke("config", "validate", tmp_path / "good.toml")
    assert (good.exit_code, good.stdout) == (0, f"{tmp_path / 'good.toml'}: ok, 600 steps, seeds 2, settings 1\n")
    done = invoke("config", "validate", tmp_path / "good.toml", tmp_path / "bad.toml", tmp_path / "torn.toml", "--json")
    assert done.exit_code == 2
    rows = valid(json.loads(done.stdout), "config-validate")["experiments"]
    assert [row["valid"] for row in rows] == [True, False, False]
    assert [row["error"]["code"] for row in rows[1:]] == ["E-CODEC-002", "E-SPEC-001"]
    assert "Did you mean 'capacity'?" in invoke("config", "validate", tmp_path / "bad.toml").stdout


def test_a_new_experiment_is_valid_and_is_the_example(invoke, tmp_path):
    assert invoke("config", "new", tmp_path / "new.toml").exit_code == 0
    assert invoke("config", "validate", tmp_path / "new.toml").exit_code == 0
    written = (tmp_path / "new.toml").read_text()
    assert invoke("config", "new").stdout == written == FIRST.read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_validates_as_it_is_and_completed(path, schema):
    schema.validate(tomllib.loads(path.read_text()))
    schema.validate(json.loads(json.dumps(sg.experiment_to_json(sg.read_experiment(path)))))


def test_what_is_printed_is_the_schema(invoke, schema):
    assert json.loads(invoke("config", "schema").stdout) == schema.schema


def test_every_kind_and_field_of_the_table_is_described(schema):
    kinds = set(schema.schema["$defs"]) - {"catalog", "file", "numbers"}
    assert kinds == set(TABLE) - {"experiment"}
    for kind, cls in TABLE.items():
        described = schema.schema if kind == "experiment" else schema.schema["$defs"][kind]
        assert set(described["properties"]) - {"kind", "schema"} == set(codec.arguments(cls))
    agent = schema.schema["$defs"]["response-estimation"]["properties"]
    assert agent["capacity"] == {
        "type": "integer",
        "minimum": 1,
        "default": 2000,
        "description": "how many announcements the log holds; one more is an error. (Padding changes bits: it is a "
        "setting.)",
    }
    assert agent["ridge"]["exclusiveMinimum"] == 0.0


@pytest.mark.parametrize("name", sg.catalog.names())
def test_every_game_of_the_catalog_validates(name, schema):
    part = schema.schema | {"$ref": f"#/$defs/{sg.game_to_json(sg.catalog_game(name))['kind']}"}
    only = {key: part[key] for key in ("$schema", "$defs", "$ref")}
    data = {key: entry for key, entry in sg.game_to_json(sg.catalog_game(name)).items() if key != "schema"}
    jsonschema.validate(json.loads(json.dumps(data)), only, cls=jsonschema.Draft202012Validator)


FOLLOWERS = [
    sg.BestResponse("adversary"),
    sg.QuantalResponse(float("inf")),
    sg.QuantalResponse(2.0, discount=0.5),
    sg.SUQR([-6.0, 0.5, 0.2]),
    sg.LinearResponse([1.0], [[0.0], [1.0]], 2.0),
    sg.PerceivedPayoff([1.0, 2.0, 3.0, 4.0]),
    sg.LevelK([0.2, 0.3, 0.5]),
    sg.Mixture([sg.BestResponse(), sg.QuantalResponse(1.0)], [0.5, 0.5]),
    sg.Trembling(sg.Trembling(sg.BestResponse(), 0.1), 0.2),
]


@pytest.mark.parametrize("follower", FOLLOWERS, ids=lambda follower: type(follower).__name__)
def test_every_follower_validates_within_an_experiment(follower, schema):
    data = tomllib.loads(FIRST.read_text())
    data["learner"]["world"]["follower"] = sg.follower_to_json(follower)
    schema.validate(json.loads(json.dumps(data)))
    sg.experiment_from_json(data)


MUTATIONS = [
    ("schema", "stackelberg-experiment/2"),
    ("schema", None),
    ("num_steps", None),
    ("num_steps", 0),
    ("num_steps", 1.5),
    ("num_steps", "400"),
    ("num_steps", True),
    ("num_steps", 2**31),
    ("seeds", 0),
    ("seeds", []),
    ("seeds", [1, 1]),
    ("seeds", [-1]),
    ("seeds", "0,1"),
    ("record_every", 0),
    ("monitor_every", 0.5),
    ("checkpoint_every", 0),
    ("title", 5),
    ("over", {"learner.agent.ridge": []}),
    ("over", {"learner.agent.ridge": 0.1}),
    ("learner", None),
    ("learner", {"kind": "suboptimality"}),
    ("learner.kind", "repeatd"),
    ("learner.agent", None),
    ("learner.agent.kind", "world"),
    ("learner.agent.capacity", 0),
    ("learner.agent.capasity", 5),
    ("learner.agent.ridge", 0.0),
    ("learner.agent.ridge", "small"),
    ("learner.agent.newton_steps", []),
    ("learner.world.num_plays", 0),
    ("learner.world.game", {"kind": "catalog", "name": "no-such-game"}),
    ("learner.world.game", {"kind": "catalog"}),
    ("learner.world.game", {"kind": "file", "path": "game.docx"}),
    ("learner.world.game", {"kind": "bayesian"}),
    ("learner.world.game", "conitzer-sandholm"),
    ("learner.world.features", [[1.0, 2.0]]),
    ("learner.world.follower", {"kind": "quantal-response"}),
    ("learner.world.follower", {"kind": "quantal-response", "inverse_temperature": -1.0}),
    ("learner.world.follower", {"kind": "quantal-response", "inverse_temperature": "many"}),
    ("learner.world.follower", {"kind": "best-response", "ties": "nobody"}),
    ("learner.world.follower", {"kind": "trembling", "follower": {"kind": "best-response"}, "probability": 1.5}),
    ("learner.world.follower", {"kind": "mixture", "followers": [], "weights": []}),
    ("monitor.kind", "repeated"),
    ("monitor.best_value", 3.0),
    ("kind", "experiment"),
]


@pytest.mark.parametrize(("dotted", "value"), MUTATIONS, ids=lambda value: str(value)[:40])
def test_what_the_reader_refuses_the_schema_refuses(dotted, value, schema):
    data = tomllib.loads(FIRST.read_text())
    place = data
    *path, last = dotted.split(".")
    for name in path:
        place = place[name]
    before = copy.deepcopy(data)
    if value is None:
        del place[last]
    else:
        place[last] = value
    assert data != before
    with pytest.raises((sg.StackelbergError, TypeCheckError)):
        sg.experiment_from_json(data)
    assert not schema.is_valid(data)


def test_toml_that_people_read_is_read_back_exactly():
    data = {
        "title": 'quotes " and \\ and é 😀',
        "number": 0.1,
        "large": 1e308,
        "infinite": float("inf"),
        "flags": [True, False],
        "rows": [[float(i * j) for i in range(30)] for j in range(3)],
        "objects": [{"kind": "a b", "values": [1, 2]}, {"kind": "c"}],
        "empty": [],
        "inner": {"a.b": [1], "deeper": {"x": 1}, "nothing": {}},
    }
    assert tomllib.loads(toml(data)) == data


def test_the_help_of_the_new_verbs_imports_nothing_heavy():
    code = (
        "import sys\nfrom stackelberg.cli import app\n"
        "for words in (['train', '--help'], ['sweep', '--help'], ['runs', '--help'], ['config', '--help'],"
        " ['train', '--json-schema'], ['runs', 'list', '--json-schema'], ['config', 'new']):\n"
        "    try:\n        app(words, prog_name='stackelberg')\n    except SystemExit as leaving:\n"
        "        assert not leaving.code\n"
        "heavy = {'jax', 'scipy', 'matplotlib', 'numpy', 'rich', 'equinox'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_published_schema_is_one():
    for entry in resources.files("stackelberg.cli").joinpath("schema").iterdir():
        published = json.loads(entry.read_text())
        jsonschema.Draft202012Validator.check_schema(published)
        assert published["$id"] == f"stackelberg-{entry.name.removesuffix('.json')}/1"
