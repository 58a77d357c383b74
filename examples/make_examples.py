"""Writes the files of this folder: games, and logs of choices. The logs of patrol and tariff are generated."""

from pathlib import Path

import numpy as np

import stackelberg as sg
from stackelberg.games.domains.patrol import POACHER_WEIGHTS


HERE = Path(__file__).parent


def textbook(folder: Path) -> None:
    """The commitment game, as Gambit and as JSON."""
    game = sg.catalog_game("conitzer-sandholm")
    sg.write_game(game, folder / "conitzer-sandholm.nfg")
    sg.write_game(game, folder / "conitzer-sandholm.json")


def matching_pennies(folder: Path) -> None:
    """Ochs's game, and what 128 plays by people came to, as published."""
    game, choices = sg.ochs_matching_pennies()
    sg.write_game(game, folder / "ochs.nfg")
    sg.write_choices(choices, folder / "ochs-choices.csv", game)


def patrol(folder: Path) -> None:
    """A park of 25 cells, and 900 generated attacks under 6 ways to spread the rangers."""
    park = sg.patrol_park()
    rng = np.random.default_rng(1)
    spread = rng.dirichlet(np.ones(25), size=6) * float(park.resources)
    coverages = np.round(np.minimum(spread, 0.9), 3)
    attacks = sg.sample_choices(park, sg.SUQR(POACHER_WEIGHTS), coverages, 150, seed=2)
    sg.write_game(park, folder / "patrol.json")
    sg.write_choices(attacks, folder / "patrol-attacks.csv", park)


def tariff(folder: Path) -> None:
    """A day of six periods, and 4,000 generated choices of households under 8 tariffs."""
    day = sg.day_tariff()
    prices = np.round(np.random.default_rng(3).uniform(15.0, 45.0, size=(8, 6)), 1)
    choices = sg.sample_choices(day, sg.QuantalResponse(1.0), prices, 500, seed=4)
    sg.write_game(day, folder / "tariff.json")
    sg.write_choices(choices, folder / "tariff-choices.csv", day)


def main(folder: Path = HERE) -> None:
    for write in (textbook, matching_pennies, patrol, tariff):
        write(folder)


if __name__ == "__main__":
    main()
