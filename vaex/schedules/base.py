"""A schedule is a factor in [0, 1]: of a weight, a shape s(t) that rises to 1; of a learning rate, mostly 1 - s."""

from abc import ABC, abstractmethod
from typing import Any

import jax.numpy as jnp
import numpy as np

from vaex import _check
from vaex._check import VaexError
from vaex.part import part
from vaex.typing import Number, Scalar


class Schedule(ABC):
    """A unitless factor in [0, 1] that multiplies a plain number."""

    @abstractmethod
    def rising(self, step: Number, num_steps: int) -> Scalar:
        """Returns the factor of a weight after `step` of `num_steps` steps; it ends at 1."""

    @abstractmethod
    def falling(self, step: Number, num_steps: int) -> Scalar:
        """Returns the factor of a learning rate after `step` of `num_steps` steps."""

    @abstractmethod
    def check(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where the schedule does not fit into the run, as that of a weight.

        Args:
            name: the schedule's path in the config, such as `objective.beta_schedule`.
            num_steps: of training.
        """

    def check_rate(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where it does not fit, as that of a learning rate."""
        self.check(name, num_steps)

    @abstractmethod
    def settled(self, num_steps: int) -> Any:
        """Returns the step from which the factor no longer moves."""


@part
class Ramp(Schedule):
    """A schedule with a length: `fraction` of training, or a number of `steps`; past it, it stays at 1."""

    fraction: float = 1.0
    steps: float | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__.lower()
        _check.fraction(f"{name}.fraction", self.fraction)
        if self.steps is not None:
            _check.at_least(f"{name}.steps", self.steps, 1)
            if np.float32(self.fraction) != np.float32(type(self).fraction):
                raise VaexError(
                    f"{name}: expected one length, got fraction={self.fraction} and steps={self.steps}; leave one out"
                )

    @abstractmethod
    def shape(self, t: Scalar) -> Scalar:
        """Returns s(t) for t in [0, 1]."""

    def length(self, num_steps: int) -> Any:
        """Returns the length in steps."""
        return self.fraction * num_steps if self.steps is None else self.steps

    def settled(self, num_steps: int) -> Any:
        """Returns its length."""
        return self.length(num_steps)

    def position(self, step: Number, num_steps: int) -> Scalar:
        """Returns t = step / length, at most 1."""
        return jnp.clip(jnp.asarray(step, jnp.float32) / self.length(num_steps), 0.0, 1.0)

    def rising(self, step: Number, num_steps: int) -> Scalar:
        """Returns s(step / length)."""
        return self.shape(self.position(step, num_steps))

    def falling(self, step: Number, num_steps: int) -> Scalar:
        """Returns 1 - s(step / length)."""
        return 1.0 - self.rising(step, num_steps)

    def check(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where training ends before the schedule does."""
        if self.steps is not None and self.steps > num_steps:
            raise VaexError(
                f"{name}.steps={self.steps:g} is longer than training ({num_steps} steps), which would end before the "
                f"schedule does; use {name}.steps={num_steps}, {name}.fraction=1.0, or "
                f"trainer.num_steps={self.steps:g}"
            )
