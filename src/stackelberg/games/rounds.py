"""Games of a number of rounds on a few states, of which each seat sees a part: expected sums of payoffs."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from .._types import AnyArray


class Rounds(NamedTuple):
    """What is paid and what follows in each state, the first one the start.

    - `leader_sees`, `follower_sees`: `(s,)`, the observation in each state.
    - `payoffs`: `(2, s, a, b)`, of leader and follower.  `following`: `(s, a, b)`, the next state.
    """

    leader_sees: Int[np.ndarray, "s"]
    follower_sees: Int[np.ndarray, "s"]
    payoffs: Float[AnyArray, "2 s a b"]
    following: Int[np.ndarray, "s a b"]

    def values(
        self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "*t p b"], num_steps: int
    ) -> Float[AnyArray, "2"]:
        """The sums over `num_steps` rounds: the law of the state is carried forward.

        A response `(t, p, b)` has a policy for each round.
        """
        acts, replies = jnp.asarray(commitment)[self.leader_sees], jnp.asarray(response)[..., self.follower_sees, :]
        law_of_next = np.eye(len(self.following))[self.following]

        def one_round(reply):
            joint = acts[:, :, None] * reply[:, None, :]
            moves = jnp.einsum("sab,sabk->sk", joint, jnp.asarray(law_of_next, joint.dtype))
            return jnp.einsum("sab,usab->su", joint, self.payoffs), moves

        def forward(carry, reply):
            law, total = carry
            paid, moves = always if reply is None else one_round(reply)
            return (law @ moves, total + law @ paid), None

        by_round = replies if replies.ndim == 3 else None
        always = one_round(replies if by_round is None else by_round[0])
        start = jnp.zeros(len(law_of_next), always[1].dtype).at[0].set(1.0), jnp.zeros(2, always[0].dtype)
        (_, total), _ = jax.lax.scan(forward, start, by_round, length=num_steps)
        return total

    def values_of_all(
        self, commitment: Float[AnyArray, "o a"], responses: Float[AnyArray, "k p b"], num_steps: int
    ) -> Float[AnyArray, "2 k"]:
        """The same for many responses, by one product of matrices in each round.

        Row (b, s) of the matrix is the law of the next state, and what is paid, when the follower takes b in state s;
        laws of all responses are split by what these take. No matrix is made for each response.
        """
        acts, replies = jnp.asarray(commitment)[self.leader_sees], jnp.asarray(responses)[:, self.follower_sees]
        law_of_next = jnp.asarray(np.eye(len(self.following))[self.following], acts.dtype)
        onwards = jnp.einsum("sa,sabt->bst", acts, law_of_next)
        paid = jnp.einsum("sa,usab->bsu", acts, self.payoffs)
        made = jnp.concatenate([onwards, paid.astype(acts.dtype)], axis=-1).reshape(-1, acts.shape[0] + 2)
        chances = jnp.moveaxis(replies, 1, 2).astype(acts.dtype)  # (k, b, s)

        def forward(carry, _):
            law, total = carry
            after = (law[:, None] * chances).reshape(len(law), -1) @ made
            return (after[:, :-2], total + after[:, -2:]), None

        law = jnp.zeros((len(chances), acts.shape[0]), acts.dtype).at[:, 0].set(1.0)
        (_, total), _ = jax.lax.scan(forward, (law, jnp.zeros((len(chances), 2), acts.dtype)), length=num_steps)
        return total.T
