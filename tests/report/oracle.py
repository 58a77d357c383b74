"""rliable, imported so that it works beside pandas 3."""

from typing import Any
from unittest import mock

import pandas.util._decorators as decorators


def _unchanged(*_: Any, **__: Any) -> Any:
    return lambda function: function


# rliable needs arch < 8, whose volatility models (not used here) call a private decorator of pandas 2 when imported.
with mock.patch.object(decorators, "deprecate_kwarg", _unchanged):
    from rliable import library, metrics


__all__ = ["library", "metrics"]
