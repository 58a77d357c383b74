"""What a policy would earn, told from a log that another one left: estimates with intervals.

Values are discounted sums of an episode, as far as the log goes. `chance` is the probability (or density) with which
the policy would have taken each row's action; its quotient by the log's propensity is that row's ratio.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy import stats

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Estimate
from ..calculus.simplex import logarithm_on_host, weight_on_host
from ..games.dataset import Dataset


Weighting: TypeAlias = Literal["plain", "weighted", "per-decision", "weighted-per-decision"]

WEIGHTINGS: tuple[Weighting, ...] = ("plain", "weighted", "per-decision", "weighted-per-decision")

NUM_DRAWS = 1_000


def importance_sampling(
    data: Dataset,
    chance: Any,
    discount: Any,
    *,
    weighting: Weighting = "weighted-per-decision",
    level: Any = 0.95,
    seed: Any = 0,
) -> Estimate:
    """The value of a policy by weighting what the log earned (Precup, Sutton and Singh, 2000).

    - `chance`: `(n,)`, of the policy for each row's action.
    - `weighting`: "plain" multiplies an episode's return by the product of its ratios: unbiased, and of a variance that
      grows with the length. "per-decision" multiplies each reward by the ratios up to it. "weighted" divides by the
      sum of weights in place of their number, for each step where per decision: biased, of far less variance.
    - `level`: of the interval; Student's for plain averages, a bootstrap over episodes (percentiles of 1,000 draws)
      where weights are shared.

    Raises `InputError` where the log has no propensities or no episodes.
    """
    kind = boundary.one_of("weighting", weighting, WEIGHTINGS)
    products, paid, alive = _episodes(data, chance, discount)
    if kind in ("plain", "per-decision"):
        last = _last(products, alive)
        each = last * paid.sum(axis=-1) if kind == "plain" else (products * paid).sum(axis=-1)
        return _student(each, level, f"{kind} importance sampling, {len(paid)} episodes")
    if kind == "weighted":
        last = _last(products, alive)
        each = np.stack([last * paid.sum(axis=-1), last], axis=-1)[:, :, None]
    else:
        # An episode that is over pays nothing more with the weight that it ended with.
        each = np.stack([products * paid, products], axis=1)
    ratio = lambda sums: np.sum(sums[..., 0, :] / np.maximum(sums[..., 1, :], 1e-300), axis=-1)
    return _bootstrap(each, ratio, level, seed, f"{kind} importance sampling, {len(paid)} episodes")


def doubly_robust(
    data: Dataset,
    chance: Any,
    discount: Any,
    value: Any,
    action_value: Any,
    *,
    level: Any = 0.95,
) -> Estimate:
    """A critic's value, corrected by what the log says that it got wrong (Jiang and Li, 2016).

    - `value`, `action_value`: `(n,)`, the critic's value of each row's observation under the policy, and of its action.

    Unbiased where propensities are right, whatever the critic; the better the critic, the narrower.
    """
    rows = len(data)
    states = boundary.real_array("value", value, axes=(rows,))
    actions = boundary.real_array("action_value", action_value, axes=(rows,))
    products, paid, alive = _episodes(data, chance, discount)
    fold = lambda each: _folded(data, each)
    decay = float(discount) ** np.arange(products.shape[1])
    before = np.concatenate([np.ones((len(paid), 1)), products[:, :-1]], axis=-1)
    each = np.sum(products * paid + alive * decay * (before * fold(states) - products * fold(actions)), axis=-1)
    return _student(each, level, f"doubly robust, {len(paid)} episodes")


def marginalised(data: Dataset, chance: Any, discount: Any, *, level: Any = 0.95, seed: Any = 0) -> Estimate:
    """The value of a policy by the ratio of how often states are met at each step (Xie, Ma and Wang, 2019).

    For states that can be counted: the law of the state is carried forward by the log's own weighted transitions, so
    that weights do not multiply up along an episode. The interval is a bootstrap over episodes.
    """
    if not data.num_states:
        raise InputError(
            boundary.TYPE,
            "data.num_states",
            found="states of the log cannot be counted",
            allowed="numbers of states are needed",
            remedy="Use importance_sampling, or number the states.",
        )
    ratio, steps = _ratios(data, chance), np.asarray(data.steps)
    episode = np.cumsum(data.is_first) - 1
    generator = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed, low=0)))
    one = lambda weights: _carried(data, ratio, steps, weights[episode], float(discount))
    middle = one(np.ones(data.num_episodes))
    draws = [
        one(np.bincount(generator.integers(data.num_episodes, size=data.num_episodes), minlength=data.num_episodes))
        for _ in range(200)
    ]
    return _percentiles(middle, np.asarray(draws), level, f"marginalised, {data.num_episodes} episodes")


def effective_size(data: Dataset, chance: Any) -> float:
    """How many episodes of its own the weighted log is worth: (Σ weight)² / Σ weight²."""
    products, _, alive = _episodes(data, chance, 1.0)
    last = _last(products, alive)
    return float(last.sum() ** 2 / max(np.sum(last**2), 1e-300))


def _carried(data: Dataset, ratio: np.ndarray, steps: np.ndarray, weights: np.ndarray, discount: float) -> float:
    first = (steps == 0) * weights
    law = np.bincount(data.state, first, data.num_states) / max(first.sum(), 1e-300)
    total = 0.0
    for step in range(int(steps.max()) + 1):
        now = (steps == step) * weights
        met = np.bincount(data.state, now, data.num_states)
        share = law[data.state] / np.maximum(met[data.state], 1e-300) * now * ratio
        total += discount**step * float(share @ data.reward)
        law = np.bincount(data.next_state, share * ~data.terminal, data.num_states)
    return total


def _ratios(data: Dataset, chance: Any) -> Float[np.ndarray, "n"]:
    if data.propensity is None or data.is_independent:
        what = "propensities" if data.propensity is None else "episodes"
        raise InputError(
            boundary.EMPTY,
            "data.propensity" if data.propensity is None else "data.is_independent",
            found=f"the log has no {what}",
            allowed="weighting needs the probability with which each action was taken, in whole episodes",
            remedy="Log them; estimate them by cloned(data); or use a critic (fitted_values).",
        )
    found = boundary.real_array("chance", chance, axes=(len(data),), low=0.0)
    return found / np.asarray(data.propensity)


def _episodes(
    data: Dataset, chance: Any, discount: Any
) -> tuple[Float[np.ndarray, "k t"], Float[np.ndarray, "k t"], Float[np.ndarray, "k t"]]:
    """Products of ratios up to each step, discounted rewards, and 1 where there is a step."""
    rate = boundary.real_number("discount", discount, low=0.0, high=1.0)
    logs = _folded(data, logarithm_on_host(_ratios(data, chance)))
    paid = _folded(data, np.asarray(data.reward) * rate ** np.asarray(data.steps))
    alive = _folded(data, np.ones(len(data)))
    return weight_on_host(np.cumsum(logs, axis=-1)), paid, alive


def _last(products: np.ndarray, alive: np.ndarray) -> Float[np.ndarray, "k"]:
    """The product of all ratios of each episode."""
    return products[np.arange(len(products)), alive.sum(axis=-1).astype(int) - 1]


def _folded(data: Dataset, each: np.ndarray) -> Float[np.ndarray, "k t"]:
    """One row for each episode, 0 after its end."""
    steps = np.asarray(data.steps)
    made = np.zeros((data.num_episodes, int(steps.max()) + 1))
    made[np.cumsum(data.is_first) - 1, steps] = each
    return made


def _student(each: np.ndarray, level: Any, method: str) -> Estimate:
    middle, size = float(np.mean(each)), len(each)
    if size < 2:
        return Estimate(middle, -np.inf, np.inf, method)
    reach = float(stats.t.ppf(0.5 + 0.5 * level, size - 1) * stats.sem(each))
    return Estimate(middle, middle - reach, middle + reach, method)


def _bootstrap(each: np.ndarray, of_sums: Any, level: Any, seed: Any, method: str) -> Estimate:
    generator = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed, low=0)))
    counts = generator.multinomial(len(each), np.full(len(each), 1.0 / len(each)), size=NUM_DRAWS).astype(float)
    draws = of_sums(np.einsum("be,ekt->bkt", counts, each))
    return _percentiles(float(of_sums(each.sum(axis=0))), draws, level, method)


def _percentiles(middle: float, draws: np.ndarray, level: Any, method: str) -> Estimate:
    low, high = np.quantile(draws, [0.5 - 0.5 * level, 0.5 + 0.5 * level])
    return Estimate(middle, min(float(low), middle), max(float(high), middle), method)
