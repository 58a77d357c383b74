"""Four worlds to control: a pendulum, a pole on a cart, a point in the plane, and a fork on a line."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float

from ... import _boundary as boundary
from ..._types import AnyArray, Key
from ..control import AbstractControl


class Pendulum(AbstractControl):
    """Swing a pendulum up and hold it there; the dynamics and rewards of Gymnasium's Pendulum-v1.

    The state is (cos θ, sin θ, angular velocity), θ = 0 upright; an action in [-1, 1] is half of the torque. A step
    costs θ² + 0.1 velocity² + 0.001 torque², before it moves.

    - `length`: of the pendulum.
    """

    length: float
    num_steps: int = eqx.field(static=True)

    def __init__(self, length: Any = 1.0, num_steps: Any = 200) -> None:
        self.length = boundary.real_number("length", length, low=0.0, low_open=True)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)

    num_features = 3
    num_actions = 0
    action_size = 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of the state."""
        return ("cosine of the angle", "sine of the angle", "angular velocity (rad/s)")

    @property
    def scale(self) -> Float[AnyArray, "d"]:
        """Cosine, sine, and 8 radians a second."""
        return np.array([1.0, 1.0, 8.0])

    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """Anywhere, at up to 1 radian a second."""
        angle, velocity = jr.uniform(key, (2,), minval=-1.0) * jnp.array([jnp.pi, 1.0])
        return jnp.stack([jnp.cos(angle), jnp.sin(angle), velocity])

    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """0.05 seconds on, semi-implicit."""
        del key
        torque, angle = 2.0 * jnp.clip(action[0], -1.0, 1.0), jnp.arctan2(state[1], state[0])
        push = 15.0 / self.length * state[1] + 3.0 / self.length**2 * torque
        velocity = jnp.clip(state[2] + 0.05 * push, -8.0, 8.0)
        angle = angle + 0.05 * velocity
        return jnp.stack([jnp.cos(angle), jnp.sin(angle), velocity])

    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """A direction of length 1, and at most 8 radians a second."""
        cosine, sine, velocity = state
        length = jnp.sqrt(cosine**2 + sine**2 + 1e-8)
        return jnp.stack([cosine / length, sine / length, jnp.clip(velocity, -8.0, 8.0)])

    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """Minus the cost."""
        del then
        torque, angle = 2.0 * jnp.clip(action[0], -1.0, 1.0), jnp.arctan2(state[1], state[0])
        return -(angle**2 + 0.1 * state[2] ** 2 + 0.001 * torque**2)

    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """Never before the last step."""
        del then
        return jnp.zeros((), dtype=bool)


class CartPole(AbstractControl):
    """Keep a pole upright on a cart by pushing left or right; the dynamics and rewards of Gymnasium's CartPole-v1.

    The state is (position, velocity, angle, angular velocity). Every step pays 1, also the one that ends the episode:
    beyond 2.4 aside or 12 degrees.

    - `length`: half of the pole's.
    """

    length: float
    num_steps: int = eqx.field(static=True)

    def __init__(self, length: Any = 0.5, num_steps: Any = 500) -> None:
        self.length = boundary.real_number("length", length, low=0.0, low_open=True)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)

    num_features = 4
    num_actions = 2
    action_size = 2

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of the state."""
        return ("position (m)", "velocity (m/s)", "angle (rad)", "angular velocity (rad/s)")

    @property
    def scale(self) -> Float[AnyArray, "d"]:
        """Of what is met before an episode ends."""
        return np.array([1.2, 1.5, 0.12, 1.5])

    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """Within 0.05 of rest."""
        return jr.uniform(key, (4,), minval=-0.05, maxval=0.05)

    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """0.02 seconds on, explicit."""
        del key
        _, speed, angle, turn = state
        force = 10.0 * (action[1] - action[0])
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        pole, total = 0.1 * self.length, 1.1
        inner = (force + pole * turn**2 * sine) / total
        spin = (9.8 * sine - cosine * inner) / (self.length * (4.0 / 3.0 - 0.1 * cosine**2 / total))
        push = inner - pole * spin * cosine / total
        return state + 0.02 * jnp.stack([speed, push, turn, spin])

    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """Any vector is one."""
        return state

    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """1."""
        return jnp.ones(())

    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """Beyond 2.4 aside or 12 degrees."""
        return (jnp.abs(then[0]) > 2.4) | (jnp.abs(then[2]) > 12.0 * jnp.pi / 180.0)


class PointMass(AbstractControl):
    """Push a point in the plane to a goal and hold it there: position and velocity, force up to 1, some friction.

    - `goal`: where; episodes start within 1 of the origin. A step costs the distance to it and 0.01 force².
    - `gain`: how far a force pushes; below 0 it pushes the other way, as with motors that were wired wrongly.
    """

    goal: Float[AnyArray, "two"]
    gain: float
    num_steps: int = eqx.field(static=True)

    def __init__(self, goal: Any = (0.5, 0.5), num_steps: Any = 50, *, gain: Any = 1.0) -> None:
        self.goal = boundary.real_array("goal", goal, axes=(2,))
        self.gain = boundary.real_number("gain", gain)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)

    num_features = 4
    num_actions = 0
    action_size = 2

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of the state."""
        return ("x", "y", "velocity in x", "velocity in y")

    @property
    def scale(self) -> Float[AnyArray, "d"]:
        """Of places and velocities."""
        return np.ones(4)

    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """At rest, somewhere."""
        return jnp.concatenate([jr.uniform(key, (2,), minval=-1.0), jnp.zeros(2)])

    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """0.1 seconds on."""
        del key
        place, velocity = jnp.asarray(state)[:2], jnp.asarray(state)[2:]
        velocity = 0.95 * velocity + 0.1 * self.gain * jnp.clip(action, -1.0, 1.0)
        return jnp.concatenate([place + 0.1 * velocity, velocity])

    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """Any vector is one."""
        return state

    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """Minus the distance, and the force."""
        del state
        off = jnp.asarray(then)[:2] - jnp.asarray(self.goal)
        return -jnp.sqrt(jnp.sum(off**2) + 1e-6) - 0.01 * jnp.sum(jnp.clip(action, -1.0, 1.0) ** 2)

    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """Never before the last step."""
        del then
        return jnp.zeros((), dtype=bool)


class LineFork(AbstractControl):
    """A walk on a line between a near goal that pays 1 and a far one that pays 10: what a model can hide.

    From 0 one moves by up to 0.2 a step; at or below -1 the episode ends with `near`, at or above `distance` with
    `far`. A step costs 0.01.
    """

    near: float
    far: float
    distance: float
    num_steps: int = eqx.field(static=True)

    def __init__(self, near: Any = 1.0, far: Any = 10.0, distance: Any = 3.0, num_steps: Any = 40) -> None:
        self.near = boundary.real_number("near", near)
        self.far = boundary.real_number("far", far)
        self.distance = boundary.real_number("distance", distance, low=0.0, low_open=True)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)

    num_features = 1
    num_actions = 0
    action_size = 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of the state."""
        return ("place",)

    @property
    def scale(self) -> Float[AnyArray, "d"]:
        """Of the line."""
        return np.ones(1)

    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """Near 0."""
        return jr.uniform(key, (1,), minval=-0.1, maxval=0.1)

    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """One move, with a little noise."""
        moved = jnp.asarray(state) + 0.2 * jnp.clip(action, -1.0, 1.0) + 0.01 * jr.normal(key, (1,))
        return jnp.clip(moved, -1.2, self.distance + 0.2)

    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """On the line."""
        return jnp.clip(state, -1.2, self.distance + 0.2)

    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """The goals, and the cost of a step."""
        del state, action
        return self.near * (then[0] <= -1.0) + self.far * (then[0] >= self.distance) - 0.01

    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """At either goal."""
        return (then[0] <= -1.0) | (then[0] >= self.distance)
