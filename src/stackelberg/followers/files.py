"""Followers to plain values and back, by a closed table of names: what `fit` writes and `solve` reads."""

from __future__ import annotations

from typing import Any

from .. import _codec as codec
from .base import AbstractFollower
from .behavioural import SUQR, LinearResponse, Mixture, Trembling
from .best_response import BestResponse
from .level_k import LevelK
from .misspecified import AttributeResponse, DistortedPerception
from .perceived_payoff import PerceivedPayoff
from .quantal_response import QuantalResponse


FOLLOWERS: dict[str, type] = {
    "best-response": BestResponse,
    "quantal-response": QuantalResponse,
    "suqr": SUQR,
    "linear-response": LinearResponse,
    "perceived-payoff": PerceivedPayoff,
    "level-k": LevelK,
    "mixture": Mixture,
    "trembling": Trembling,
    "attribute-response": AttributeResponse,
    "distorted-perception": DistortedPerception,
}
"""The kinds of followers that files can hold, by the name that stands in them."""


def follower_to_json(follower: AbstractFollower) -> dict[str, Any]:
    """`follower` as `{"kind": ..., field: ...}`; `InputError` for one that cannot be written, such as a function."""
    return codec.encode(follower, FOLLOWERS)


def follower_from_json(data: Any) -> AbstractFollower:
    """The follower that a JSON object describes; `InputError` names the key that is wrong, missing or unknown."""
    return codec.decode(data, FOLLOWERS, "follower")
