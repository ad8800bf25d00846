"""What a penalty is, and none."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import jax.numpy as jnp

from vaex._check import VaexError
from vaex.objectives.base import Context, Draws, Terms
from vaex.part import part
from vaex.typing import Scalar


class Penalty(ABC):
    """A term of the loss that depends on a whole batch, in nats per datum where it has a unit."""

    of_batch: ClassVar[bool] = True  # whether it is not a mean over examples, so that it depends on the batch's size
    least_batch: ClassVar[int] = 2  # examples: it compares them
    of_rate: ClassVar[bool] = False  # whether it weighs parts of the rate: it is multiplied by the rate's own weight

    def check(self, model: Any) -> None:
        """Raises `VaexError` where posterior or prior does not factorise over dimensions."""
        for role in ("posterior", "prior"):
            one = getattr(model, role)
            if not one.distribution.factorized:
                raise VaexError(
                    f"objective.penalty: {type(self).__name__} looks at every dimension of z by itself, which "
                    f"{role}={type(one).__name__} cannot; use penalty@objective.penalty=none"
                )

    @abstractmethod
    def __call__(self, draws: Draws, ctx: Context) -> tuple[Scalar, Terms]:
        """Returns what is added to the loss, and named terms to log."""


@part
class NoPenalty(Penalty):
    """No penalty: 0."""

    of_batch: ClassVar[bool] = False
    least_batch: ClassVar[int] = 1

    def check(self, model: Any) -> None:
        """Asks for nothing."""

    def __call__(self, draws: Draws, ctx: Context) -> tuple[Scalar, Terms]:
        """Returns 0."""
        del draws, ctx
        return jnp.float32(0.0), {}
