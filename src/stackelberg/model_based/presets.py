"""Who leads, as settings of one loop: `policy_as_leader`, `model_as_leader`, and two ways of moving at once."""

from __future__ import annotations

from typing import Any

from .imagined_play import ImaginedPlay


def policy_as_leader(environment: Any, **settings: Any) -> ImaginedPlay:
    """PAL: the model is fitted to what was met lately, the policy takes few careful steps in it."""
    return ImaginedPlay(environment, **{"window": 4_000, "policy_steps": 25, **settings})


def model_as_leader(environment: Any, **settings: Any) -> ImaginedPlay:
    """MAL: the model keeps all data and moves slowly, the policy is improved nearly to its best in it."""
    return ImaginedPlay(environment, **{"window": 0, "policy_steps": 60, **settings})


def simultaneous(environment: Any, **settings: Any) -> ImaginedPlay:
    """Both players take one small step against each other's last one."""
    return ImaginedPlay(environment, **{"window": 1_000, "policy_steps": 1, "fit_steps": 20, **settings})


def best_response_play(environment: Any, **settings: Any) -> ImaginedPlay:
    """Both players answer each other's last move nearly to the best, on what was met last."""
    return ImaginedPlay(environment, **{"window": 1_000, "policy_steps": 60, "fit_steps": 800, **settings})
