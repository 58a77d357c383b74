"""Every experiment of the catalog is measured at its smallest budget, and what that decides holds."""

import pytest

from stackelberg.experiments.catalog import REPRODUCTIONS


@pytest.mark.slow
@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_what_the_smallest_budget_decides_holds(name, tmp_path):
    """Seeds are fixed: a claim that holds here holds at every run."""
    verdicts, _ = REPRODUCTIONS[name].run("smoke", tmp_path)
    assert verdicts
    assert [str(one.claim) for one in verdicts if not one.holds] == []
