"""What can be reproduced, by paper and experiment: each entry ends in a table of claims."""

from __future__ import annotations

from ... import _boundary as boundary
from .base import Evidence as Evidence, Reproduction as Reproduction
from .batch_control import ENTRIES as control_batch
from .batch_coverage import ENTRIES as coverage
from .batch_exact import ENTRIES as exact_batch
from .batch_glucose import ENTRIES as glucose
from .batch_kernels import ENTRIES as kernels_batch
from .batch_memory import ENTRIES as memory_batch
from .batch_regret import ENTRIES as batch_regret
from .batch_scale import ENTRIES as scale_batch
from .batch_search import ENTRIES as search_batch
from .batch_solvers import ENTRIES as solvers_batch
from .batch_tables import ENTRIES as batch_tables
from .foundations import COMMITMENT, ESTIMATION
from .mbrl_continuous import ENTRIES as continuous
from .mbrl_pomdp import ENTRIES as pomdp
from .mbrl_tables import ENTRIES as tables
from .oracles_allocation import ENTRIES as allocation
from .oracles_conditions import ENTRIES as conditions
from .oracles_instances import ENTRIES as instances
from .oracles_matrix_games import ENTRIES as matrix_games
from .oracles_mechanisms import ENTRIES as mechanisms
from .oracles_mixed import ENTRIES as mixed
from .oracles_patrol import ENTRIES as patrol
from .oracles_recurrent import ENTRIES as recurrent
from .oracles_shepherd import ENTRIES as shepherd
from .poster_bounds import ENTRIES as bounds
from .poster_repairs import ENTRIES as repairs
from .poster_table import ENTRIES as table
from .poster_traps import ENTRIES as traps
from .quantal_ahead import ENTRIES as ahead
from .quantal_classes import ENTRIES as classes
from .quantal_farsighted import ENTRIES as farsighted
from .quantal_identities import ENTRIES as identities
from .quantal_likelihood import ENTRIES as likelihood
from .quantal_misspecified import ENTRIES as misspecified
from .quantal_pessimism import ENTRIES as pessimism
from .quantal_planning import ENTRIES as planning
from .quantal_race import ENTRIES as race
from .quantal_regret import ENTRIES as regret
from .quantal_scaling import ENTRIES as scaling


QUANTAL = (identities, planning, likelihood, regret, pessimism, misspecified, farsighted, ahead, race, scaling, classes)

ORACLES = (matrix_games, instances, conditions, mixed, allocation, mechanisms, shepherd, patrol, recurrent)

MODEL_BASED = (table, traps, repairs, bounds, tables, continuous, pomdp)

BATCH = (
    exact_batch, solvers_batch, batch_tables, coverage, batch_regret, control_batch, glucose, memory_batch,
    kernels_batch, scale_batch, search_batch,
)  # fmt: skip

_EVERY = (
    COMMITMENT,
    ESTIMATION,
    *(entry for entries in (*QUANTAL, *ORACLES, *MODEL_BASED, *BATCH) for entry in entries),
)

REPRODUCTIONS: dict[str, Reproduction] = {entry.name: entry for entry in _EVERY}
"""By `paper:experiment`, in the order of the docs."""


def chosen(word: str) -> list[Reproduction]:
    """The entry called `paper:experiment`, or all of a `paper`; `InputError` suggests the nearest name."""
    papers = list(dict.fromkeys(name.split(":")[0] for name in REPRODUCTIONS))
    if word in papers:
        return [entry for name, entry in REPRODUCTIONS.items() if name.split(":")[0] == word]
    return [REPRODUCTIONS[boundary.one_of("PAPER[:EXPERIMENT]", word, [*REPRODUCTIONS, *papers])]]
