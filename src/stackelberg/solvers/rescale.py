"""Payoffs on [0, 1] and back: a shift and a power of two, so that tolerances mean the same in every game.

Absolute tolerances of LP solvers make answers wrong, with status "optimal", once payoffs reach 1e-9 or 1e9. Adding a
constant to a player's payoffs, or multiplying them by a positive number, changes no equilibrium.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .._errors import PrecisionWarning


COARSE = 1e-9
"""Payoffs stored with a rounding above this fraction of their range may have been merged where it matters."""

NO_RANGE, ZERO = -60, -1200
"""Exponents for a player whose payoffs are all equal, or all 0: rounding on [0, 1] vanishes when mapped back."""

LARGE_CONSTANT = 1e3
"""A player whose payoffs are all one number this large was more likely rounded than indifferent."""


@dataclass(frozen=True)
class Rescaled:
    """One player's payoffs in each of n games, on [0, 1], and the way back.

    payoff = `low` + 2^`exponent` × `scaled`, where `low` is the smallest payoff of the game. Both steps are exact but
    for the rounding of the one subtraction, which is below 2^-53 of the range; equal payoffs stay equal and their
    order is kept. `resolution` is the spacing of the stored numbers as a fraction of their range (0 for a player whose
    payoffs are all 0, infinite for any other constant).
    """

    scaled: Float[np.ndarray, "n a b"]
    low: Float[np.ndarray, "n"]
    exponent: Int[np.ndarray, "n"]
    resolution: Float[np.ndarray, "n"]

    def restore(self, value: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Values on the scale of the payoffs, rounded once."""
        spare = np.where(self.exponent > 1000, 2, 0)  # a range may exceed the largest float, though no value does
        return np.ldexp(np.ldexp(self.low, -spare) + np.ldexp(value, self.exponent - spare), spare)

    def restore_difference(self, value: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Differences of values (regrets, gaps) on the scale of the payoffs."""
        return np.ldexp(value, self.exponent)


def rescale(payoff: Float[np.ndarray, "n a b"]) -> Rescaled:
    """Shift each game's payoffs to start at 0, and divide by the smallest power of two that is at least their range.

    The whole matrix is first brought below 1/4 by a power of two, so that no range overflows.
    """
    payoff = np.asarray(payoff, dtype=np.float64)
    size = np.max(np.abs(payoff), axis=(1, 2))
    guard = np.frexp(size)[1] + 2
    small = np.ldexp(payoff, -guard[:, None, None])
    low = np.min(small, axis=(1, 2))
    shifted = small - low[:, None, None]
    mantissa, exponent = np.frexp(np.max(shifted, axis=(1, 2)))
    exponent = np.where(mantissa == 0.5, exponent - 1, exponent)  # a range of exactly 2^k is scaled to 1
    exponent = np.where(size == 0.0, ZERO, np.where(mantissa == 0.0, NO_RANGE, exponent))
    scaled = np.ldexp(shifted, -exponent[:, None, None])
    span = np.ldexp(np.max(scaled, axis=(1, 2)), exponent)
    spacing = np.spacing(np.ldexp(size, -guard))
    with np.errstate(divide="ignore"):
        resolution = np.where(size == 0.0, 0.0, spacing / span)
    return Rescaled(scaled, np.ldexp(low, guard), exponent + guard, resolution)


def precision_notes(player: str, rescaled: Rescaled, *, stacklevel: int = 2) -> tuple[str, ...]:
    """What storage in float64 may have merged, as sentences; a `PrecisionWarning` is given as well.

    A player whose payoffs are all one small number is taken at its word: a note, no warning.
    """
    coarse = rescaled.resolution > COARSE
    if not coarse.any():
        return ()
    is_constant = np.isinf(rescaled.resolution)
    is_small = is_constant & (np.abs(rescaled.low) < LARGE_CONSTANT)
    game = int(np.argmax(np.where(is_small, 0.0, rescaled.resolution) if not is_small.all() else rescaled.resolution))
    which = "" if len(coarse) == 1 else f" (game {game}, and {int(coarse.sum()) - 1} more)"
    if is_constant[game]:
        note = (
            f"All of the {player}'s payoffs are stored as {rescaled.low[game]:.17g}{which}: "
            f"differences below {np.spacing(np.abs(rescaled.low[game])):.2g} cannot be stored beside it."
        )
    else:
        note = (
            f"The {player}'s payoffs are stored in steps of {rescaled.resolution[game]:.2g} of their range{which}: "
            "smaller differences were lost before they got here. Subtract a constant from the payoffs at their source."
        )
    if (coarse & ~is_small).any():
        warnings.warn(f"{PrecisionWarning.code} {note}", PrecisionWarning, stacklevel=stacklevel)
    return (note,)
