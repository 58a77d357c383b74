"""What a model's loss proves, on random processes; the bound as printed, and where it fails."""

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.catalog.poster_bounds import DISCOUNTS, Used, counterexample, quotients
from stackelberg.experiments.catalog.poster_traps import mixing_bound
from stackelberg.model_based import bounds


@pytest.mark.parametrize("by_next_state", [True, False])
def test_no_bound_is_exceeded_on_random_processes(by_next_state):
    """500 processes at each of five discounts; 2,000 in the reproduction. A tenth of the lemma's bound is exceeded."""
    found = quotients(500, by_next_state)
    for name in Used._fields:
        if name != "printed":
            assert found[name].shape == (len(DISCOUNTS), 500)
            assert found[name].max() <= 1.0 + 1e-9
    assert found["simulation"].max() > 0.1
    assert found["promised"].max() > 0.0


def test_the_printed_bound_on_policy_as_leader_fails_and_the_corrected_one_holds():
    regret, printed, corrected = counterexample()
    assert (regret, printed, corrected) == pytest.approx((0.2, 0.0798, 0.2821), abs=1e-3)


def test_the_constant_is_that_of_the_definition():
    process = sg.decision_process("simple-2").counted(discount=0.9)
    assert float(bounds.constant(process)) == pytest.approx(np.sqrt(2) / 0.01)
    assert float(bounds.constant(process, by_next_state=False)) == pytest.approx(0.9 * np.sqrt(2) / 0.01)
    assert float(bounds.promised_reward_bound(process, 0.5)) == pytest.approx(2 / 0.01**2 / 4)


def test_in_the_trap_the_whole_regret_sits_in_the_term_that_nothing_controls():
    """The total variation between where the best policy goes in the world and in the trap's model: 0.99 at 0.99."""
    process = sg.decision_process("simple-2").counted(discount=0.99)
    trap = sg.solve(sg.ModelAsLeader(process))
    best = process.best_policy()
    distance = 0.5 * np.sum(np.abs(process.occupancy(best) - process.occupancy(best, trap.commitment)))
    regret = float(process.value(best)) - float(process.value(trap.response))
    assert regret == pytest.approx(72.975, abs=1e-3)
    bound = float(bounds.model_leader_bound(process, 0.0, -float(trap.leader_value), distance))
    assert regret < bound == pytest.approx(200 * distance)


@pytest.mark.parametrize("mixing", [0.1, 0.5, 0.9, 1.0])
def test_mixing_bounds_what_a_model_can_hide(mixing):
    for seed in range(5):
        drawn = sg.random_process(3, 2, seed)
        law = (1 - mixing) * np.asarray(drawn.transition) + mixing / 3
        process = sg.DecisionProcess(law, drawn.reward, drawn.initial, discount=0.99)
        found = sg.zero_loss_equilibria(process, mixing=mixing)
        lost = 0.01 * (found.values.max() - found.worst_value)
        assert lost <= mixing_bound(drawn, mixing) + 1e-9


def test_a_model_that_need_not_mix_hides_more():
    """The planted bug, to forget that models mix too, finds more equilibria and loses more."""
    process = sg.triangle()
    law = 0.5 * np.asarray(process.transition) + 0.5 / 3
    mixed = sg.DecisionProcess(law, process.reward, process.initial, discount=0.99)
    known, forgotten = (sg.zero_loss_equilibria(mixed, mixing=share).worst_value for share in (0.5, 0.0))
    assert forgotten < known - 1.0
