"""The part of the catalog that is not in normal form: follower types, states, targets, tariffs."""

from __future__ import annotations

from .bayesian import BayesianGame
from .catalog_entry import CatalogEntry
from .domains.patrol import patrol_park
from .domains.tariff import TariffGame, day_tariff
from .markov import MarkovGame
from .security import SecurityGame


def two_types() -> BayesianGame:
    """The security example with a second type of follower that is harder to please."""
    return BayesianGame(
        leader_payoff=[[2, 4], [1, 3]],
        follower_payoff=[[[1, 0], [0, 2]], [[2, 0], [0, 1]]],
        prior=[0.75, 0.25],
        leader_actions=["a", "b"],
        follower_actions=["c", "d"],
        types=["first", "second"],
        title="The security example with two types",
    )


def three_houses() -> BayesianGame:
    """One patrol, three houses, two kinds of robbers."""
    value = [[6.0, 3.0, 1.0], [1.0, 4.0, 5.0]]
    return BayesianGame(
        leader_payoff=[[[0.0 if a == b else -loss for b, loss in enumerate(row)] for a in range(3)] for row in value],
        follower_payoff=[[[-2.0 if a == b else gain for b, gain in enumerate(row)] for a in range(3)] for row in value],
        prior=[0.5, 0.5],
        leader_actions=["house 1", "house 2", "house 3"],
        follower_actions=["house 1", "house 2", "house 3"],
        types=["jewels", "electronics"],
        title="Three houses",
    )


def two_targets() -> SecurityGame:
    """One guard, two targets of different worth."""
    return SecurityGame([0, 0], [-4, -2], [-1, -1], [4, 2], 1, targets=["large", "small"], title="Two targets")


def four_targets() -> SecurityGame:
    """Two guards, four targets; the leader and the follower do not value them alike."""
    return SecurityGame(
        leader_covered=[2, 0, 1, 0],
        leader_uncovered=[-8, -5, -6, -2],
        follower_covered=[-3, -4, -1, -2],
        follower_uncovered=[5, 6, 3, 4],
        resources=2,
        title="Four targets, two guards",
    )


def fishery() -> MarkovGame:
    """A warden watches or rests, a fisher waits or fishes; fishing unwatched depletes the stock for a while."""
    rich, poor = 0, 1
    reward_of_leader = [[[2.0, 0.0], [3.0, -1.0]], [[-1.0, -1.0], [0.0, -2.0]]]
    reward_of_follower = [[[0.0, -1.0], [0.0, 3.0]], [[0.0, -1.0], [0.0, 1.0]]]
    transition = [[[[0.0, 0.0] for _ in range(2)] for _ in range(2)] for _ in range(2)]
    for state, recovery in ((rich, 1.0), (poor, 0.5)):
        for watched in (0, 1):
            transition[state][watched][0] = [recovery, 1.0 - recovery]
            transition[state][watched][1] = [0.75, 0.25] if watched == 0 and state == rich else [0.0, 1.0]
    return MarkovGame(
        reward_of_leader,
        reward_of_follower,
        transition,
        [1.0, 0.0],
        horizon=3,
        follower_discount=0.0,
        leader_actions=["watch", "rest"],
        follower_actions=["wait", "fish"],
        states=["rich", "poor"],
        title="Fishery, three seasons",
    )


def repeated_commitment() -> MarkovGame:
    """The commitment game twice, with no memory: worth twice as much."""
    return MarkovGame(
        [[[2, 4], [1, 3]]],
        [[[1, 0], [0, 1]]],
        [[[[1.0], [1.0]], [[1.0], [1.0]]]],
        [1.0],
        horizon=2,
        follower_discount=0.0,
        leader_actions=["up", "down"],
        follower_actions=["left", "right"],
        states=["always"],
        title="The commitment game, twice",
    )


def single_product() -> TariffGame:
    """One product, one price: the closed form of the pricing literature."""
    return TariffGame([2.0], 1.0, 0.5, 0.0, 20.0, periods=["always"], title="One product, logit customers")


KINDS = (
    CatalogEntry(
        "two-types",
        two_types,
        "One commitment against two types of follower, one harder to please than the other.",
        "form of Paruchuri et al. (2008); the second type is chosen here",
        strong_value=10 / 3,
        follower_value=7 / 6,
        weak_value=10 / 3,
        quantal_values={1.0: 2.7044397499171033, 5.0: 3.14092570516564},
    ),
    CatalogEntry(
        "three-houses",
        three_houses,
        "A patrol guards one of three houses; two kinds of robbers value them differently.",
        "form of Paruchuri et al. (2008); payoffs chosen here",
        strong_value=-2.820143884892086,
        follower_value=2.431654676258993,
        weak_value=-2.820143884892086,
    ),
    CatalogEntry(
        "two-targets",
        two_targets,
        "One guard between two targets: the follower is made indifferent.",
        "made for this catalog, form of Kiekintveld et al. (2009)",
        strong_value=-5 / 4,
        follower_value=7 / 8,
    ),
    CatalogEntry(
        "four-targets",
        four_targets,
        "Two guards, four targets, payoffs that are not zero-sum.",
        "made for this catalog, form of Kiekintveld et al. (2009)",
        strong_value=-1.0,
        follower_value=1.0,
    ),
    CatalogEntry(
        "patrol-park",
        patrol_park,
        "A park of 25 cells and 5 rangers, the case of the docs.",
        "generated, patrol_park(5, 5, 5, seed=0)",
        strong_value=-4.0529706046327,
    ),
    CatalogEntry(
        "fishery",
        fishery,
        "Two states, three seasons, a fisher who looks no further than the season.",
        "made for this catalog",
        strong_value=6.75,
        quantal_values={2.0: 5.082057292908578},
    ),
    CatalogEntry(
        "repeated-commitment",
        repeated_commitment,
        "The commitment game played twice: twice the value, at any inverse temperature.",
        "made for this catalog, from Conitzer and Sandholm (2006)",
        strong_value=7.0,
        quantal_values={2.0: 5.532839975353553},
    ),
    CatalogEntry(
        "single-product",
        single_product,
        "One price against logit customers: 1/2 + 1 + W(e^(1/2)) = 2.26625.",
        "closed form, as in Talluri and van Ryzin (2004)",
        quantal_values={1.0: 0.7662486081617503},
        basis="published",
    ),
    CatalogEntry(
        "day-tariff",
        day_tariff,
        "Six periods of a day with a capacity cost on the busiest one.",
        "generated, day_tariff(6, seed=0)",
        quantal_values={1.0: 12.043177181008765},
    ),
)
