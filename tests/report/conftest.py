"""One browser for the tests that need one; pages written once."""

import pytest

import stackelberg as sg

from .browser import Browser
from .samples import run


CITATION = "@software{stackelberg,\n  title = {stackelberg},\n  year = {2026}\n}"


def claim(statement, source, expected, measured=None, low=None, high=None, holds=None, **more):
    """A claim as it is stored."""
    found = {"statement": statement, "source": source, "expected": expected, "measured": measured, "holds": holds}
    return found | {"low": low, "high": high} | more


CLAIMS = (
    claim("The learner comes close.", "Theorem 3", 3.1, 3.1, 3.09, 3.11, True, relation="at least", tolerance=0.01),
    claim("The follower's regret falls as 1/t.", "Table 2", "slope -1", -0.7, -0.8, -0.6, False),
    claim("It scales.", "Section 5", "yes"),
)


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Pages by name, as files: a sweep, a run of one seed, a sweep with missing seeds, one of forty settings."""
    folder = tmp_path_factory.mktemp("pages")
    picture = folder / "picture"
    sg.plot(run(), picture, "comparison")
    pictures = {"Final values": (folder / "picture.svg").read_bytes(), "Again": (folder / "picture.png").read_bytes()}
    records = {
        "sweep": run(),
        "single": run(1, 1),
        "missing": run(missing=True),
        "forty": run(40, 3, metrics=("suboptimality",)),
        "four": run(2, 5, metrics=("leader_value", "suboptimality", "follower_regret", "seconds")),
    }
    return {
        name: sg.write_report(
            record, folder / name, claims=CLAIMS, citation=CITATION, pictures=pictures if name == "sweep" else None
        )
        for name, record in records.items()
    }


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened
