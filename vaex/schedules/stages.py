"""A schedule in stages."""

import jax.numpy as jnp
import numpy as np

from vaex import _check
from vaex._check import VaexError
from vaex.part import part, static
from vaex.schedules.base import Schedule
from vaex.typing import Number, Scalar


@part
class Stages(Schedule):
    """Constant within each stage of training: a learning rate is multiplied by that stage's `factors` entry, 1 - s.

    The stages share training in the ratio of `lengths`; the defaults are the eight of Burda et al., whose i-th stage
    takes 3^(i-1) epochs. A weight is multiplied by s = (1 - factor) / (1 - last factor), which ends at 1.

    References:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, Section 5
    """

    factors: tuple[float, ...] = static(default=(1.0, 0.72, 0.52, 0.37, 0.27, 0.19, 0.14, 0.1))
    lengths: tuple[float, ...] = static(default=(1, 3, 9, 27, 81, 243, 729, 2187))

    def __post_init__(self) -> None:
        for name, values in (("factors", self.factors), ("lengths", self.lengths)):
            if not (isinstance(values, tuple) and values and all(map(_check.is_number, values))):
                raise VaexError(f"stages.{name}: expected a list of numbers, one a stage, got {values!r}")
        if len(self.factors) != len(self.lengths):
            raise VaexError(
                f"stages: expected as many factors as lengths, got {len(self.factors)} and {len(self.lengths)}"
            )
        for factor in self.factors:
            _check.fraction("stages.factors", factor, zero=True)
        for length in self.lengths:
            _check.positive("stages.lengths", length)

    def falling(self, step: Number, num_steps: int) -> Scalar:
        """Returns the factor of the stage that `step` lies in."""
        # stage i covers [sum_{j<i} l_j, sum_{j<=i} l_j) / sum l of training; past its end, the last one's
        ends = num_steps * np.cumsum(self.lengths)[:-1] / np.sum(self.lengths)
        stage = jnp.sum(jnp.asarray(step, jnp.float32) >= np.round(ends).astype(np.float32))
        return jnp.asarray(self.factors, jnp.float32)[stage]

    def settled(self, num_steps: int) -> int:
        """Returns where the last stage begins."""
        return int(np.round(num_steps * np.sum(self.lengths[:-1]) / np.sum(self.lengths)))

    def rising(self, step: Number, num_steps: int) -> Scalar:
        """Returns (1 - factor) / (1 - last factor)."""
        return (1.0 - self.falling(step, num_steps)) / jnp.float32(1.0 - self.factors[-1])

    def check(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where the stages do not fit, or a weight would not end at its value."""
        self.check_rate(name, num_steps)
        if self.factors[-1] == 1.0 or self.factors[-1] > min(self.factors):
            raise VaexError(
                f"{name}.factors: a weight is multiplied by (1 - factor) / (1 - last factor), so that the last must be "
                f"the smallest, and below 1, got {list(self.factors)}; for example {name}.factors=[1,0.5,0] "
                f"{name}.lengths=[1,1,1]"
            )

    def check_rate(self, name: str, num_steps: int) -> None:
        """Raises `VaexError` where training has fewer steps than stages."""
        if num_steps < len(self.factors):
            raise VaexError(
                f"{name}: {len(self.factors)} stages do not fit into {num_steps} steps; type trainer.num_steps="
                f"{len(self.factors)} or more, or {name.replace('_schedule', '')} without stages"
            )
