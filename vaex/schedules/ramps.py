"""Schedules with a length."""

from typing import Any

import jax
import jax.numpy as jnp

from vaex import _check
from vaex._check import VaexError
from vaex.part import part, static
from vaex.schedules.base import Ramp
from vaex.typing import Number, Scalar


@part
class Linear(Ramp):
    """s(t) = t: warm-up (Bowman et al. 2016; Sonderby et al. 2016)."""

    def shape(self, t: Scalar) -> Scalar:
        """Returns t."""
        return t


@part
class Cosine(Ramp):
    """s(t) = (1 - cos pi t) / 2 (Loshchilov and Hutter 2017, Eq. 5, as 1 - s)."""

    def shape(self, t: Scalar) -> Scalar:
        """Returns (1 - cos pi t) / 2."""
        return 0.5 * (1.0 - jnp.cos(jnp.pi * t))


@part
class Sigmoid(Ramp):
    """s(t) = a logistic curve of the given sharpness, scaled to meet 0 and 1 exactly (Bowman et al. 2016, Fig. 2)."""

    sharpness: float = 12.0

    def __post_init__(self) -> None:
        Ramp.__post_init__(self)
        _check.at_least("sigmoid.sharpness", self.sharpness, 1e-3)  # below, its ends are one number in float32

    def shape(self, t: Scalar) -> Scalar:
        """Returns (f(t) - f(0)) / (f(1) - f(0)) with f(t) = sigmoid(sharpness (t - 1/2))."""
        low, high = jax.nn.sigmoid(-0.5 * self.sharpness), jax.nn.sigmoid(0.5 * self.sharpness)
        return (jax.nn.sigmoid(self.sharpness * (t - 0.5)) - low) / (high - low)


_AFTER = {"constant": jnp.zeros_like, "linear": Linear().shape, "cosine": Cosine().shape}  # what a rate falls by


@part
class Warmup(Ramp):
    """A learning rate rises by t over the length, then stays or falls over the rest as `then` says; a weight: s(t) = t.

    A tenth of training, unless `fraction` or `steps` says how long the rise is. `then`: `constant`, `linear` or
    `cosine`, the last two down to 0 at the end of training. A weight stays at its value.

    References:
        Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, Section 2.2.
    """

    fraction: float = 0.1
    then: str = static(default="constant")

    def __post_init__(self) -> None:
        Ramp.__post_init__(self)
        _check.one_of("warmup.then", self.then, _AFTER)

    def shape(self, t: Scalar) -> Scalar:
        """Returns t."""
        return t

    def falling(self, step: Number, num_steps: int) -> Scalar:
        """Returns t (1 - s(u)), s the shape of `then`, u the part of what follows the rise that is done."""
        length = self.length(num_steps)
        u = jnp.clip((jnp.asarray(step, jnp.float32) - length) / jnp.maximum(num_steps - length, 1.0), 0.0, 1.0)
        return self.rising(step, num_steps) * (1.0 - _AFTER[self.then](u))

    def settled(self, num_steps: int) -> Any:
        """Returns the end of the rise, or that of training where the rate falls after it."""
        return self.length(num_steps) if self.then == "constant" else num_steps

    def check(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where training ends before the rise does, or a weight is to fall after it."""
        self.check_rate(name, num_steps)
        if self.then != "constant":
            raise VaexError(
                f"{name}.then={self.then}: only a learning rate falls after its warm-up; a weight keeps its value: use "
                f"{name}.then=constant"
            )

    def check_rate(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where training ends before the rise does, or leaves nothing to fall in."""
        Ramp.check(self, name, num_steps)
        if self.then != "constant" and self.length(num_steps) >= num_steps:
            raise VaexError(
                f"{name}.then={self.then}: the warm-up takes all of training, and nothing is left to fall in; use "
                f"{name}.fraction=0.1, or {name}.then=constant"
            )


@part
class Cyclical(Ramp):
    """Cycles that each rise over the part `rise` of their length and stay at 1 for the rest (Fu et al. 2019).

    A learning rate runs each cycle backwards: it stays at 1, falls to 0 over the last part `rise`, and starts again.
    With `rise=1` it falls all the time (warm restarts, Loshchilov and Hutter 2017, Section 3, along a line).
    """

    cycles: float = 4.0
    rise: float = 0.5  # the part of a cycle spent rising; of a learning rate, falling

    def __post_init__(self) -> None:
        Ramp.__post_init__(self)
        _check.at_least("cyclical.cycles", self.cycles, 1)
        _check.fraction("cyclical.rise", self.rise)

    def shape(self, t: Scalar) -> Scalar:
        """Returns min(1, tau / rise), tau the position within the cycle; 1 at t = 1."""
        tau = (t * self.cycles) % 1.0
        return jnp.where(t >= 1.0, 1.0, jnp.minimum(1.0, tau / self.rise))

    def falling(self, step: Number, num_steps: int) -> Scalar:
        """Returns min(1, (1 - tau) / rise); 0 past the last cycle."""
        t = self.position(step, num_steps)
        tau = (t * self.cycles) % 1.0
        return jnp.where(t >= 1.0, 0.0, jnp.minimum(1.0, (1.0 - tau) / self.rise))

    def check(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where training ends before the schedule does, or a cycle has less than two steps."""
        Ramp.check(self, name, num_steps)
        if not self.length(num_steps) >= 2 * self.cycles:
            raise VaexError(
                f"{name}.cycles={self.cycles:g}: expected cycles of at least two steps, got {self.length(num_steps):g} "
                f"steps for all of them; use {name}.cycles={max(1, int(self.length(num_steps) // 2))}, or a longer run"
            )
