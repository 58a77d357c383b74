"""The best message / sequential-price mechanism for two followers, by going through plans, in plain Python."""

import itertools


def plans(prices):
    """Whom to ask first and at what price, and at what price the other one."""
    return list(itertools.product((0, 1), prices, prices))


def outcome(plan, worth):
    """(welfare, what follower 0 gains, what follower 1 gains) when both buy at any price up to the item's worth."""
    first, price, later = plan
    gains = [0.0, 0.0]
    for one, asked in ((first, price), (1 - first, later)):
        if worth[one] >= asked:
            gains[one] = worth[one] - asked
            return worth[one], *gains
    return 0.0, *gains


def expected(mechanism, speaking, values, chances):
    """(welfare less the highest value, gains) when follower i of type k says speaking[i][k]."""
    total = [0.0, 0.0, 0.0]
    for k, j in itertools.product(range(len(values[0])), range(len(values[1]))):
        weight, worth = chances[0][k] * chances[1][j], (values[0][k], values[1][j])
        found = outcome(mechanism[speaking[0][k], speaking[1][j]], worth)
        total[0] += weight * (found[0] - max(worth))
        total[1] += weight * found[1]
        total[2] += weight * found[2]
    return total


def is_stable(mechanism, speaking, values, chances, messages):
    """No follower gains by saying something else."""
    now = expected(mechanism, speaking, values, chances)
    for seat in (0, 1):
        for other in itertools.product(range(messages), repeat=len(values[seat])):
            changed = list(speaking)
            changed[seat] = other
            if expected(mechanism, changed, values, chances)[1 + seat] > now[1 + seat] + 1e-9:
                return False
    return True


def best_without_messages(values, chances, prices):
    """The least loss: one plan for all."""
    silent = [(0,) * len(values[0]), (0,) * len(values[1])]
    return max(expected({(0, 0): plan}, silent, values, chances)[0] for plan in plans(prices))


def efficient_mechanism(values, chances, prices, messages):
    """A mechanism without any loss, and how followers speak in an equilibrium of it; None where there is none."""
    ways = [list(itertools.product(range(messages), repeat=len(one))) for one in values]
    for speaking in itertools.product(*ways):
        fitting = []
        profiles = list(itertools.product(range(messages), repeat=2))
        for said in profiles:
            meant = [
                (values[0][k], values[1][j])
                for k, j in itertools.product(range(len(values[0])), range(len(values[1])))
                if (speaking[0][k], speaking[1][j]) == said and chances[0][k] * chances[1][j] > 0.0
            ]
            fitting.append([plan for plan in plans(prices) if all(outcome(plan, one)[0] == max(one) for one in meant)])
        if not all(fitting):
            continue
        for chosen in itertools.product(*(_different(some, values) for some in fitting)):
            mechanism = dict(zip(profiles, chosen, strict=True))
            if is_stable(mechanism, speaking, values, chances, messages):
                return mechanism, speaking
    return None


def _different(some, values):
    """One plan of those that do the same to everybody."""
    every = list(itertools.product(*values))
    return {tuple(outcome(plan, worth) for worth in every): plan for plan in some}.values()
