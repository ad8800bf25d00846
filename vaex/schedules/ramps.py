"""Schedules with a length."""

import jax
import jax.numpy as jnp

from vaex import _check
from vaex.part import part
from vaex.schedules.base import Ramp
from vaex.typing import Scalar


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
        _check.positive("sigmoid.sharpness", self.sharpness)

    def shape(self, t: Scalar) -> Scalar:
        """Returns (f(t) - f(0)) / (f(1) - f(0)) with f(t) = sigmoid(sharpness (t - 1/2))."""
        low, high = jax.nn.sigmoid(-0.5 * self.sharpness), jax.nn.sigmoid(0.5 * self.sharpness)
        return (jax.nn.sigmoid(self.sharpness * (t - 0.5)) - low) / (high - low)


@part
class Cyclical(Ramp):
    """Cycles that each rise over a part of their length and stay at 1 for the rest (Fu et al. 2019)."""

    cycles: float = 4.0
    rise: float = 0.5  # the part of a cycle spent rising

    def __post_init__(self) -> None:
        Ramp.__post_init__(self)
        _check.at_least("cyclical.cycles", self.cycles, 1)
        _check.fraction("cyclical.rise", self.rise)

    def shape(self, t: Scalar) -> Scalar:
        """Returns min(1, tau / rise), tau the position within the cycle; 1 at t = 1."""
        tau = (t * self.cycles) % 1.0
        return jnp.where(t >= 1.0, 1.0, jnp.minimum(1.0, tau / self.rise))
