"""Means, slopes and pairs with their intervals: what claims about many runs are decided by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from ..._record import Estimate, Record


def mean(
    values: Float[np.ndarray, "n"], what: str, within: tuple[float, float] = (float("-inf"), float("inf"))
) -> Estimate:
    """The mean with its 95 % Student interval, as far as that lies `within` what a mean can be."""
    middle, error = float(np.mean(values)), float(stats.sem(values))
    if error == 0.0:
        return Estimate(middle, middle, middle, f"mean of {len(values)} {what}, all equal")
    low, high = stats.t.interval(0.95, len(values) - 1, middle, error)
    low, high = max(float(low), within[0]), min(float(high), within[1])
    return Estimate(middle, low, high, f"mean of {len(values)} {what}, 95% Student interval")


def share(holding: int, total: int, what: str) -> Estimate:
    """How many of them, with the 95 % Wilson interval."""
    ends = stats.binomtest(int(holding), int(total)).proportion_ci(0.95, method="wilson")
    return Estimate(holding / total, float(ends.low), float(ends.high), f"Wilson, {total} {what}")


def exponent(across: Float[np.ndarray, "k"], values: Float[np.ndarray, "k n"], what: str) -> Estimate:
    """The log-log slope of the mean over the second axis, with a 95 % bootstrap interval over that axis."""
    size = values.shape[1]
    fit = lambda chosen: np.polyfit(np.log(across), np.log(np.maximum(values[:, chosen].mean(axis=1), 1e-300)), 1)[0]
    generator = np.random.Generator(np.random.Philox(0))
    drawn = [fit(generator.integers(0, size, size)) for _ in range(500)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(fit(np.arange(size))), float(low), float(high), f"95% bootstrap over {size} {what}")


def curves(across: Float[np.ndarray, "k"], values: dict[str, Float[np.ndarray, "k n"]], **attributes: object) -> Record:
    """Means with 95 % intervals of several curves over the same points, as a picture of a power law."""
    middle = np.stack([one.mean(axis=1) for one in values.values()], axis=-1)
    error = np.stack([1.96 * stats.sem(one, axis=1) for one in values.values()], axis=-1)
    low = np.maximum(middle - error, 0.05 * np.abs(middle))
    columns = {"across": across, "middle": middle, "low": low, "high": middle + error}
    return Record("power law", columns, {"names": list(values), **attributes})


def plain_curves(
    across: Float[np.ndarray, "k"], values: dict[str, Float[np.ndarray, "k n"]], **attributes: object
) -> Record:
    """Means with 95 % intervals over the second axis, on plain axes."""
    middle = np.stack([one.mean(axis=1) for one in values.values()], axis=-1)
    error = np.stack([1.96 * one.std(axis=1, ddof=1) / np.sqrt(one.shape[1]) for one in values.values()], axis=-1)
    columns = {"across": across, "middle": middle, "low": middle - error, "high": middle + error}
    return Record("curves", columns, {"names": list(values), **attributes})


def exact_curves(
    across: Float[np.ndarray, "k"],
    values: dict[str, Float[np.ndarray, "k"]],
    kind: str = "curves",
    **attributes: object,
) -> Record:
    """Curves without chance, on plain axes, or on logarithmic ones with the kind "power law"."""
    middle = np.stack(list(values.values()), axis=-1)
    columns = {"across": across, "middle": middle, "low": middle, "high": middle}
    return Record(kind, columns, {"names": list(values), "interval": "exact", **attributes})


def grouped_bars(each: Sequence[Sequence[Estimate]], **attributes: object) -> Record:
    """Bars with their intervals, a row of estimates for each of the attribute `names`, a column for each of `terms`."""
    columns = {
        column: np.array([[float(getattr(one, end)) for one in row] for row in each])
        for column, end in (("middle", "value"), ("low", "low"), ("high", "high"))
    }
    return Record("grouped bars", columns, attributes)


def late_slope(total: Float[np.ndarray, "t n"], what: str) -> Estimate:
    """The log-log slope of cumulative regret over the last three quarters of the episodes."""
    late = np.unique(np.geomspace(len(total) // 4, len(total), 12).astype(int))
    return exponent(late.astype(float), total[late - 1], what)


def spaced(num_episodes: int) -> Int[np.ndarray, "k"]:
    """Numbers of episodes, evenly spaced on a logarithmic axis, at which a run is drawn."""
    return np.unique(np.geomspace(max(num_episodes // 100, 1), num_episodes, 40).astype(int))


def regret_curves(
    total: dict[str, Float[np.ndarray, "t n"]], title: str, guides: tuple[float, ...] = (0.5, 1.0)
) -> Record:
    """Cumulative regret of several leaders against episodes, as a picture of a power law."""
    across = spaced(len(next(iter(total.values()))))
    return curves(
        across.astype(float),
        {name: one[across - 1] for name, one in total.items()},
        guides=guides,
        x_label="episodes",
        y_label="leader's cumulative regret (payoff)",
        title=title,
    )


def kept(folder: Path, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What was played before, or is played now and kept as plain arrays."""
    place = folder / f"{name.replace(' ', '-').replace(',', '').replace(chr(39), '')}.npz"
    if place.exists():
        with np.load(place, allow_pickle=False) as found:
            return {key: found[key] for key in found}
    made = make()
    with place.open("wb") as file:
        np.savez_compressed(file, **made)  # type: ignore[arg-type]
    return made
