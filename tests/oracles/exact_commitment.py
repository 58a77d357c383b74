"""What a commitment in float64 is worth exactly, in rational arithmetic, in the game as stored."""

from fractions import Fraction


def exact_value(payoff, commitment, action):
    """The expected payoff of `action`; the commitment is renormalised exactly."""
    weights = [Fraction(float(weight)) for weight in commitment]
    total = sum(weights)
    return sum(weight * Fraction(float(row[action])) for weight, row in zip(weights, payoff, strict=True)) / total


def exact_regret(payoff, commitment, action):
    """What the follower loses by `action` against its best one."""
    values = [exact_value(payoff, commitment, b) for b in range(len(payoff[0]))]
    return max(values) - values[action]


def exact_range(payoff):
    entries = [Fraction(float(entry)) for row in payoff for entry in row]
    return max(entries) - min(entries)
