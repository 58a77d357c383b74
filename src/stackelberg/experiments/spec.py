"""Experiments from and to TOML and JSON, exactly, by a closed table of names.

A file names kinds from the table and arguments of their constructors, nothing else: no import strings, no expressions.
An experiment that is written and read again is the same experiment, to the last bit of every number.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import tomli_w

from .. import _codec as codec
from .._disk import PathName, decoded, printable, read_bytes, write_whole
from .._errors import FileError, InputError
from .._json import parse_json
from .._record import dumps
from ..deep.after_pretraining import AfterPretraining
from ..deep.evolution import LeaderEvolution
from ..deep.policy_gradient import LeaderPPO, LeaderReinforce
from ..deep.q_learning import LeaderQLearning
from ..deep.through_followers import LeaderThroughLearning, LeaderThroughResponse, MarkovTruth
from ..deep.truth import BestResponseTruth, EquilibriumTruth
from ..followers.asking_all import ExactOracle
from ..followers.contextual import ContextualTable
from ..followers.contextual_network import ContextualNetwork
from ..followers.contextual_ppo import ContextualPPO
from ..followers.files import FOLLOWERS
from ..followers.inner_ppo import InnerPPO
from ..followers.inner_q_learning import InnerQLearning
from ..followers.recurrent import RecurrentFollower
from ..followers.recurrent_training import RecurrentTraining
from ..followers.several import NoRegret, PureNash
from ..followers.stackelberg_pomdp import StackelbergPOMDP
from ..games.adapters.gymnasium_control import GymnasiumControl
from ..games.catalog import catalog_game
from ..games.decision_process import DecisionProcess
from ..games.domains.allocation import AllocationGame
from ..games.domains.control import CartPole, LineFork, Pendulum, PointMass
from ..games.domains.crossing import CrossingGame
from ..games.domains.iterated_matrix import IteratedMatrixGame
from ..games.domains.leader_memory import WithLeaderMemory
from ..games.domains.matrix_design import MatrixDesignGame
from ..games.domains.message_price import MessagePriceGame
from ..games.files import GAMES, read_game
from ..games.model_game import ModelAsLeader, PolicyAsLeader
from ..games.model_loss import ModelLoss
from ..model_based.control_truth import ControlTruth
from ..model_based.counting import CountingModel
from ..model_based.fitted_models import CountedFit, ModelTraining
from ..model_based.imagined_play import ImaginedPlay
from ..model_based.model_evolution import ModelEvolution
from ..model_based.planners import InnerPlanner, PlannerTraining
from ..model_based.policy_ascent import PolicyAscent
from ..model_based.world_truth import WorldTruth
from ..play.agent import Repeated
from ..play.changing_world import DriftingWorld, RememberingWorld
from ..play.markov_world import MarkovWorld
from ..play.response_estimation import ResponseEstimation
from ..play.suboptimality import Suboptimality
from ..play.world import World
from ..quantal.agents import OptimisticValueIteration, PessimisticValueIteration
from ..quantal.baselines import ExploreThenCommit, PosteriorSampling
from ..quantal.bonus import Uncertainty
from ..quantal.finite_class import FiniteClass
from ..quantal.hypergradient import SampledHypergradient
from ..quantal.information_directed import InformationDirected
from ..quantal.joint_fit import PlanningAfterEstimation
from ..quantal.model_agents import OptimisticMaximumLikelihood, PessimisticMaximumLikelihood
from ..quantal.perturbed_leader import FollowThePerturbedLeader
from ..quantal.robust import RobustValueIteration
from ..quantal.version_space import OptimisticVersionSpace, PessimisticVersionSpace
from .experiment import Experiment
from .outline import COSMETIC as COSMETIC, fingerprint


SYNTAX, SUFFIX, SCHEMA_MARK = "E-SPEC-001", "E-SPEC-002", "E-SPEC-003"

SCHEMA = "stackelberg-experiment/1"

LIMIT = 16 * 2**20

_ENDLESS_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){64}""")
"""Reading a key takes time that grows as the square of its parts."""

ONE_SHOT_AGENTS: dict[str, type] = {"response-estimation": ResponseEstimation}

STAGE_AGENTS: dict[str, type] = {
    "optimistic-value-iteration": OptimisticValueIteration,
    "pessimistic-value-iteration": PessimisticValueIteration,
    "optimistic-maximum-likelihood": OptimisticMaximumLikelihood,
    "pessimistic-maximum-likelihood": PessimisticMaximumLikelihood,
    "optimistic-version-space": OptimisticVersionSpace,
    "pessimistic-version-space": PessimisticVersionSpace,
    "planning-after-estimation": PlanningAfterEstimation,
    "sampled-hypergradient": SampledHypergradient,
    "explore-then-commit": ExploreThenCommit,
    "posterior-sampling": PosteriorSampling,
    "follow-the-perturbed-leader": FollowThePerturbedLeader,
    "robust-value-iteration": RobustValueIteration,
    "information-directed": InformationDirected,
}

AGENTS: dict[str, type] = ONE_SHOT_AGENTS | STAGE_AGENTS
"""The agents, by the names that stand in files and at the command line: of one stage, and of play over stages."""

DEEP: dict[str, type] = {
    "leader-reinforce": LeaderReinforce,
    "leader-ppo": LeaderPPO,
    "leader-q-learning": LeaderQLearning,
    "leader-evolution": LeaderEvolution,
    "leader-through-response": LeaderThroughResponse,
    "leader-through-learning": LeaderThroughLearning,
    "after-pretraining": AfterPretraining,
    "stackelberg-pomdp": StackelbergPOMDP,
    "exact-oracle": ExactOracle,
    "contextual-follower": ContextualTable,
    "contextual-network": ContextualNetwork,
    "contextual-ppo": ContextualPPO,
    "inner-ppo": InnerPPO,
    "inner-q-learning": InnerQLearning,
    "recurrent-follower": RecurrentFollower,
    "recurrent-training": RecurrentTraining,
    "iterated-matrix": IteratedMatrixGame,
    "allocation": AllocationGame,
    "crossing": CrossingGame,
    "with-leader-memory": WithLeaderMemory,
    "matrix-design": MatrixDesignGame,
    "message-price": MessagePriceGame,
    "pure-nash": PureNash,
    "no-regret": NoRegret,
    "best-response-truth": BestResponseTruth,
    "equilibrium-truth": EquilibriumTruth,
    "markov-truth": MarkovTruth,
}
"""Leaders that learn against query oracles, with their parts."""

MODEL_BASED: dict[str, type] = {
    "decision-process": DecisionProcess,
    "model-loss": ModelLoss,
    "model-as-leader": ModelAsLeader,
    "policy-as-leader": PolicyAsLeader,
    "policy-ascent": PolicyAscent,
    "counting-model": CountingModel,
    "model-evolution": ModelEvolution,
    "inner-planner": InnerPlanner,
    "planner-training": PlannerTraining,
    "counted-fit": CountedFit,
    "model-training": ModelTraining,
    "world-truth": WorldTruth,
    "imagined-play": ImaginedPlay,
    "pendulum": Pendulum,
    "cart-pole": CartPole,
    "point-mass": PointMass,
    "line-fork": LineFork,
    "gymnasium-control": GymnasiumControl,
    "control-truth": ControlTruth,
}
"""Policies and world models that answer each other, with their parts."""

TABLE: dict[str, type] = {
    "experiment": Experiment,
    "repeated": Repeated,
    "suboptimality": Suboptimality,
    "world": World,
    "markov-world": MarkovWorld,
    "drifting-world": DriftingWorld,
    "remembering-world": RememberingWorld,
    "uncertainty": Uncertainty,
    "finite-class": FiniteClass,
    **AGENTS,
    **DEEP,
    **MODEL_BASED,
    **GAMES,
    **FOLLOWERS,
}
"""Every kind that a file can name. There is no other way to name anything."""


def experiment_to_json(experiment: Experiment) -> dict[str, Any]:
    """`experiment` as plain values, as its file holds them.

    A class that the table does not have (a learner of your own) is written as `own:` and its name. That tells runs
    apart and stands in their records, and no file makes an object of it again.
    """
    fields = codec.encode(experiment, TABLE, own=eqx.Module)
    fields["over"] = {name: list(values) for name, values in experiment.over.items()}
    ordered = ("title", "num_steps", "seeds", "record_every", "monitor_every", "checkpoint_every")
    plain = {name: fields[name] for name in ordered if fields.get(name) not in (None, "")}
    return (
        {"schema": SCHEMA} | plain | {name: fields[name] for name in ("over", "learner", "monitor") if fields.get(name)}
    )


def experiment_from_json(data: Any, folder: Path | None = None) -> Experiment:
    """The experiment that plain values describe; `InputError` names the key that is wrong, missing or unknown.

    A game may also stand as {"kind": "catalog", "name": ...} or {"kind": "file", "path": ...}, the path counted from
    `folder`; it is written back in full.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        found = data.get("schema", "nothing") if isinstance(data, Mapping) else type(data).__name__
        raise InputError(
            SCHEMA_MARK,
            "schema",
            found=f"{printable(repr(found), 60)} stands there",
            allowed=f'an experiment starts with schema = "{SCHEMA}"',
            remedy="Add the line, or check that this is an experiment and not a game, a plan or a record.",
        )
    if "kind" in data:
        raise codec.unknown(codec.UNKNOWN_KEY, "kind", "kind", list(codec.arguments(Experiment)))
    fields = {name: entry for name, entry in data.items() if name != "schema"}
    return codec.decode({"kind": "experiment"} | _with_games(fields, folder or Path()), TABLE)


def read_experiment(path: PathName, changes: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment in a `.toml` or `.json` file, with dotted fields of the file replaced by `changes`.

    Unlike `with_settings` this leaves to their defaults what the file leaves out: `record_every` follows `num_steps`.
    """
    data = read_data(path)
    for dotted, value in (changes or {}).items() if isinstance(data, dict) else ():
        _set(data, dotted, value)
    return experiment_from_json(data, Path(path).parent)


def read_data(path: PathName) -> Any:
    """The plain values in a `.toml` or `.json` file; `FileError` names line and column where it is neither."""
    shown = printable(str(path))
    suffix = _suffix(path, shown)
    text = decoded(read_bytes(path, limit=LIMIT), shown)
    if suffix == ".json":
        return parse_json(text, shown)
    try:
        if _ENDLESS_KEY.search(text):
            raise ValueError("a key has more than 64 parts")
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as problem:
        raise FileError(
            SYNTAX,
            shown,
            found=printable(str(problem) or "it is nested too deeply", 200),
            remedy="Correct the TOML there",
        ) from problem


def write_experiment(experiment: Experiment, path: PathName) -> None:
    """Write `experiment` to a `.toml` or `.json` file, whole or not at all."""
    data = experiment_to_json(experiment)
    is_json = _suffix(path, printable(str(path))) == ".json"
    write_whole(path, (dumps(data) if is_json else tomli_w.dumps(data)).encode())


def config_hash(experiment: Experiment) -> str:
    """The fingerprint of everything that decides a number."""
    return fingerprint(experiment_to_json(experiment))


def with_settings(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """The experiment with dotted fields replaced, such as {"learner.agent.ridge": 0.01}, checked by its constructors.

    A value may also be written as in a file, with its `kind`.
    """
    changed: Any = experiment
    for dotted, value in changes.items():
        changed = _replaced(changed, dotted.split("."), value, "")
    return changed


def settings(experiment: Experiment) -> tuple[dict[str, Any], ...]:
    """All combinations of what `over` varies; one empty one where it varies nothing."""
    names = list(experiment.over)
    return tuple(dict(zip(names, values, strict=True)) for values in itertools.product(*experiment.over.values()))


def variants(experiment: Experiment) -> tuple[Experiment, ...]:
    """The experiment of each of its settings."""
    alone = with_settings(experiment, {"over": {}}) if experiment.over else experiment
    return tuple(with_settings(alone, chosen) if chosen else alone for chosen in settings(experiment))


def _replaced(place: Any, path: list[str], value: Any, field: str) -> Any:
    """`place` built anew by its constructor, with what `path` leads to replaced."""
    name, *rest = path
    dotted = f"{field}.{name}" if field else name
    known = list(codec.arguments(type(place))) if type(place).__module__ != "builtins" else []
    if name not in known:
        raise codec.unknown(codec.UNKNOWN_KEY, dotted, name, known or ["nothing"])
    fields = {argument: getattr(place, argument) for argument in known}
    if rest:
        fields[name] = _replaced(fields[name], rest, value, dotted)
    elif isinstance(value, Mapping) and "kind" in value:
        fields[name] = codec.decode(_with_games(value, Path()), TABLE, dotted)
    else:
        fields[name] = value
    return type(place)(**fields)


def _set(data: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = ["over", dotted[5:]] if dotted.startswith("over.") else dotted.split(".")
    if path == ["over"]:
        data.setdefault("over", {})
    place: Any = data
    for depth, name in enumerate(path):
        inner = place.get(name) if isinstance(place, dict) else None
        if not isinstance(inner, dict):
            known = [key for key, entry in place.items() if isinstance(entry, dict)] if isinstance(place, dict) else []
            raise codec.unknown(codec.UNKNOWN_KEY, ".".join(path[: depth + 1]), name, known or ["learner"])
        place = inner
    place[last] = value


def _with_games(entry: Any, folder: Path) -> Any:
    """Games that are named put where their names stand."""
    if isinstance(entry, list):
        return [_with_games(part, folder) for part in entry]
    if not isinstance(entry, Mapping):
        return entry
    named = {"catalog": "name", "file": "path"}.get(str(entry.get("kind")))
    if named is None:
        return {name: _with_games(part, folder) for name, part in entry.items()}
    for name in entry:
        if name not in ("kind", named):
            raise codec.unknown(codec.UNKNOWN_KEY, f"game.{printable(str(name), 60)}", name, ["kind", named])
    if not isinstance(entry.get(named), str):
        raise codec.missing(f"game.{named}", ["kind", named])
    word = entry[named]
    game = catalog_game(word) if named == "name" else read_game(folder / word)
    return codec.encode(game, GAMES)


def _suffix(path: PathName, shown: str) -> str:
    suffix = Path(path).suffix.lower() if isinstance(path, str | Path) else ""
    if suffix in (".toml", ".json"):
        return suffix
    raise FileError(SUFFIX, shown, found="its name ends neither in .toml nor in .json", remedy="Rename it")
