"""Rows known up to a ball: against linear programs, against laws in the ball, and what they do for a learner."""

import numpy as np
import pytest
from scipy.optimize import linprog

import stackelberg as sg
from stackelberg.calculus.precision import exact


PROCESS = sg.random_process(4, 3, 5, discount=0.8)


def by_program(law, values, radius, sign):
    """max sign·values @ p over p in the simplex, |p - law| <= radius, with a bound on each deviation."""
    size = len(law)
    cost = np.concatenate([-sign * values, np.zeros(size)])
    eye = np.eye(size)
    rows = np.block([[eye, -eye], [-eye, -eye], [np.zeros((1, size)), np.ones((1, size))]])
    found = linprog(
        cost,
        rows,
        np.concatenate([law, -law, [radius]]),
        np.concatenate([np.ones(size), np.zeros(size)])[None],
        [1.0],
        bounds=[(0.0, 1.0)] * size + [(0.0, None)] * size,
    )
    return sign * -found.fun


@pytest.mark.parametrize("toward", ["best", "worst"])
def test_a_tilted_row_is_that_of_a_linear_program(toward):
    rng, sign = np.random.default_rng(0), 1.0 if toward == "best" else -1.0
    for radius in (0.0, 0.1, 0.7, 1.5, 2.0):
        law, values = rng.dirichlet(np.full(5, 0.5)), rng.normal(size=5)
        law[rng.integers(5)] = 0.0
        law = law / law.sum()
        row = np.asarray(exact(sg.tilted_rows)(law, values, radius, toward))
        assert row.min() >= -1e-12
        assert row.sum() == pytest.approx(1.0)
        assert np.abs(row - law).sum() <= radius + 1e-12
        assert row @ values == pytest.approx(by_program(law, values, radius, sign), abs=1e-9)


def test_completions_in_balls_bound_every_law_in_them_and_meet_the_ends():
    rng, law = np.random.default_rng(1), np.asarray(PROCESS.transition)
    radius = rng.uniform(0.1, 0.8, size=PROCESS.shape)
    best, above = sg.completed_in_balls(PROCESS, law, radius, "best")
    worst, below = sg.completed_in_balls(PROCESS, law, radius, "worst")
    assert np.all(np.abs(best - law).sum(axis=-1) <= radius + 1e-9)
    for _ in range(50):
        other = law + (rng.uniform(size=PROCESS.shape) * radius / 2.0)[..., None] * (
            rng.dirichlet(np.full(4, 0.3), PROCESS.shape) - law
        )
        value = np.asarray(PROCESS.values(PROCESS.best_policy(other), other))
        assert np.all(value <= above + 1e-9)
        assert np.all(value >= below - 1e-9)
    # Each is the value of the best policy in its own model, and both are the world's where the balls are points.
    for model, value in ((best, above), (worst, below)):
        assert np.asarray(PROCESS.values(PROCESS.best_policy(model), model)) == pytest.approx(value, abs=1e-9)
    _, still = sg.completed_in_balls(PROCESS, law, 0.0 * radius, "best")
    assert still == pytest.approx(np.asarray(PROCESS.values(PROCESS.best_policy(law), law)), abs=1e-9)
    # And where they are everything, those of rows that lead anywhere.
    _, free = sg.completed_in_balls(PROCESS, law, np.full(PROCESS.shape, 2.0), "best")
    assert free == pytest.approx(sg.completed(PROCESS, np.zeros(PROCESS.shape, bool), "best")[1], abs=1e-9)


def test_balls_hold_the_true_rows_for_ever():
    """400 streams of 500 draws: at a level of 0.9 at most 40 are expected to leave their ball; the bound is loose, and
    the chance of over 60 below 1e-3. The planted bug, a tenth of the radius, loses most."""
    rng, law = np.random.default_rng(2), np.array([0.5, 0.3, 0.2])
    draws = rng.choice(3, p=law, size=(400, 500))
    counts = np.cumsum(np.eye(3)[draws], axis=1)
    times = np.arange(1, 501)
    off = np.abs(counts / times[None, :, None] - law).sum(axis=-1)
    radius = np.asarray(exact(sg.ball_radius)(times[:, None].astype(float), 3, 0.9))[:, 0]
    assert np.sum(np.any(off > radius, axis=1)) <= 60
    assert np.sum(np.any(off > 0.1 * radius, axis=1)) > 300
    assert np.asarray(exact(sg.ball_radius)(np.zeros((1, 1)), 3, 0.9)) == 2.0


def test_optimism_in_balls_finds_what_pessimism_in_them_does_not():
    """The study's trap, 40 seeds. Pessimism in balls is the twin that stays where it is."""
    study = sg.decision_process("simple-2")
    learners = [sg.CountingModel(study, unknown=one, level=0.9) for one in ("best", "worst")]
    for learner, is_out in zip(learners, (True, False), strict=True):
        stacked = sg.stack([learner], [sg.WorldTruth(study)])
        _, metrics = sg.train(stacked, 300, range(40))
        share = np.mean(metrics["suboptimality"][-1] < 1e-9)
        assert share >= 0.9 if is_out else share <= 0.1


def test_a_level_needs_a_direction():
    study = sg.decision_process("simple-2")
    for settings in ({}, {"unknown": "best", "policy_steps": 2}):
        with pytest.raises(sg.InputError, match="level"):
            sg.CountingModel(study, level=0.9, **settings)
