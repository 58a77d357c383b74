"""What is handed back: numbers that act as numbers, and JSON that any reader can take."""

import json
import math

import numpy as np
import pytest

from stackelberg import Certificate, Estimate, Record
from stackelberg._record import dumps, plain


def test_an_estimate_acts_as_its_value():
    estimate = Estimate(2.0, 1.5, 2.5, "95% interval")
    assert float(estimate) == 2.0
    assert estimate + 1 == 3.0
    assert 1 - estimate == -1.0
    assert estimate > 1.9
    assert np.sqrt(Estimate.exact(4.0)) == 2.0
    assert f"{estimate:.1f}" == "2.0"
    assert math.isclose(estimate * estimate, 4.0)


def test_the_gap_is_never_negative_and_may_be_infinite():
    assert Certificate(1.0, 1.0 - 1e-17, 0.0, "optimal", "test").gap == 0.0
    assert Certificate(1.0, math.inf, 0.0, "bounded", "test").gap == math.inf


def test_json_has_no_words_that_json_does_not_know():
    text = dumps({"a": np.float64("nan"), "b": math.inf, "c": np.arange(2), "d": Estimate.exact(1.0)})
    data = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert data["a"] == "nan"
    assert data["b"] == "inf"
    assert data["c"] == [0, 1]


def test_a_record_survives_its_json():
    record = Record("rationality", {"x": np.linspace(0, 1, 3)}, {"title": "t"})
    again = Record.from_json(json.loads(dumps(record)))
    assert again.kind == record.kind
    assert np.array_equal(again["x"], record["x"])


def test_an_object_without_a_plain_form_is_refused():
    with pytest.raises(TypeError, match="cannot be written"):
        plain(object())
