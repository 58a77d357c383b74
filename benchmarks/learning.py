"""Learning a quantal follower online: all games and seeds of an experiment in one compiled call."""

from __future__ import annotations

import stackelberg as sg
from stackelberg.experiments.catalog.quantal_regret import worlds

from .measure import Row, compare


EPISODES, SEEDS, GAMES = 2_000, 32, 6


def rows() -> list[Row]:
    """E6 at 2,000 episodes, 6 games × 32 seeds, against the same learner one run at a time."""
    places = worlds(GAMES)
    agent = sg.OptimisticValueIteration(EPISODES)
    together = sg.stack([sg.Repeated(agent, one) for one in places], [sg.Suboptimality(one) for one in places])
    alone = sg.stack([sg.Repeated(agent, places[0])], [sg.Suboptimality(places[0])])
    for learners, seeds in ((together, SEEDS), (alone, 1)):  # compiled before it is timed
        sg.train(learners, 1, seeds=range(seeds))
    return [
        compare(
            "learning",
            "MLE-OVI, 2,000 episodes, 6 games × 32 seeds",
            lambda: sg.train(together, EPISODES, seeds=range(SEEDS)),
            peer=lambda: sg.train(alone, EPISODES, seeds=range(1)),
            peer_name="one run at a time",
            peer_units=1.0 / (GAMES * SEEDS),
            target=30.0,
            repeats=3,
        )
    ]
