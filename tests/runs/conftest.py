"""The small learner of these tests has a name in files while they run."""

import pytest

from . import faults


@pytest.fixture(scope="package", autouse=True)
def known_learner():
    faults.register()
    yield
    faults.unregister()
