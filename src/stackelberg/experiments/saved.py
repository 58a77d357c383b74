"""Save and use: policies, plans, fits, followers, games and experiments in files that say what they are.

A file names its kind and version (`schema`); `load` reads what it names, and nothing else can come out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .. import _boundary as boundary
from .._disk import PathName, as_path, printable, read_text, write_whole
from .._errors import InputError
from .._json import parse_json
from .._learner import AbstractLearner, Run, commitments, start
from .._loop.precision import precise
from .._loop.stacking import Learners
from .._record import Record, dumps
from ..followers.base import AbstractFollower
from ..followers.files import follower_from_json, follower_to_json
from ..followers.fitting.result import SCHEMA as FIT, Fit
from ..games.base import AbstractGame
from ..games.choices import commitment_names
from ..games.files import SCHEMA as GAME, SUFFIXES, game_from_json, read_game, write_game
from ..games.markov import MarkovGame
from ..games.security import SecurityGame
from ..play.policy import SCHEMA as POLICY, Policy
from ..solvers.plan import SCHEMA as PLAN, Plan, plan_from_json
from .experiment import Experiment
from .running.checkpoints import load as load_checkpoint, name_of
from .running.folder import CHECKPOINTS, existing
from .running.reading import experiment_of, verified_result
from .running.runner import learners_of
from .spec import SCHEMA as EXPERIMENT, experiment_from_json, read_experiment, settings, variants, write_experiment
from .sweeping.sweep_record import read_record


UNKNOWN, NOT_SAVED = "E-SAVED-001", "E-SAVED-002"

FOLLOWER = "stackelberg-follower/1"


def save(value: Any, path: PathName) -> None:
    """Write a policy, plan, fit, follower, game or experiment to `path`, whole or not at all.

    Games go to .json, .npz or .nfg, experiments to .toml or .json, everything else to .json. Raises `InputError` for an
    object that has no file form and `FileError` where nothing can be written.
    """
    if isinstance(value, AbstractGame):
        return write_game(value, path)
    if isinstance(value, Experiment):
        return write_experiment(value, path)
    if isinstance(value, AbstractFollower):
        return write_whole(path, dumps({"schema": FOLLOWER} | follower_to_json(value)).encode())
    if isinstance(value, Plan):
        return write_whole(path, dumps({"schema": PLAN} | value.to_json()).encode())
    if isinstance(value, Policy | Fit):
        return write_whole(path, dumps(value).encode())
    raise InputError(
        NOT_SAVED,
        "value",
        found=f"a {type(value).__name__} has no form in files",
        allowed="policies, plans, fits, followers, games and experiments have",
        remedy="Save one of these: sg.policy_of(plan) makes a policy of a plan, sg.Plan.of(...) a plan of a solution.",
    )


def load(path: PathName) -> Any:
    """What `save`, the command line or a run wrote to `path`: the object, by what the file says that it is.

    A folder gives the record of the run or sweep in it. Raises `FileError` and `InputError` as the readers do.
    """
    place = as_path(path)
    if place.is_dir():
        return read_record(place)
    suffix = place.suffix.lower()
    if suffix == ".toml":
        return read_experiment(path)
    if suffix in SUFFIXES and suffix != ".json":
        return read_game(path)
    shown = printable(str(path))
    data = parse_json(read_text(path), shown)
    schema = data.get("schema") if isinstance(data, dict) else None
    return _READERS[boundary.one_of(f"{shown}: schema", schema, _READERS)](data, place)


def policy_of(source: Any, *, seed: int | None = None, setting: int = 0) -> Policy:
    """The leader's policy in a plan, or in the finished run in a folder.

    Of a run that has several seeds one must be named, and `setting` counts the settings from 0. The state is verified
    before it is used. Security games are planned as coverage, which is not a distribution: `sg.Lottery` draws from it.
    """
    if isinstance(source, Plan):
        return _of_plan(source)
    folder = existing(source)
    experiment, num_steps = _ended(folder)
    chosen = experiment.seeds[0] if seed is None and len(experiment.seeds) == 1 else seed
    if chosen is None:
        raise _no_seed(chosen, experiment)
    place, column = _of_run(experiment, chosen, setting)
    learners, run = _final(folder, experiment, num_steps)
    made = commitments(learners, run)[place, column]
    kind = {1: "strategy", 2: "prescription", 3: "policy", 4: "policy-prescription"}[made.ndim]
    game = getattr(getattr(experiment.learner, "world", None), "game", None)
    names = commitment_names(game) if made.ndim == 1 and game is not None else None
    return Policy(made, kind, names, f"run {folder.resolve().name}, seed {chosen}, step {run.n}")


def pictures_of(source: Any, *, seed: int | None = None, setting: int = 0) -> Mapping[str, Record]:
    """What the learner of the finished run in a folder would show of its last state, by caption, to be drawn by `plot`.

    Of a run that has several seeds it is the first, or the one named; `setting` counts the settings from 0. Most
    learners show nothing. Raises `InputError` where the run is not complete.
    """
    return pictures_of_settings(source, (setting,), seed=seed)[0]


def pictures_of_settings(
    source: Any, chosen: Sequence[int], *, seed: int | None = None
) -> tuple[Mapping[str, Record], ...]:
    """`pictures_of` each of some settings, with the run verified and loaded once."""
    folder = existing(source)
    experiment, num_steps = _ended(folder)
    places = [_of_run(experiment, experiment.seeds[0] if seed is None else seed, setting) for setting in chosen]
    if type(experiment.learner).pictured is AbstractLearner.pictured:
        return tuple({} for _ in chosen)
    learners, run = _final(folder, experiment, num_steps)
    each = variants(experiment)
    with precise(learners.precision):
        return tuple(
            each[place].learner.pictured(jax.tree.map(lambda leaf: leaf[place, column], run.state))  # noqa: B023
            for place, column in places
        )


def _ended(folder: Path) -> tuple[Experiment, int]:
    """The experiment of a run that is complete, and its number of steps."""
    result = verified_result(folder)
    if result is None:
        raise InputError(
            UNKNOWN,
            printable(str(folder)),
            found="the run is not complete, or damaged",
            allowed="a policy or a picture is taken from a run that is complete and verified",
            remedy="Start the run again, it goes on where it was; `stackelberg runs verify` says what is damaged.",
        )
    return experiment_from_json(experiment_of(folder)), result["num_steps"]


def _final(folder: Path, experiment: Experiment, num_steps: int) -> tuple[Learners, Run]:
    """The learners of a run, and where it ended."""
    learners = learners_of(experiment)
    place = folder / CHECKPOINTS / name_of(num_steps)
    return learners, load_checkpoint(place, start(learners, experiment.seeds), learners.precision).run


def _of_run(experiment: Experiment, seed: Any, setting: Any) -> tuple[int, int]:
    """Where a setting and a seed stand in the state of a run."""
    if seed not in experiment.seeds:
        raise _no_seed(seed, experiment)
    place = boundary.whole_number("setting", setting, high=len(settings(experiment)) - 1)
    return place, experiment.seeds.index(int(seed))


def _no_seed(seed: Any, experiment: Experiment) -> InputError:
    return InputError(
        boundary.NAME,
        "seed",
        found=f"{boundary.shown(seed)} is not one of this run's",
        allowed=f"its seeds are {', '.join(map(str, experiment.seeds[:20]))}",
        remedy="Name one of them: each seed learned something of its own.",
    )


def _of_plan(plan: Plan) -> Policy:
    commitment = plan.commitment
    if isinstance(plan.game, SecurityGame) or not np.allclose(commitment.sum(axis=-1), 1.0):
        raise InputError(
            boundary.INCONSISTENT,
            "plan.commitment",
            found="it is no distribution over actions (coverage of targets, or prices)",
            allowed="a policy draws one action of the leader",
            remedy="Draw placements with sg.Lottery(game, coverage), or announce the prices as they are.",
        )
    axes = commitment.ndim - (2 if isinstance(plan.game, MarkovGame) else 0)
    kinds = ("policy", "policy-prescription") if isinstance(plan.game, MarkovGame) else ("strategy", "prescription")
    names = getattr(plan.game, "leader_actions", None)
    source = f"{plan.answer.get('method', 'a plan')} for {getattr(plan.game, 'title', '') or 'a game'}"
    return Policy(commitment, kinds[axes - 1], names, source)


def _policy(data: Any, _: Path) -> Policy:
    fields = {name: entry for name, entry in data.items() if name != "schema"}
    if sorted(fields) != ["actions", "commitment", "kind", "source"]:
        raise InputError(
            UNKNOWN,
            "policy",
            found=f"its keys are {', '.join(map(str, list(fields)[:8]))}",
            allowed="a policy has the keys kind, actions, source and commitment",
            remedy="Read a file that sg.save wrote.",
        )
    return Policy(**fields)


_READERS: dict[str, Callable[[Any, Path], Any]] = {
    POLICY: _policy,
    PLAN: lambda data, path: plan_from_json(data, printable(str(path))),
    FIT: lambda data, _: Fit.from_json(data),
    FOLLOWER: lambda data, _: follower_from_json({name: entry for name, entry in data.items() if name != "schema"}),
    GAME: lambda data, _: game_from_json(data),
    EXPERIMENT: lambda data, path: experiment_from_json(data, path.parent),
}
"""Every kind of file that `load` reads, by the name that stands in it."""
