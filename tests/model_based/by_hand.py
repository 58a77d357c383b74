"""Decision processes by other means: loops, paths, and every model whose unknown rows lead to one state."""

import itertools

import numpy as np


def value_of(law, reward, initial, terminal, policy, horizon, discount=1.0):
    """The return of a stationary policy by carrying the law of the state forward."""
    now, total = np.array(initial, dtype=float), 0.0
    for t in range(horizon):
        then = np.zeros_like(now)
        for s, a, onwards in itertools.product(*(range(size) for size in law.shape)):
            if not terminal[s]:
                weight = now[s] * policy[s][a] * law[s, a, onwards]
                total += discount**t * weight * reward[s, a, onwards]
                then[onwards] += weight
        now = then
    return total


def episode_weights(law, initial, terminal, policy, horizon):
    """E[number of times that each transition is met / length] by going through every path."""
    weights = np.zeros(law.shape)

    def walk(path, place, share):
        if len(path) == horizon or (path and terminal[place]):
            for cell in path:
                weights[cell] += share / len(path)
            return
        for a, then in itertools.product(range(law.shape[1]), range(law.shape[2])):
            part = share * policy[place][a] * law[place, a, then]
            if part > 0.0:
                walk([*path, (place, a, then)], then, part)

    for place, share in enumerate(initial):
        if share > 0.0:
            walk([], place, share)
    return weights


def is_answer_to_some_model(law, reward, initial, terminal, policy, discount):
    """Whether a deterministic policy is optimal in some model that is right where it goes.

    Every row that it never meets is led to each single state in turn; values by linear systems over all policies.
    """
    num_states, num_actions, _ = law.shape
    choice = np.argmax(policy, axis=1)
    met, frontier = set(), {s for s in range(num_states) if initial[s] > 0.0}
    while frontier:
        met |= frontier
        frontier = {t for s in frontier if not terminal[s] for t in range(num_states) if law[s, choice[s], t] > 0} - met
    known = {(s, choice[s]) for s in met if not terminal[s]}
    unknown = [cell for cell in itertools.product(range(num_states), range(num_actions))
               if cell not in known and not terminal[cell[0]]]  # fmt: skip
    live = [s for s in range(num_states) if not terminal[s]]
    others = [dict(zip(live, acts, strict=True)) for acts in itertools.product(range(num_actions), repeat=len(live))]

    def values(model, acts):
        onwards, paid = np.zeros((num_states, num_states)), np.zeros(num_states)
        for s in live:
            onwards[s], paid[s] = model[s, acts[s]], model[s, acts[s]] @ reward[s, acts[s]]
        return np.linalg.solve(np.eye(num_states) - discount * onwards, paid)

    for ends in itertools.product(range(num_states), repeat=len(unknown)):
        model = law.copy()
        for cell, end in zip(unknown, ends, strict=True):
            model[cell] = np.eye(num_states)[end]
        each = np.array([values(model, acts) for acts in others])
        reached = [s for s in met if not terminal[s]]
        own = np.array(
            [one for one, acts in zip(each, others, strict=True) if all(acts[s] == choice[s] for s in reached)]
        )
        best = each.max(axis=0)
        if any(np.all(one[reached] >= best[reached] - 1e-9) for one in own):
            return True
    return False
