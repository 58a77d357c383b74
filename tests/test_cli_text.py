"""What people read: policies with names, and intervals that hold what is printed beside them."""

import json
import re
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import stackelberg as sg
from stackelberg.cli import app
from stackelberg.cli.plans import Plan
from stackelberg.cli.strategies import announced, answered, strategy
from stackelberg.cli.text import of_certificate


RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    monkeypatch.setattr(sys, "argv", ["stackelberg"])


def plan(game, commitment, response):
    return Plan(game, sg.BestResponse(), {"commitment": np.asarray(commitment), "response": np.asarray(response)})


def markov(horizon, num_states=2, **names):
    laws = np.full((num_states, 2, 3, num_states), 1.0 / num_states)
    rewards = np.zeros((num_states, 2, 3))
    start = np.full(num_states, 1.0 / num_states)
    return sg.MarkovGame(rewards, rewards, laws, start, horizon=horizon, leader_discount=0.9, **names)


def printed_interval(lower, upper):
    numbers = {"lower": lower, "upper": upper, "gap": upper - lower, "follower_regret": 0.0}
    line = of_certificate(numbers | {"status": "optimal", "method": "", "notes": []})
    found = re.search(r"\[(.+), (.+)\]", line)
    assert found is not None
    return found.groups()


def test_a_printed_interval_holds_the_interval_and_the_value_printed_beside_it():
    """Five thousand pairs of all sizes and signs, compared as exact fractions; the value is printed by `:.10g`."""
    rng = np.random.default_rng(3)
    ends = rng.normal(size=(5_000, 1)) * 10.0 ** rng.integers(-12, 13, size=(5_000, 1))
    ends = np.sort(ends + np.hstack([0.0 * ends, np.abs(ends) * 10.0 ** rng.integers(-17, 0, size=ends.shape)]))
    for lower, upper in ends.tolist():
        low, high = (Fraction(end) for end in printed_interval(lower, upper))
        assert low <= Fraction(lower) <= Fraction(upper) <= high
        assert low <= Fraction(f"{lower:.10g}") <= high


def test_rounding_both_ends_to_nearest_would_exclude_the_value():
    """The planted bug, with the numbers in which it was seen."""
    assert Fraction(f"{3.1057000959:.8g}") > Fraction("3.105700096")
    assert printed_interval(3.1057000959, 3.1057009) == ("3.105700095", "3.1057009")
    assert printed_interval(-float("inf"), 3.5) == ("-inf", "3.5")


@pytest.mark.parametrize(
    ("game", "shape", "first", "last"),
    [
        (markov(2, states=["rich", "poor"]), (2, 2, 2), "stage 1, rich", "stage 2, poor"),
        (markov(None), (2, 2), "state 1", "state 2"),
        (markov(None, follower_actions=["wait", "fish", "sail"]), (2, 3, 2), "state 1, if wait", "state 2, if sail"),
        (markov(2), (2, 2, 3, 2), "stage 1, state 1, if action 1", "stage 2, state 2, if action 3"),
    ],
    ids=["horizon", "stationary", "prescription", "prescription with a horizon"],
)
def test_a_policy_is_printed_with_the_names_of_its_stages_and_states(game, shape, first, last):
    found = announced(plan(game, np.full(shape, 0.5), np.full((*shape[:-1], 3), 1 / 3)))
    assert (found.situations[0], found.situations[-1]) == (first, last)
    lines = strategy("leader announces", found).splitlines()
    assert len(lines) == 1 + np.prod(shape[:-1])
    assert lines[1].split("  ")[1:2] == [first]
    assert "0.500000" in lines[-1]


def test_every_number_of_a_policy_stands_in_its_row_and_column():
    policy = np.random.default_rng(0).dirichlet(np.ones(2), size=(3, 4))
    response = np.random.default_rng(1).dirichlet(np.ones(3), size=(3, 4))
    told = plan(markov(3, num_states=4), policy, response)
    for found, values in ((announced(told), policy), (answered(told), response)):
        for line, word, row in zip(
            strategy("", found).splitlines()[1:], found.situations, values.reshape(12, -1), strict=True
        ):
            assert word in line
            assert line.split()[-len(row) :] == [f"{share:.6f}" for share in row]


def test_types_are_named_and_large_policies_are_described():
    game = sg.catalog_game("two-types")
    assert answered(plan(game, [0.5, 0.5], np.eye(2))).situations == ("first", "second")
    large = announced(plan(markov(40), np.full((40, 2, 2), 0.5), np.full((40, 2, 3), 1 / 3)))
    assert strategy("leader announces", large) == (
        "leader announces: 2 numbers in each of 80 situations, too many for the screen; "
        "--out FILE writes them all, --json prints them"
    )


def test_a_plan_for_a_markov_game_is_drawn():
    done = RUNNER.invoke(app, ["solve", "fishery", "--out", "plan.json"])
    assert "stage 1, rich" in done.stdout
    drawn = RUNNER.invoke(app, ["plot", "plan.json", "--out", "fishery", "--json"])
    assert drawn.exit_code == 0, drawn.output
    assert json.loads(drawn.stdout)["kind"] == "policy"
    assert Path("fishery.png").stat().st_size > 0
    assert RUNNER.invoke(app, ["plot", "plan.json", "--kind", "solution"]).exit_code == 2
