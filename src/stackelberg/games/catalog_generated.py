"""The part of the catalog that is drawn at random, with fixed seeds: no structure for a method to lean on."""

from __future__ import annotations

from functools import partial

from .catalog_entry import CatalogEntry
from .generators import covariant_game, degenerate_game, random_game, zero_sum_game


GENERATED = (
    CatalogEntry(
        "random-4x4",
        partial(random_game, 4, 4, seed=0),
        "Independent uniform payoffs.",
        "generated, random_game(4, 4, seed=0)",
        strong_value=0.712547389133154,
        follower_value=0.37290605904740814,
        weak_value=0.712547389133154,
    ),
    CatalogEntry(
        "covariant-4x4",
        partial(covariant_game, 4, 4, -0.5, seed=0),
        "Normal payoffs, the two players' correlated by −1/2.",
        "generated, covariant_game(4, 4, -0.5, seed=0)",
        strong_value=0.5045669116794858,
        follower_value=0.3665693361902047,
        weak_value=0.5045669116794858,
    ),
    CatalogEntry(
        "degenerate-4x4",
        partial(degenerate_game, 4, 4, seed=0),
        "Payoffs from {0, 1, 2}: many ties.",
        "generated, degenerate_game(4, 4, seed=0)",
        strong_value=2.0,
        follower_value=2.0,
        weak_value=2.0,
    ),
    CatalogEntry(
        "zero-sum-3x3",
        partial(zero_sum_game, 3, 3, seed=0),
        "The follower's payoffs are the negatives of the leader's.",
        "generated, zero_sum_game(3, 3, seed=0)",
        strong_value=0.13574512202422834,
        follower_value=-0.13574512202422834,
        weak_value=0.13574512202422834,
    ),
)
