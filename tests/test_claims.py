"""Whether a claim holds is computed from the interval, and from nothing else."""

import math

import pytest
from hypothesis import given, strategies as st

from stackelberg._claims import BUDGETS, Claim, Verdict
from stackelberg._record import Estimate
from stackelberg.cli import early_runs
from stackelberg.experiments.catalog import REPRODUCTIONS, chosen
from stackelberg.experiments.catalog.base import Reproduction


FINITE = st.floats(-100, 100)


def claim(relation, expected=0.0, tolerance=0.0, budget="smoke"):
    return Claim("name", "A statement.", "a source", expected, relation, tolerance, budget, 1)


@given(ends=st.tuples(FINITE, FINITE, FINITE), expected=FINITE, tolerance=st.floats(0, 10))
def test_a_claim_holds_exactly_when_no_value_of_the_interval_contradicts_it(ends, expected, tolerance):
    low, value, high = sorted(ends)
    measured = Estimate(value, low, high)
    inside = {
        "equals": all(abs(end - expected) <= tolerance for end in (low, high)),
        "at least": low >= expected - tolerance,
        "at most": high <= expected + tolerance,
    }
    for relation, holds in inside.items():
        if min(abs(abs(end - expected) - tolerance) for end in (low, high)) > 1e-9:
            assert Verdict(claim(relation, expected, tolerance), measured).holds == holds


def test_an_interval_that_is_not_known_decides_nothing_in_favour():
    for relation in ("equals", "at least", "at most"):
        assert not Verdict(claim(relation, tolerance=1e9), Estimate(0.0, math.nan, math.nan)).holds


def test_a_better_middle_does_not_help_a_wide_interval():
    """The planted bug would be to look at the value alone."""
    wide = Estimate(0.0, -2.0, 2.0)
    assert not Verdict(claim("at most", 1.0), wide).holds
    assert Verdict(claim("at most", 1.0), Estimate.exact(0.0)).holds


def test_nobody_can_set_the_answer_by_hand():
    with pytest.raises(TypeError):
        Verdict(claim("equals"), Estimate.exact(1.0), holds=True)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Verdict(claim("equals"), Estimate.exact(1.0)).holds = True  # type: ignore[misc]


def test_a_larger_budget_decides_more():
    for place, budget in enumerate(BUDGETS):
        assert [claim("equals", budget=budget).is_decided_by(spent) for spent in BUDGETS] == [
            index >= place for index in range(len(BUDGETS))
        ]
    assert early_runs.BUDGETS == BUDGETS


@pytest.mark.parametrize("entry", REPRODUCTIONS.values(), ids=lambda entry: entry.name)
def test_every_entry_of_the_catalog_says_what_decides_it(entry: Reproduction):
    assert entry.claims
    assert len({one.name for one in entry.claims}) == len(entry.claims)
    assert any(one.budget == "smoke" for one in entry.claims)
    for one in entry.claims:
        assert one.source
        assert one.statement.endswith(".")
        assert one.n >= 1
        assert one.tolerance >= 0.0


def test_a_paper_is_all_of_its_experiments_and_a_misspelt_name_finds_its_neighbour():
    assert [entry.name for entry in chosen("foundations")] == [
        name for name in REPRODUCTIONS if name.startswith("foundations:")
    ]
    with pytest.raises(ValueError, match="foundations:estimation"):
        chosen("foundations:estimatoin")
