"""The park: what the generator promises, and the map that is drawn of it."""

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.games.domains.patrol import POACHER_WEIGHTS


def test_a_park_is_what_its_docstring_says():
    for seed in range(20):
        park = sg.patrol_park(5, 5, 5, seed=seed)
        assert park.targets[0] == "A1"
        assert park.targets[-1] == "E5"
        animals, fine = park.follower_uncovered, -park.follower_covered
        assert np.array_equal(park.leader_uncovered, -animals)
        assert animals.min() >= 1
        assert animals.max() <= 10
        assert fine.min() >= 1
        assert fine.max() <= 5
        assert fine[0] == fine.max()
        assert park.features.shape == (25, 1)
    assert sg.game_to_json(sg.patrol_park(seed=3)) == sg.game_to_json(sg.patrol_park(seed=3))


def test_one_cell_and_many_rows_are_parks_too():
    assert sg.patrol_park(1, 1, 1).targets == ("A1",)
    assert sg.patrol_park(30, 1, 1).targets[-1] == "AD1"


def test_the_map_shows_coverage_and_attacks_and_guarding_a_cell_drives_poachers_away():
    park, poacher = sg.patrol_park(), sg.SUQR(POACHER_WEIGHTS)
    even = park.uniform_commitment()
    record = sg.coverage_map(park, even, poacher)
    assert record.attributes["grid"] == [5, 5]
    assert record["attack"].sum() == pytest.approx(1.0)
    worst = int(np.argmax(record["attack"]))
    moved = even - 0.01
    moved[worst] += 0.25
    guarded = sg.coverage_map(park, moved, poacher)
    assert guarded["attack"][worst] < record["attack"][worst]
    planted = sg.coverage_map(park, moved, sg.SUQR(np.array(POACHER_WEIGHTS) * [-1, 1, 1, 1]))  # a sign lost
    assert planted["attack"][worst] > record["attack"][worst]
    with pytest.raises(sg.InputError, match=r"4 × 5 cells are 20.*25 targets"):
        sg.coverage_map(park, even, poacher, (4, 5))
