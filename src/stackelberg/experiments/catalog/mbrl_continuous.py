"""Deep model-based play on worlds to control: mbrl:continuous, mbrl:pal-vs-mal and mbrl:nonstationary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..._claims import Budget, Claim
from ..._errors import InputError
from ..._learner import train
from ..._loop.stacking import stack
from ..._record import Estimate
from ...games.adapters.gymnasium_control import GymnasiumControl
from ...games.domains.control import CartPole, Pendulum, PointMass
from ...model_based.control_truth import ControlTruth
from ...model_based.imagined_play import ImaginedPlay
from ...model_based.presets import best_response_play, model_as_leader, policy_as_leader, simultaneous
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .mbrl_repairs import CLAIMS as FORK_CLAIMS, ON_THE_POLE, forked
from .measuring import kept, mean, plain_curves, share


PRESETS: Mapping[str, Callable[..., ImaginedPlay]] = {"PAL": policy_as_leader, "MAL": model_as_leader}

NUM_SEEDS: dict[Budget, int] = {"smoke": 2, "small": 10, "full": 10}
NUM_ORDERS: dict[Budget, int] = {"smoke": 2, "small": 5, "full": 10}
NUM_CHANGED: dict[Budget, int] = {"smoke": 2, "small": 10, "full": 20}

SOLVED = {"pendulum": -200.0, "cart-pole": 475.0, "MuJoCo's pendulum": 950.0}

MUJOCO = "InvertedPendulum-v5"

GREEDY = 20
"""Episodes of the greedy policy for each measurement."""


NUM_REPAIRED = 5
"""Seeds of rows beside the four that the claims are about."""

WHOLE = {"gradient": "natural", "rollout_length": 500, "num_rollouts": 32}
"""Imagined plays of whole episodes, improved by natural policy gradients: the parent paper's own way."""


FORGETTING = 500
"""Transitions that policy-as-leader keeps where a force may turn round: those of two steps."""


def played(
    learners: Mapping[str, ImaginedPlay], num_seeds: int, folder: Path, word: str
) -> dict[str, dict[str, np.ndarray]]:
    """Curves `(steps, seeds)` of every learner."""

    def measure(learner: ImaginedPlay) -> dict[str, np.ndarray]:
        stacked = stack([learner], [ControlTruth(learner.environment, GREEDY)])
        _, metrics = train(stacked, learner.num_iterations, range(num_seeds))
        return {name: values[:, 0] for name, values in metrics.items()}

    return {
        name: kept(folder, f"{word} {name} {learner.num_iterations}x{num_seeds}", lambda one=learner: measure(one))
        for name, learner in learners.items()
    }


def real_steps(learner: ImaginedPlay) -> np.ndarray:
    """What had been met when each policy was measured, the random steps included."""
    return learner.initial_steps + learner.real_steps * np.arange(learner.num_iterations)


def controls(budget: Budget) -> dict[str, ImaginedPlay]:
    """Each preset on each task; the policy that is measured last has met 14,500 steps of the world."""
    if budget == "smoke":
        return {"cart-pole, MAL": model_as_leader(CartPole(), num_iterations=5, discount=0.99)}
    tasks = {"cart-pole": (CartPole(), 0.99), "pendulum": (Pendulum(), 0.98)}
    return {
        f"{task}, {name}": preset(world, discount=discount)
        for task, (world, discount) in tasks.items()
        for name, preset in PRESETS.items()
    }


def _continuous(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    main, beside = controls(budget), variants(budget)
    learners = main | beside
    found = played(main, NUM_SEEDS[budget], folder, "control")
    found |= played(beside, NUM_REPAIRED, folder, "control")
    measured, pictures = forked(budget, folder)
    for name, one in found.items():
        task = name.split(",")[0]
        above, seeds = one["true_value"] >= SOLVED[task], one["true_value"].shape[1]
        first = np.where(above.any(axis=0), real_steps(learners[name])[np.argmax(above, axis=0)], np.inf)
        measured[f"{name}: solved"] = Estimate.exact(float(above.any(axis=0).mean()), f"share of {seeds} seeds")
        measured[f"{name}: solved at the end"] = share(int(above[-1].sum()), seeds, "seeds")
        if np.isfinite(np.median(first)):
            middle = float(np.median(first))
            measured[f"{name}: real steps"] = Estimate(
                middle, float(first.min()), float(first.max()), "median, least, most"
            )
        measured[f"{name}: promised less paid"] = Estimate.exact(
            float(np.mean(one["gap"][-1])), f"mean of {seeds} seeds"
        )
    for names in (main, beside):
        for task in dict.fromkeys(name.split(", ")[0] for name in names):
            each = {name.split(", ", 1)[1]: found[name]["true_value"] for name in names if name.startswith(task)}
            first = learners[next(name for name in names if name.startswith(task))]
            seeds = next(iter(each.values())).shape[1]
            kind = ", repaired and otherwise" if task in pictures else ""
            pictures[f"{task}{kind}"] = plain_curves(
                real_steps(first).astype(float),
                each,
                x_label="steps in the world",
                y_label="return of the greedy policy (reward)",
                title=f"{task[0].upper()}{task[1:]}{kind}: {seeds} seeds, 5 networks as the model",
            )
    return Evidence(measured, pictures)


def variants(budget: Budget) -> dict[str, ImaginedPlay]:
    """Repairs, the parent paper's own policy steps, and a pendulum on a cart in MuJoCo where that is installed."""
    if budget == "smoke":
        return {}
    sizes = {"num_iterations": 15, "discount": 0.99}
    made = {
        f"cart-pole, MAL + {name}": model_as_leader(CartPole(), **sizes, **more) for name, more in ON_THE_POLE.items()
    }
    made |= {f"cart-pole, {name}, whole episodes": preset(CartPole(), **{**sizes, **WHOLE, "policy_steps": steps})
             for (name, preset), steps in zip(PRESETS.items(), (10, 25), strict=True)}  # fmt: skip
    if not has_mujoco():
        return made
    return made | {
        f"MuJoCo's pendulum, {name}": preset(GymnasiumControl(MUJOCO), **sizes) for name, preset in PRESETS.items()
    }


def has_mujoco() -> bool:
    """Whether tasks of MuJoCo can be made here."""
    try:
        GymnasiumControl(MUJOCO)
    except InputError:
        return False
    return True


def changes(budget: Budget) -> dict[str, ImaginedPlay]:
    """A pendulum that becomes shorter, a goal that moves, and a force that turns round, which is unlearned longest."""
    sizes = {"num_iterations": 6, "changes_at": 3} if budget == "smoke" else {"num_iterations": 29, "changes_at": 15}
    point = {"later": PointMass([-0.5, -0.5]), "discount": 0.95, "real_steps": 250, "initial_steps": 250, **sizes}
    made = {f"goal, {name}": preset(PointMass(), **point) for name, preset in PRESETS.items()}
    if budget == "smoke":
        return made
    shorter = {"later": Pendulum(0.6), **sizes}
    turned = point | {"later": PointMass(gain=-1.0), "num_iterations": 44}
    for name, preset in PRESETS.items():
        made[f"dynamics, {name}"] = preset(Pendulum(), **shorter)
        window = {"window": FORGETTING} if name == "PAL" else {}
        made[f"reversed force, {name}"] = preset(PointMass(), **turned, **window)
    return made


def _nonstationary(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    learners, seeds = changes(budget), NUM_CHANGED[budget]
    found = {}
    for name, learner in learners.items():
        before = played({name: learner}, seeds, folder, "change")[name]
        found[name] = before["returned"]
    measured, pictures = {}, {}
    for name, one in found.items():
        at = learners[name].changes_at
        settled = one[at - 3 : at].mean(axis=0)
        measured[f"{name}: fall"] = Estimate.exact(float(np.mean(settled - one[at])), f"mean of {seeds} seeds")
        after = one[at:]
        measured[f"{name}: lost after"] = Estimate.exact(
            float(np.mean(np.max(after, axis=0) - after.mean(axis=0))),
            f"mean of {seeds} seeds, best after less mean after",
        )
        measured[f"{name}: paid in the end"] = Estimate.exact(
            float(one[-3:].mean()), f"mean of {seeds} seeds, last 3 steps"
        )
    for kind in dict.fromkeys(name.split(",")[0] for name in found):
        each = {name.split(", ")[1]: one for name, one in found.items() if name.startswith(kind)}
        at = learners[f"{kind}, PAL"].changes_at
        for words, steps in (("after", slice(at, None)), ("in the end", slice(-3, None))):
            ahead = each["PAL"][steps].mean(axis=0) - each["MAL"][steps].mean(axis=0)
            measured[f"{kind}: PAL over MAL {words}"] = mean(ahead, "seeds, same random numbers in both")
        pictures[kind] = plain_curves(
            real_steps(learners[f"{kind}, PAL"]).astype(float),
            each,
            x_label="steps in the world",
            y_label="return of the exploring policy (reward)",
            title=f"The world changes: {kind}, {seeds} seeds",
        )
    return Evidence(measured, pictures)


ORDERS: Mapping[str, Callable[..., ImaginedPlay]] = {
    **PRESETS,
    "simultaneous": simultaneous,
    "best responses": best_response_play,
}


def orders(budget: Budget) -> dict[str, ImaginedPlay]:
    """Four ways of moving, on the same world with the same steps in it."""
    if budget == "smoke":
        sizes = {"num_iterations": 6, "real_steps": 250, "initial_steps": 250, "discount": 0.95}
        return {name: ORDERS[name](PointMass(), **sizes) for name in ("MAL", "simultaneous")}
    return {name: order(CartPole(), discount=0.99) for name, order in ORDERS.items()}


def _orders(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    learners, seeds = orders(budget), NUM_ORDERS[budget]
    found = played(learners, seeds, folder, "order")
    measured = {}
    for name, one in found.items():
        measured[f"{name}: paid"] = mean(one["true_value"].mean(axis=0), "seeds, mean over all steps")
        measured[f"{name}: paid in the end"] = mean(one["true_value"][-1], "seeds")
        measured[f"{name}: gap"] = mean(
            np.abs(one["gap"]).mean(axis=0), "seeds, |promised less returned|, mean over all steps"
        )
    less = found["MAL"]["true_value"].mean(axis=0) - found["simultaneous"]["true_value"].mean(axis=0)
    measured["simultaneous, less than MAL"] = Estimate.exact(float(less.min()), f"least of {seeds} seeds")
    picture = plain_curves(
        real_steps(learners["MAL"]).astype(float),
        {name: one["true_value"] for name, one in found.items()},
        x_label="steps in the world",
        y_label="return of the greedy policy (reward)",
        title=f"Who moves first, {seeds} seeds",
    )
    return Evidence(measured, {"orders": picture})


TARGET = "ours to reach: 9 of 10 seeds within 15,000 steps in the world"


def _solved(name: str, budget: Budget, n: int) -> Claim:
    statement = f"{name[0].upper()}{name[1:]}: solved within 15,000 steps in the world."
    return Claim(f"{name}: solved", statement, TARGET, 0.9, "at least", 0.0, budget, n, "share of seeds")


CONTINUOUS = Reproduction(
    "mbrl:continuous",
    "Policy- and model-as-leader with networks, on a pole and a pendulum",
    "Rajeswaran, Mordatch and Kumar (2020), the algorithms; tasks and thresholds are Gymnasium's",
    (
        _solved("cart-pole, MAL", "smoke", 2),
        _solved("cart-pole, PAL", "small", 10),
        _solved("pendulum, PAL", "small", 10),
        _solved("pendulum, MAL", "small", 10),
        *FORK_CLAIMS,
    ),
    _continuous,
)

STUDY = "Rajeswaran, Mordatch and Kumar (2020), recalled"

CHANGED = Reproduction(
    "mbrl:nonstationary",
    "A world that changes",
    "Rajeswaran, Mordatch and Kumar (2020), the study of non-stationary worlds",
    (
        Claim("goal, MAL: paid in the end", "After the goal has moved, model-as-leader is near it again.",
              "ours to measure", -60.0, "at least", 0.0, "smoke", 2, "reward"),
        Claim("goal, PAL: paid in the end", "So is policy-as-leader.",
              "ours to measure", -60.0, "at least", 0.0, "smoke", 2, "reward"),
        Claim("goal: PAL over MAL after", "Model-as-leader loses less by a changed goal, from there on.",
              STUDY, 0.0, "at most", 0.0, "small", 10, "reward"),
        Claim("reversed force: PAL over MAL after", "Policy-as-leader, which forgets, recovers faster.",
              STUDY, 0.0, "at least", 0.0, "small", 10, "reward"),
    ),
    _nonstationary,
)  # fmt: skip

ORDER = Reproduction(
    "mbrl:pal-vs-mal",
    "Policy first, model first, at once, or in turn to the end",
    "Rajeswaran, Mordatch and Kumar (2020): moving at once or to the end in turn is slower or unstable",
    (
        Claim("simultaneous, less than MAL", "Small steps at once earn less on the way than model-as-leader.",
              STUDY, 0.0, "at least", 0.0, "smoke", 2, "reward"),
    ),
    _orders,
)  # fmt: skip

ENTRIES = (CONTINUOUS, ORDER, CHANGED)
