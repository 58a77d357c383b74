"""Parts of the studies on kernels and on settings, against other ways to the same numbers."""

import sys

import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.catalog.batch_kernels import table_worlds, with_kernel
from stackelberg.experiments.catalog.batch_search import searched


def test_sums_by_a_kernel_are_sums_over_rows_of_its_features():
    """The shortcut by the table's sums, against sums over rows that know nothing of tables."""
    process, places, task = table_worlds()["ring"]
    base = task(0)
    made = with_kernel(base, places, "matern", 1.0, process.shape[1])
    rows = sg.moments_of(
        base.data, base.moments.critic, made.tests, base.moments.scale, policy=base.policy, ridge=1e-8, key=jr.key(0)
    )
    np.testing.assert_allclose(made.moments.paid, rows.paid, atol=1e-6)
    np.testing.assert_allclose(made.moments.here, rows.here, atol=1e-6)
    assert float(made.moments.ridge) == pytest.approx(float(rows.ridge), rel=1e-4)
    # The twin: a kernel so narrow that it tells all cells apart is the table, and this one is not.
    narrow = with_kernel(base, places, "gaussian", 1e-3, process.shape[1])
    gram = lambda one: np.asarray(one.moments.here).T @ np.asarray(one.moments.here)
    np.testing.assert_allclose(gram(narrow), gram(base), atol=1e-12)
    assert np.max(np.abs(gram(made) - gram(base))) > 1e-4


def test_a_search_sees_the_bound_alone():
    """What is earned falls as the bound rises: a search that looked at it would find the other end."""
    pytest.importorskip("optuna")
    score = lambda settings: (settings["x"], -settings["x"])
    found = searched(score, {"x": (0.0, 1.0), "kind": (1, 5)}, 8, 0)
    assert found["found"] == -found["score"]
    assert found["hindsight"] > found["found"]
    assert found == searched(lambda settings: (settings["x"], -settings["x"]), {"x": (0.0, 1.0), "kind": (1, 5)}, 8, 0)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(sg.MissingExtraError, match=r"stackelberg\[search\]"):
        searched(lambda settings: (0.0, 0.0), {"x": (0.0, 1.0)}, 1, 0)
