"""Reward maximum likelihood: Newton on collapsed counts against SciPy's L-BFGS on plays, same data, same optimum.

d = 20 weights, B = 10 actions, float64 on both sides. Two kinds of logs: 500 distinct contexts (a leader announces one
of finitely many commitments, so that plays collapse to counts, which is part of the time) and a new context in every
play, where nothing collapses.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from stackelberg.followers.fitting.logit import LogitLikelihood

from .measure import Row, compare


WEIGHTS, ACTIONS, CONTEXTS = 20, 10, 500


def draw(contexts: int, plays: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features `(c, b, d)`, and the context and action of every play."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(contexts, ACTIONS, WEIGHTS)) / np.sqrt(WEIGHTS)
    logits = features @ rng.normal(size=WEIGHTS)
    context = np.arange(plays) if contexts == plays else rng.integers(0, contexts, plays)
    noise = rng.gumbel(size=(plays, ACTIONS))
    return features, context, np.argmax(logits[context] + noise, axis=1)


def collapse(contexts: int, context: np.ndarray, action: np.ndarray) -> np.ndarray:
    """How often each action was chosen in each context."""
    return np.bincount(context * ACTIONS + action, minlength=contexts * ACTIONS).astype(float)


def by_newton(features: np.ndarray, context: np.ndarray, action: np.ndarray) -> np.ndarray:
    """This package, collapsing included; no intervals."""
    counts = collapse(len(features), context, action)
    names = tuple(f"weight {number}" for number in range(WEIGHTS))
    return LogitLikelihood(features, names).estimate(counts[None], None).parameters[0]


def by_lbfgs(features: np.ndarray, context: np.ndarray, action: np.ndarray) -> np.ndarray:
    """SciPy's L-BFGS with the exact gradient, summed over plays in chunks of 100,000."""
    chunks = [slice(start, start + 100_000) for start in range(0, len(context), 100_000)]

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = 0.0, np.zeros(WEIGHTS)
        for chunk in chunks:
            seen = features[context[chunk]]
            logits = seen @ theta
            total = logsumexp(logits, axis=1)
            chosen = action[chunk]
            rows = np.arange(len(chosen))
            residual = np.exp(logits - total[:, None])
            residual[rows, chosen] -= 1.0
            value -= float(np.sum(logits[rows, chosen] - total))
            gradient += residual.ravel() @ seen.reshape(-1, WEIGHTS)
        return value / len(context), gradient / len(context)

    options = {"maxiter": 500, "gtol": 1e-8, "ftol": 1e-15}
    return minimize(loss, np.zeros(WEIGHTS), jac=True, method="L-BFGS-B", options=options).x


def rows() -> list[Row]:
    """Three logs: collapsing ten thousand plays, a million, and one in which nothing collapses."""
    result = []
    for plays, contexts in ((10_000, CONTEXTS), (1_000_000, CONTEXTS), (10_000, 10_000)):
        data = draw(contexts, plays, seed=0)
        apart = float(np.abs(by_newton(*data) - by_lbfgs(*data)).max()) if plays < 100_000 else None
        work = f"multinomial logit, {WEIGHTS} weights, {plays:,} plays, {contexts:,} contexts"
        note = "" if apart is None else f"optima differ by {apart:.0e}"
        repeats = 5 if plays < 100_000 else 1
        newton, lbfgs = partial(by_newton, *data), partial(by_lbfgs, *data)
        result.append(compare("fit", work, newton, peer=lbfgs, peer_name="SciPy L-BFGS", repeats=repeats, note=note))
    return result
