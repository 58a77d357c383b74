"""Runs made up for the tests: 3 settings × 8 seeds, one alone, one with missing seeds, many settings."""

import numpy as np

import stackelberg as sg


MEANINGS = {
    "suboptimality": sg.Metric("suboptimality", "payoff", "leader", "lower"),
    "follower_regret": sg.Metric("follower's regret", "payoff", "follower", "lower"),
    "leader_value": sg.Metric("leader's value", "payoff", "leader", "higher"),
    "seconds": sg.Metric("seconds per step", "s"),
}


def run(
    num_settings=3, num_seeds=8, num_steps=100, metrics=("suboptimality", "follower_regret"), missing=False, **changes
):
    """A run whose numbers fall to zero, faster in later settings; with `missing`, seeds stop early or never start."""
    generator = np.random.Generator(np.random.Philox(7))
    steps = np.arange(num_steps) * 10 + 10
    shape = (num_steps, num_settings, num_seeds)
    found = {}
    for place, metric in enumerate(metrics):
        rate = (1.0 + place) * np.linspace(0.6, 2.0, num_settings)[None, :, None]
        level = np.exp(-rate * np.linspace(0.0, 3.0, num_steps)[:, None, None])
        walk = np.cumsum(generator.normal(size=shape), axis=0) / (10.0 * np.sqrt(num_steps))
        found[metric] = np.abs(level + 0.2 * walk * (1.0 - level) + 0.03 * generator.normal(size=(1, *shape[1:])))
        if metric == "leader_value":
            found[metric] = 3.5 - found[metric]
    status = np.full(shape[1:], "complete", dtype=object)
    if missing:
        for place, values in enumerate(found.values()):
            values[num_steps // 2 :, 0, :2] = np.nan
            values[:, -1, 3:] = np.nan
            values[place :: 2 + place, 1, :] = np.nan
        status[0, :2], status[-1, 3:] = "incomplete", "missing"
    rates = [0.001, 0.01, 0.1, 1.0] if num_settings <= 4 else np.geomspace(1e-3, 1.0, num_settings).tolist()
    settings = tuple({"learner.optimiser.learning_rate": rates[place]} for place in range(num_settings))
    values = {
        "name": "gradient-cs-0001",
        "title": "Gradient ascent on the commitment game",
        "steps": steps,
        "metrics": found,
        "settings": settings if num_settings > 1 else ({},),
        "seeds": tuple(range(num_seeds)),
        "num_steps": int(steps[-1]),
        "status": status,
        "meanings": {metric: MEANINGS[metric] for metric in metrics},
        "experiment": {
            "kind": "Experiment",
            "learner": {
                "kind": "GradientAscent",
                "follower": {"kind": "QuantalResponse", "inverse_temperature": 5.0},
                "optimiser": {"kind": "adam", "learning_rate": 0.01},
            },
            "game": {"kind": "NormalFormGame", "leader_payoff": [[2, 4], [1, 3]], "follower_payoff": [[1, 0], [0, 1]]},
            "num_steps": int(steps[-1]),
            "seeds": list(range(num_seeds)),
        },
        "provenance": {
            "stackelberg": "0.1.0",
            "python": "3.11.7",
            "device": "cpu",
            "experiment_sha256": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
            "sessions": [{"from": 0, "to": 500}, {"from": 500, "to": 1000}],
        },
        "certificate": {
            "lower": 3.1056, "upper": 3.1057, "gap": 1e-4, "follower_regret": 0.34, "status": "optimal",
            "method": "branch and bound", "notes": [],
        },
        "notes": ("The first ten steps are warm-up.",),
    }  # fmt: skip
    return sg.RunRecord(**(values | changes))
