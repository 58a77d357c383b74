"""The follower's decision process by other means: recursions in NumPy, unrolled linear systems, enumeration,
simulation."""

import itertools

import numpy as np


def soft_recursion(
    reward: np.ndarray, transition: np.ndarray, inverse_temperature: float, discount: float, entropy: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Response, action values and values of the entropy-regularised problem, stage by stage, entropy counted in full.

    `entropy=False` plants a bug: the future is valued without its entropy bonus.
    """
    num_stages, num_states, num_actions = reward.shape
    values = np.zeros((num_stages + 1, num_states))
    action_values, response = np.zeros_like(reward), np.zeros_like(reward)
    for h in reversed(range(num_stages)):
        for s in range(num_states):
            for b in range(num_actions):
                action_values[h, s, b] = reward[h, s, b] + discount * transition[h, s, b] @ values[h + 1]
            weights = np.exp(inverse_temperature * action_values[h, s])
            response[h, s] = weights / weights.sum()
            values[h, s] = np.log(weights.sum()) / inverse_temperature
            if not entropy:
                values[h, s] = response[h, s] @ action_values[h, s]
    return response, action_values, values[:-1]


def unrolled_value(
    reward: np.ndarray, transition: np.ndarray, response: np.ndarray, discount: float, initial: np.ndarray
) -> float:
    """The value of a response by one linear system over all pairs (stage, state)."""
    num_stages, num_states, _ = reward.shape
    size = num_stages * num_states
    onwards, paid = np.zeros((size, size)), np.sum(response * reward, axis=2).ravel()
    for h in range(num_stages - 1):
        now, then = slice(h * num_states, (h + 1) * num_states), slice((h + 1) * num_states, (h + 2) * num_states)
        onwards[now, then] = np.einsum("sb,sbt->st", response[h], transition[h])
    return float(initial @ np.linalg.solve(np.eye(size) - discount * onwards, paid)[:num_states])


def pure_responses(*sizes: int) -> np.ndarray:
    """All deterministic responses, `(n, [h,] s, b)`; the last of `sizes` is the number of actions."""
    *cells, num_actions = sizes
    choices = itertools.product(range(num_actions), repeat=int(np.prod(cells)))
    return np.stack([np.eye(num_actions)[list(choice)].reshape(sizes) for choice in choices])


def simulated_returns(
    rewards: np.ndarray, transition: np.ndarray, policy: np.ndarray, response: np.ndarray, discount: float,
    initial: np.ndarray, num_episodes: int, rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Discounted returns of independent episodes of the *game*: both players' actions are drawn."""
    num_stages = len(policy)

    def draw(law: np.ndarray) -> np.ndarray:
        return (rng.random(num_episodes)[:, None] > np.cumsum(law, axis=1)[:, :-1]).sum(axis=1)

    state = draw(np.tile(initial, (num_episodes, 1)))
    total = np.zeros(num_episodes)
    for h in range(num_stages):
        leader, follower = draw(policy[h, state]), draw(response[h, state])
        total += discount**h * rewards[h, state, leader, follower]
        state = draw(transition[h, state, leader, follower])
    return total


def paid_by_policies(
    leader: np.ndarray, follower: np.ndarray, transition: np.ndarray, initial: np.ndarray, policies: np.ndarray,
    inverse_temperature: float, leader_discount: float, follower_discount: float,
) -> np.ndarray:  # fmt: skip
    """The leader's values of many policies `(n, h, s, a)` or prescriptions `(n, h, s, b, a)` against a quantal
    follower.

    Rewards `(h, s, a, b)` and transitions `(h, s, a, b, s)`.
    """
    letters = "nsa" if policies.ndim == 4 else "nsba"
    value = soft = np.zeros((len(policies), leader.shape[1]))
    for h in reversed(range(len(leader))):
        gained, paid, law = (
            np.einsum(f"{letters},sab{t}->nsb{t}", policies[:, h], array[h], optimize=True)
            for array, t in ((follower, ""), (leader, ""), (transition, "t"))
        )
        action_value = gained + follower_discount * np.einsum("nsbt,nt->nsb", law, soft)
        top = action_value.max(axis=2, keepdims=True)
        weights = np.exp(inverse_temperature * (action_value - top))
        soft = top[..., 0] + np.log(weights.sum(axis=2)) / inverse_temperature
        onwards = paid + leader_discount * np.einsum("nsbt,nt->nsb", law, value)
        value = np.sum(weights * onwards, axis=2) / weights.sum(axis=2)
    return value @ initial
