"""Conditional logit by other people's code: SciPy's quasi-Newton on play-by-play data, and statsmodels."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp


def log_likelihood(theta, features, context, action):
    """Play by play, without collapsing: Σ x(c, b)·θ - log Σ exp."""
    logits = features @ np.atleast_1d(theta)
    return float(np.sum(logits[context, action] - logsumexp(logits, axis=1)[context]))


def by_bfgs(features, context, action):
    """The maximum likelihood estimate by SciPy's BFGS with its own numerical gradient, polished by Nelder-Mead."""
    d = features.shape[-1]

    def loss(theta):
        return -log_likelihood(theta, features, context, action)

    rough = minimize(loss, np.zeros(d), method="BFGS").x
    fine = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000}
    return minimize(loss, rough, method="Nelder-Mead", options=fine).x


def by_statsmodels(features, context, action):
    """The same by statsmodels' conditional logit: one group a play, one row an action."""
    from statsmodels.discrete.conditional_models import ConditionalLogit

    actions = features.shape[1]
    rows = features[context].reshape(-1, features.shape[-1])
    chosen = (np.arange(actions)[None, :] == action[:, None]).astype(float).ravel()
    groups = np.repeat(np.arange(len(action)), actions)
    found = ConditionalLogit(chosen, rows, groups=groups).fit(disp=0, method="newton", maxiter=200)
    return found.params, found.bse
