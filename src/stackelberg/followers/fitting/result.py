"""What a fit hands back: estimates with their intervals, and what a reader must know before using them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ... import _codec as codec
from ..._errors import InputError
from ..._record import plain
from ..base import AbstractFollower
from .models import AbstractResponseModel, QuantalEquilibriumModel, QuantalModel
from .shares import LevelKModel, TremblingModel, UniformModel
from .weights import PayoffModel, SUQRModel, WeightsModel


SCHEMA = "stackelberg-fit/1"

MODELS: dict[str, type[AbstractResponseModel]] = {
    "quantal": QuantalModel,
    "suqr": SUQRModel,
    "weights": WeightsModel,
    "payoffs": PayoffModel,
    "qre": QuantalEquilibriumModel,
    "level-k": LevelKModel,
    "trembling": TremblingModel,
    "uniform": UniformModel,
}
"""The models by the names that files and the command line use."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A model of the follower fitted to observed choices.

    - `parameters`: names.  `estimate`: `(d,)`, always finite.  `standard_error`: `(d,)`, infinite where unknown.
    - `interval`: `(d, 2)`, profile likelihood at confidence `level`; a side may be infinite.
    - `covariance`: `(d, d)`, inverse Fisher information.
    - `log_likelihood`: at `estimate`, over `num_plays` choices.
    - `held_out_log_likelihood`: of plays that the estimate had not seen, summed over `folds` folds (NaN without folds).
    - `identified_dimension`: how many combinations of the parameters the data determine.
    - `unidentified`: unit directions along which the parameters move without changing any probability, `(f, d)`.
    - `flags`: "separated" (the likelihood has no finite maximum: the estimate is regularised and its interval
      one-sided), "one_class" (only one action was ever chosen), "rank_deficient", "boundary" (the estimate lies at the
      end of its range), "against_payoffs" (the inverse temperature is 0, and turning every payoff's sign would make
      the log significantly likelier, by a likelihood-ratio test at `level`).
    - `notes`: the same for people, each a sentence.
    """

    model: AbstractResponseModel
    parameters: tuple[str, ...]
    estimate: Float[np.ndarray, "d"]
    standard_error: Float[np.ndarray, "d"]
    interval: Float[np.ndarray, "d 2"]
    covariance: Float[np.ndarray, "d d"]
    level: float
    log_likelihood: float
    held_out_log_likelihood: float
    folds: int
    num_plays: float
    identified_dimension: int
    unidentified: Float[np.ndarray, "f d"]
    flags: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def follower(self) -> AbstractFollower:
        """The follower with the estimated parameters, ready to be planned against."""
        return self.model.follower(self.estimate)

    @property
    def kind(self) -> str:
        """The model's name in files and at the command line."""
        return codec.kind_of(self.model, MODELS)

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 k - 2 log-likelihood, k the identified dimension; the smaller the better."""
        return 2.0 * self.identified_dimension - 2.0 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k log n - 2 log-likelihood, n the number of plays; the smaller the better."""
        return self.identified_dimension * math.log(self.num_plays) - 2.0 * self.log_likelihood

    def __repr__(self) -> str:
        lines = [f"{self.kind}: log-likelihood {self.log_likelihood:.6g} over {self.num_plays:g} plays"]
        for name, value, (low, high) in zip(self.parameters, self.estimate, self.interval, strict=True):
            lines.append(f"  {name} = {value:.6g} [{low:.6g}, {high:.6g}] ({100 * self.level:g}% profile likelihood)")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def to_json(self) -> dict[str, Any]:
        """Plain data; `Fit.from_json` reads it back."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "model"}
        data = {"schema": SCHEMA, "model": codec.encode(self.model, MODELS), **fields}
        return plain(data | {"aic": self.aic, "bic": self.bic})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fit:
        """The fit that `to_json` wrote; `InputError` names a key that is missing or not of its kind."""
        _check_keys(data, [*cls.__dataclass_fields__, "schema"])
        d = len(data["parameters"])
        shapes = {"estimate": (d,), "standard_error": (d,), "interval": (d, 2), "covariance": (d, d)}
        arrays: dict[str, Any] = {name: _numbers(name, data[name], shape) for name, shape in shapes.items()}
        numbers: dict[str, Any] = {
            name: float(_numbers(name, data[name], ()))
            for name in ("level", "log_likelihood", "held_out_log_likelihood", "num_plays")
        }
        return cls(
            model=codec.decode(data["model"], MODELS, "model"),
            parameters=tuple(map(str, data["parameters"])),
            unidentified=_numbers("unidentified", data["unidentified"], (len(data["unidentified"]), d)),
            folds=int(data["folds"]),
            identified_dimension=int(data["identified_dimension"]),
            flags=tuple(map(str, data["flags"])),
            notes=tuple(map(str, data["notes"])),
            **arrays,
            **numbers,
        )


def _check_keys(data: Mapping[str, Any], names: list[str]) -> None:
    missing = [name for name in names if name not in data]
    if missing or data["schema"] != SCHEMA:
        raise InputError(
            codec.MISSING_KEY,
            f"fit.{(missing or ['schema'])[0]}",
            found="it is missing" if missing else f"it is {data['schema']!r}",
            allowed=f"a fit has the keys {', '.join(names)}, with schema {SCHEMA!r}",
            remedy="Read a file that `stackelberg fit` or `Fit.to_json` wrote.",
        )


def _numbers(field: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An array of this shape; infinities and NaN stand as words."""
    try:
        array = np.array(value, dtype=object).astype(np.float64).reshape(shape)  # float("inf") reads the words
    except (TypeError, ValueError) as problem:
        raise InputError(
            codec.NOT_AN_OBJECT,
            f"fit.{field}",
            found="it is not an array of numbers of the right size",
            allowed=f"its shape must be {shape}",
            remedy="Read a file that `stackelberg fit` or `Fit.to_json` wrote.",
        ) from problem
    return array
