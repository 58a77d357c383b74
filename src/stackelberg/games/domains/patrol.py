"""A park in cells: rangers guard few of them, and poachers are drawn by animals, fines and distance."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _boundary as boundary
from ..security import SecurityGame


POACHER_WEIGHTS = (-6.0, 0.45, 0.25, -0.3)
"""Weights on coverage, animals, fine and distance that generated logs use. Signs as found in experiments with the form
of Kar et al. (2015); the sizes are chosen here and describe nobody."""


def patrol_park(num_rows: Any = 5, num_columns: Any = 5, resources: Any = 5, *, seed: Any = 0) -> SecurityGame:
    """A park of cells with generated animals: the leader's rangers guard `resources` cells at a time.

    Animal density (1 to 10) has two centres; the fine of a poacher who is met is 1 to 5 and is higher near the
    station in the first cell; `features` holds each cell's distance from the nearest gate, in cells. A cell that is
    attacked unguarded costs the leader its animals, and a poacher who is met pays the leader nothing.
    """
    rows = boundary.whole_number("num_rows", num_rows, low=1, high=100)
    columns = boundary.whole_number("num_columns", num_columns, low=1, high=100)
    rng = np.random.default_rng(boundary.whole_number("seed", seed))
    cells = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2).astype(float)
    centres = rng.random((2, 2)) * [rows - 1, columns - 1]
    nearness = 1.0 / (1.0 + _distances(cells, centres) ** 2 / 3.0)
    animals = np.clip(np.round(1.0 + 9.0 * nearness.max(axis=1) + rng.normal(0.0, 0.4, len(cells)), 1), 1.0, 10.0)
    from_station = _distances(cells, np.zeros((1, 2)))[:, 0]
    fine = np.round(5.0 - 4.0 * from_station / max(from_station.max(), 1.0), 1)
    gates = np.array([[0.0, columns - 1.0], [rows - 1.0, 0.0]])
    distance = np.round(_distances(cells, gates).min(axis=1), 2)
    return SecurityGame(
        leader_covered=np.zeros(len(cells)),
        leader_uncovered=-animals,
        follower_covered=-fine,
        follower_uncovered=animals,
        resources=resources,
        features=distance[:, None],
        targets=[f"{_letters(int(row))}{int(column) + 1}" for row, column in cells],
        title=f"Park of {rows}×{columns} cells (generated, seed {seed})",
    )


def _distances(cells: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(cells[:, None] - points[None], axis=-1)


def _letters(row: int) -> str:
    return chr(ord("A") + row) if row < 26 else f"{_letters(row // 26 - 1)}{_letters(row % 26)}"
