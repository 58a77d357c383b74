"""Published tables of what people chose: facts with their source, small enough to carry along."""

from __future__ import annotations

from .choices import Choices, from_frequencies
from .normal_form import NormalFormGame


def ochs_matching_pennies() -> tuple[NormalFormGame, Choices]:
    """Asymmetric matching pennies played by people: the game, and the frequencies of both players' actions.

    The rows' player chose its first action in 0.527, the columns' player its first action in 0.366 of 128 plays.
    Ochs (1995), as tabulated by McKelvey and Palfrey (1995). The frequencies are rounded, so that the counts (67.456 of
    128, ...) are not whole.
    """
    game = NormalFormGame(
        leader_payoff=[[1.1141, 0.0], [0.0, 0.2785]],
        follower_payoff=[[0.0, 1.1141], [1.1141, 0.0]],
        title="Asymmetric matching pennies (Ochs 1995)",
    )
    return game, from_frequencies([0.527, 1.0 - 0.527], [0.366, 1.0 - 0.366], 128)
