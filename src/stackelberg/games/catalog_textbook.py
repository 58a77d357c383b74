"""The textbook part of the catalog: games in normal form, with answers that can be checked by hand."""

from __future__ import annotations

from functools import partial

from .catalog_entry import CatalogEntry
from .generators import duopoly, grab_the_dollar, travellers_dilemma
from .normal_form import NormalFormGame


_ORDINAL = "Gerstgrasser and Parkes (2023), the twelve symmetric strict ordinal 2×2 games"

# Payoffs in the cells (0,0), (0,1), (1,0), (1,1), leader's first, then: strong value, follower's value, and the
# leader's optimum against a quantal follower of inverse temperature 1. Ties play no part: the weak value is the same.
_ORDINAL_GAMES = {
    "prisoners-dilemma": ((3, 3, 1, 4, 4, 1, 2, 2), 2.0, 2.0, 2.53788284273999),
    "stag-hunt": ((4, 4, 1, 3, 3, 1, 2, 2), 4.0, 4.0, 3.19317573589196),
    "assurance": ((4, 4, 1, 2, 2, 1, 3, 3), 4.0, 4.0, 3.642391233934058),
    "coordination": ((4, 4, 2, 1, 1, 2, 3, 3), 4.0, 4.0, 3.905148253644866),
    "mixed-harmony": ((4, 4, 3, 1, 1, 3, 2, 2), 4.0, 4.0, 3.952574126822433),
    "harmony": ((4, 4, 3, 2, 2, 3, 1, 1), 4.0, 4.0, 3.8807970779778824),
    "no-conflict": ((4, 4, 2, 3, 3, 2, 1, 1), 4.0, 4.0, 3.4621171572600098),
    "deadlock": ((2, 2, 1, 4, 4, 1, 3, 3), 3.0, 3.0, 3.1192029220221176),
    "prisoners-delight": ((1, 1, 2, 4, 4, 2, 3, 3), 3.0, 3.0, 3.2689414213699952),
    "hero": ((1, 1, 3, 4, 4, 3, 2, 2), 4.0, 3.0, 3.4621171572600098),
    "battle": ((2, 2, 3, 4, 4, 3, 1, 1), 4.0, 3.0, 3.642391233934058),
    "chicken": ((3, 3, 2, 4, 4, 2, 1, 1), 4.0, 2.0, 3.19317573589196),
}


def _matrices(title: str, leader: list, follower: list, rows: str, columns: str) -> NormalFormGame:
    return NormalFormGame(leader, follower, leader_actions=rows.split(), follower_actions=columns.split(), title=title)


def _ordinal(name: str) -> NormalFormGame:
    cells = _ORDINAL_GAMES[name][0]
    leader, follower = cells[0::2], cells[1::2]
    return NormalFormGame(
        [leader[:2], leader[2:]], [follower[:2], follower[2:]], title=name.replace("-", " ").capitalize()
    )


_ORDINAL_ENTRIES = tuple(
    CatalogEntry(
        name,
        partial(_ordinal, name),
        f"The symmetric ordinal game known as {name.replace('-', ' ')}, played once.",
        _ORDINAL,
        strong_value=strong,
        follower_value=follower,
        weak_value=strong,
        quantal_values={1.0: quantal},
    )
    for name, (_, strong, follower, quantal) in _ORDINAL_GAMES.items()
)

TEXTBOOK = (
    CatalogEntry(
        "conitzer-sandholm",
        partial(_matrices, "The commitment game", [[2, 4], [1, 3]], [[1, 0], [0, 1]], "up down", "left right"),
        "Commitment to a mixture is worth 3.5 where the only Nash equilibrium pays 2.",
        "Conitzer and Sandholm (2006)",
        strong_value=3.5,
        follower_value=0.5,
        weak_value=3.5,
        quantal_values={1.0: 2.53788284273999, 2.0: 2.7664199876767763, 5.0: 3.105700095964154},
        basis="published",
    ),
    CatalogEntry(
        "paruchuri",
        partial(_matrices, "The security example", [[2, 4], [1, 3]], [[1, 0], [0, 2]], "a b", "c d"),
        "The leader does best by playing a two times in three.",
        "Paruchuri et al. (2008)",
        strong_value=11 / 3,
        follower_value=2 / 3,
        weak_value=11 / 3,
        quantal_values={1.0: 2.805030970214687, 5.0: 3.375554232741846},
        basis="published",
    ),
    CatalogEntry(
        "battle-of-the-sexes",
        partial(_matrices, "Battle of the sexes", [[2, 0], [0, 1]], [[1, 0], [0, 2]], "opera match", "opera match"),
        "Who leads gets the favourite evening.",
        "Luce and Raiffa (1957)",
        strong_value=2.0,
        follower_value=1.0,
        weak_value=2.0,
        quantal_values={1.0: 1.4621171572600098, 5.0: 1.9866142981514305},
    ),
    CatalogEntry(
        "matching-pennies",
        partial(_matrices, "Matching pennies", [[1, -1], [-1, 1]], [[-1, 1], [1, -1]], "heads tails", "heads tails"),
        "Zero-sum: the best commitment is the minimax mixture, worth 0.",
        "von Neumann (1928)",
        strong_value=0.0,
        follower_value=0.0,
        weak_value=0.0,
        quantal_values={1.0: 0.0, 5.0: 0.0},
        basis="published",
    ),
    CatalogEntry(
        "rock-paper-scissors",
        partial(
            _matrices,
            "Rock, paper, scissors",
            [[0, -1, 1], [1, 0, -1], [-1, 1, 0]],
            [[0, 1, -1], [-1, 0, 1], [1, -1, 0]],
            "rock paper scissors",
            "rock paper scissors",
        ),
        "Zero-sum with three actions: the uniform mixture, worth 0.",
        "folklore",
        strong_value=0.0,
        follower_value=0.0,
        weak_value=0.0,
        basis="published",
    ),
    CatalogEntry(
        "ochs",
        partial(
            _matrices,
            "Asymmetric matching pennies",
            [[1.1141, 0], [0, 0.2785]],
            [[0, 1.1141], [1.1141, 0]],
            "up down",
            "left right",
        ),
        "People in the role of the row player play up more often than Nash says.",
        "Ochs (1995), payoffs as in McKelvey and Palfrey (1995)",
        strong_value=0.55705,
        follower_value=0.55705,
        weak_value=0.55705,
        quantal_values={1.0: 0.3594277018051915, 5.0: 0.3788104874033822},
    ),
    CatalogEntry(
        "ochs-four",
        partial(_matrices, "Asymmetric matching pennies", [[4, 0], [0, 1]], [[0, 1], [1, 0]], "up down", "left right"),
        "The same with stakes of four to one for the row player.",
        "Ochs (1995), payoffs as in McKelvey and Palfrey (1995)",
        strong_value=2.0,
        follower_value=0.5,
        weak_value=2.0,
        quantal_values={1.0: 1.3075887524390943, 5.0: 1.3391263173715706},
    ),
    CatalogEntry(
        "ochs-nine",
        partial(_matrices, "Asymmetric matching pennies", [[9, 0], [0, 1]], [[0, 1], [1, 0]], "up down", "left right"),
        "The same with stakes of nine to one for the row player.",
        "Ochs (1995), payoffs as in McKelvey and Palfrey (1995)",
        strong_value=4.5,
        follower_value=0.5,
        weak_value=4.5,
        quantal_values={1.0: 2.70887796936496, 5.0: 2.7944456835473614},
    ),
    CatalogEntry(
        "shapley",
        partial(
            _matrices,
            "Shapley's game",
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
            "a b c",
            "a b c",
        ),
        "Fictitious play cycles here; a commitment settles it.",
        "form of Shapley (1964)",
        strong_value=0.5,
        follower_value=0.5,
        weak_value=0.5,
    ),
    CatalogEntry(
        "indifferent-follower",
        partial(_matrices, "The indifferent follower", [[3, 0], [0, 2]], [[0, 0], [0, 0]], "up down", "left right"),
        "The follower never cares: with ties in the leader's favour 3, against it the minimax value 6/5.",
        "made for this catalog",
        strong_value=3.0,
        follower_value=0.0,
        weak_value=1.2,
        quantal_values={1.0: 1.5, 5.0: 1.5},
    ),
    CatalogEntry(
        "inspection",
        partial(
            _matrices, "Inspection game", [[-1, -6], [0, -10]], [[0, -90], [0, 10]], "inspect trust", "comply violate"
        ),
        "An announced inspection one time in ten deters: the follower complies though indifferent.",
        "form of Avenhaus, von Stengel and Zamir (2002); payoffs chosen here",
        strong_value=-0.1,
        follower_value=0.0,
        weak_value=-0.1,
        quantal_values={1.0: -0.17818811733874984, 5.0: -0.11891349080198806},
    ),
    CatalogEntry(
        "hidden-queries",
        partial(_matrices, "Hidden queries", [[4, 2], [3, 1]], [[3, 4], [1, 2]], "0 1", "0 1"),
        "Both have a dominant action in one stage; only the iterated game rewards a commitment with memory.",
        "Gerstgrasser and Parkes (2023)",
        strong_value=2.0,
        follower_value=4.0,
        weak_value=2.0,
        quantal_values={1.0: 2.5378828427399904, 5.0: 2.01338570184857},
    ),
    *_ORDINAL_ENTRIES,
    CatalogEntry(
        "duopoly",
        duopoly,
        "Quantities in steps of 1: committed to 4 the leader earns 8 and the follower, with 2, earns 4, as with "
        "continuous quantities; with ties in its favour the grid gives the leader more.",
        "von Stackelberg (1934), demand 8 above unit cost, quantities on a grid",
        strong_value=10.0,
        follower_value=2.0,
        weak_value=10.0,
    ),
    CatalogEntry(
        "travellers-dilemma",
        partial(travellers_dilemma, 2, 5),
        "Claims from 2 to 5 with a bonus of 2: commitment lifts both from 2 to 10/3.",
        "Basu (1994)",
        strong_value=10 / 3,
        follower_value=10 / 3,
        weak_value=10 / 3,
    ),
    CatalogEntry(
        "grab-the-dollar",
        grab_the_dollar,
        "Whoever commits to grab at once has the prize.",
        "form of GAMUT, Nudelman et al. (2004)",
        strong_value=3.0,
        follower_value=0.0,
        weak_value=3.0,
    ),
)
