"""Strong and weak Stackelberg values in rational arithmetic, by enumerating vertices; for small games only.

The commitments under which the follower's action b is a best response form a polytope; its vertices are the points
where as many of its inequalities hold with equality as there are dimensions. Everything is a `Fraction`.
"""

from fractions import Fraction
from itertools import combinations


def strong_value(leader_payoff, follower_payoff):
    """The leader's value of the strong equilibrium, and the follower's best one among those commitments."""
    leader, follower = _fractions(leader_payoff), _fractions(follower_payoff)
    pairs = [
        (_dot(vertex, _column(leader, b)), _dot(vertex, _column(follower, b)))
        for b in range(len(leader[0]))
        for vertex in _vertices(follower, b)
    ]
    return max(pairs)


def weak_value(leader_payoff, follower_payoff):
    """The supremum of the leader's value when ties are broken against it.

    Every commitment has, arbitrarily near, one under which the best responses are the copies of one action; so it is
    enough to look at regions with an interior, where the leader gets the least over the copies.
    """
    leader, follower = _fractions(leader_payoff), _fractions(follower_payoff)
    values = []
    for b in range(len(leader[0])):
        copies = [c for c in range(len(leader[0])) if _column(follower, c) == _column(follower, b)]
        vertices = _vertices(follower, b)
        if _has_interior(vertices, follower, b, copies):
            values.append(_max_min(vertices, leader, follower, b, copies))
    return max(values)


def _has_interior(vertices, follower, b, copies):
    """Whether the mean of the vertices makes b strictly better than everything that is not its copy."""
    if not vertices:
        return False
    mean = [sum(entries) / len(vertices) for entries in zip(*vertices, strict=True)]
    return all(
        _dot(mean, _column(follower, b)) > _dot(mean, _column(follower, c))
        for c in range(len(follower[0]))
        if c not in copies
    )


def _max_min(vertices, leader, follower, b, copies):
    """max over the region of the least of the copies: reached where some copies are equal, so vertices are added."""
    if len(copies) == 1:
        return max(_dot(vertex, _column(leader, b)) for vertex in vertices)
    best = None
    equalities = [
        [x - y for x, y in zip(_column(leader, c), _column(leader, d), strict=True)] for c, d in combinations(copies, 2)
    ]
    for vertex in _vertices(follower, b, equalities):
        value = min(_dot(vertex, _column(leader, c)) for c in copies)
        best = value if best is None else max(best, value)
    return best


def _vertices(follower, b, planes=()):
    """Vertices of the region where b is a best response, cut by `planes` (whose intersections count too)."""
    rows, columns = len(follower), len(follower[0])
    advantage = [
        [x - y for x, y in zip(_column(follower, b), _column(follower, c), strict=True)]
        for c in range(columns)
        if c != b
    ]
    signs = [[Fraction(int(i == j)) for j in range(rows)] for i in range(rows)]
    constraints = advantage + signs
    found = set()
    for active in combinations([*constraints, *planes], rows - 1):
        point = _solve([*active, [Fraction(1)] * rows], [Fraction(0)] * (rows - 1) + [Fraction(1)])
        if point is not None and all(_dot(point, row) >= 0 for row in constraints):
            found.add(tuple(point))
    return sorted(found)


def _solve(matrix, right):
    size = len(matrix)
    table = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for pivot in range(size):
        row = next((r for r in range(pivot, size) if table[r][pivot]), None)
        if row is None:
            return None
        table[pivot], table[row] = table[row], table[pivot]
        scale = table[pivot][pivot]
        table[pivot] = [entry / scale for entry in table[pivot]]
        for other in range(size):
            factor = table[other][pivot]
            if other != pivot and factor:
                table[other] = [x - factor * y for x, y in zip(table[other], table[pivot], strict=True)]
    return [row[-1] for row in table]


def _fractions(payoff):
    return [[Fraction(float(entry)) for entry in row] for row in payoff]


def _column(matrix, b):
    return [row[b] for row in matrix]


def _dot(one, other):
    return sum((x * y for x, y in zip(one, other, strict=True)), Fraction(0))
