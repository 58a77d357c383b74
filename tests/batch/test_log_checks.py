"""Logs are checked at the boundary: what is wrong is named, and nothing wrong is trained on."""

import jax
import numpy as np
import pytest

import stackelberg as sg


NUM_POISONED = 1_000


def log(num_rows=60, **changes):
    grid = sg.goal_grid(3)
    data = sg.process_log(grid, 0.5 * np.asarray(grid.best_policy()) + 0.125, num_rows, episode_length=10)
    return {name: np.array(getattr(data, name)) for name in FIELDS} | {"num_actions": 4, "num_states": 9} | changes


FIELDS = (
    "observation", "action", "reward", "next_observation", "terminal", "truncated", "episode", "propensity",
)  # fmt: skip


def poison(kind, generator):
    """A log of a walk in the plane in which one thing is wrong."""
    rows, length = 40, 8
    steps = generator.normal(size=(rows, 2))
    then = np.cumsum(steps.reshape(-1, length, 2), axis=1)
    now = np.concatenate([np.zeros((rows // length, 1, 2)), then[:, :-1]], axis=1)
    made = {
        "observation": now.reshape(rows, 2),
        "action": generator.integers(0, 3, rows).astype(float),
        "reward": generator.normal(size=rows),
        "next_observation": then.reshape(rows, 2),
        "terminal": np.zeros(rows),
        "truncated": (np.arange(rows) % length == length - 1).astype(float),
        "episode": np.repeat(np.arange(rows // length), length),
        "propensity": np.full(rows, 1.0 / 3.0),
    }
    row = generator.integers(rows)
    if kind == "not finite":
        field = generator.choice(["observation", "action", "reward", "next_observation", "propensity"])
        made[field][row] = generator.choice([np.nan, np.inf, -np.inf])
    elif kind == "lengths":
        field = generator.choice(list(made))
        made[field] = made[field][:-1]
    elif kind == "actions":
        made["action"][row] = generator.choice([-1.0, 3.0, 0.5, 1e6])
    elif kind == "counts":
        made["episode"][row] = made["episode"][row] + generator.choice([-1, 1, 7])
    elif kind == "no ends":
        made["truncated"][made["episode"] == generator.integers(rows // length)] = 0.0
    else:
        order = generator.permutation(rows)
        while np.array_equal(order, np.arange(rows)):
            order = generator.permutation(rows)
        made = {name: values[order] for name, values in made.items()}
        if generator.random() < 0.5:
            made["episode"], made["truncated"] = np.sort(made["episode"]), np.sort(made["truncated"])
    return made


KINDS = ("not finite", "lengths", "actions", "counts", "no ends", "shuffled")


def test_a_thousand_poisoned_logs_are_all_refused_and_the_clean_one_is_taken():
    generator = np.random.default_rng(0)
    for turn in range(NUM_POISONED):
        made = poison(KINDS[turn % len(KINDS)], generator)
        with pytest.raises(sg.InputError):
            sg.Dataset(**made, num_actions=3)
    clean = poison("actions", np.random.default_rng(1))
    clean["action"] = np.clip(np.round(clean["action"]), 0, 2)
    assert len(sg.Dataset(**clean, num_actions=3)) == 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_actions": 2}, "action"),
        ({"num_states": 4}, "observation"),
        ({"terminal": np.full(60, 2.0)}, "terminal"),
        ({"propensity": np.zeros(60)}, "propensity"),
        ({"propensity": np.full(60, 1.5)}, "propensity"),
        ({"truncated": np.zeros(60)}, "terminal"),
    ],
)
def test_the_message_names_the_field(change, words):
    with pytest.raises(sg.InputError) as caught:
        sg.Dataset(**log(**change))
    assert caught.value.field == words
    assert caught.value.remedy


def test_episodes_returns_and_steps():
    data = sg.Dataset(
        [[0.0], [1.0], [5.0], [6.0], [7.0]], [0, 1, 0, 0, 1], [1.0, 2.0, 3.0, 4.0, 5.0],
        [[1.0], [2.0], [6.0], [7.0], [8.0]], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1], num_actions=2,
    )  # fmt: skip
    assert data.num_episodes == 2
    np.testing.assert_array_equal(data.episode, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(data.steps, [0, 1, 0, 1, 2])
    np.testing.assert_allclose(data.returns(0.5), [2.0, 3.0 + 2.0 + 1.25])
    np.testing.assert_array_equal(data.starts, [[0.0], [5.0]])
    again = data.episodes([1, 0, 1])
    np.testing.assert_allclose(again.returns(), [12.0, 3.0, 12.0])
    assert data.taken([0, 3]).is_independent


@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet"])
@pytest.mark.parametrize("is_control", [False, True])
def test_files_bring_back_every_bit(tmp_path, suffix, is_control):
    if is_control:
        data = sg.control_log(sg.Pendulum(num_steps=5), lambda state, key: state[:1] * 0.3, 23, jax.random.key(0))
    else:
        data = sg.Dataset(**log())
    sg.write_log(data, tmp_path / f"log.{suffix}")
    again = sg.read_log(tmp_path / f"log.{suffix}")
    for name in FIELDS:
        one, other = getattr(data, name), getattr(again, name)
        assert (one is None and other is None) or np.array_equal(one, other), name
    assert (again.num_actions, again.num_states) == (data.num_actions, data.num_states)


def test_a_table_without_next_columns_follows_the_rows(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("state,action,reward,terminal\n0,0,0,0\n1,1,0,0\n2,0,1,1\n0,1,0,1\n")
    data = sg.read_log(path)
    np.testing.assert_array_equal(data.next_state, [1, 2, 2, 0])
    assert data.num_episodes == 2
    path.write_text("state,action,reward,terminal,truncated\n0,0,0,0,0\n1,1,0,0,1\n")
    with pytest.raises(sg.InputError, match="cut short"):
        sg.read_log(path)


def test_lengths_of_episodes_must_add_up(tmp_path):
    made = log()
    del made["episode"]
    for lengths, is_right in (([10] * 6, True), ([10] * 5, False)):
        np.savez(tmp_path / "log.npz", schema="stackelberg-log/1", episode_lengths=lengths, **made)
        if is_right:
            assert sg.read_log(tmp_path / "log.npz").num_episodes == 6
        else:
            with pytest.raises(sg.InputError, match="add up"):
                sg.read_log(tmp_path / "log.npz")


def test_a_log_of_the_layout_of_d4rl_loses_only_the_rows_that_cannot_be_used(tmp_path):
    h5py = pytest.importorskip("h5py")
    generator = np.random.default_rng(0)
    now, cut, over = generator.normal(size=(9, 3)), np.zeros(9), np.zeros(9)
    cut[3] = over[8] = 1.0
    with h5py.File(tmp_path / "log.hdf5", "w") as file:
        file["observations"], file["actions"] = now, generator.uniform(-1, 1, (9, 2))
        file["rewards"], file["terminals"], file["timeouts"] = np.arange(9.0), over, cut
    data = sg.read_log(tmp_path / "log.hdf5")
    np.testing.assert_array_equal(data.reward, [0, 1, 2, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(data.truncated, [0, 0, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(data.next_observation[2], now[3])


def test_coverage_says_what_is_missing():
    grid = sg.goal_grid(3)
    data = sg.process_log(grid, np.asarray(grid.best_policy()), 200, episode_length=20)
    found = sg.log_coverage(data)
    assert found.num_rows == 200
    assert found.counts.sum() == 200
    assert found.untried > 0.7
    assert any("no precedent" in words for words in found.sentences)
    assert any("episodes only" in words for words in found.sentences)
    uniform = sg.log_coverage(sg.process_log(grid, np.full(grid.shape, 0.25), 20_000, episode_length=20))
    assert uniform.untried < 0.05


@pytest.mark.parametrize("is_control", [False, True])
def test_minari_both_ways(tmp_path, monkeypatch, is_control):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    if is_control:
        data = sg.control_log(sg.Pendulum(num_steps=7), lambda state, key: 0.3 * state[:1], 30, jax.random.key(0))
    else:
        data = sg.Dataset(**log())
    again = sg.from_minari(sg.to_minari(data, "mine/log-v0"))
    for name in FIELDS[:-1]:
        np.testing.assert_array_equal(getattr(again, name), getattr(data, name), err_msg=name)
    assert (again.num_actions, again.num_states) == (data.num_actions, data.num_states)
