"""An optimizer is optax's direction times a traced learning rate."""

from abc import ABC, abstractmethod
from typing import Any

import jax
import optax

from vaex import _check
from vaex.part import part
from vaex.schedules import Constant, Schedule
from vaex.typing import Number, Params


@part
class Optimizer(ABC):
    """learning_rate, times its schedule, times a direction; gradients clipped by their global norm first, where asked.

    Most of optax's schedules refuse traced settings, so the rate is multiplied here and a new one never compiles again.
    """

    learning_rate: float = 1e-3
    learning_rate_schedule: Schedule = Constant()
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        _check.positive("optimizer.learning_rate", self.learning_rate)
        schedule = "optimizer.learning_rate_schedule"
        _check.instance(schedule, self.learning_rate_schedule, Schedule, f"schedule@{schedule}=linear")
        if self.clip_norm is not None:
            _check.positive("optimizer.clip_norm", self.clip_norm)

    @abstractmethod
    def direction(self) -> optax.GradientTransformation:
        """Returns the transformation of gradients into a direction of ascent, before the learning rate."""

    def _transform(self) -> optax.GradientTransformation:
        clip = optax.identity() if self.clip_norm is None else optax.clip_by_global_norm(self.clip_norm)
        return optax.chain(clip, self.direction())

    def check(self, num_steps: int) -> None:
        """Raises `VaexError` where the schedule outlasts the run."""
        self.learning_rate_schedule.check_rate("optimizer.learning_rate_schedule", num_steps)

    def init(self, params: Params) -> Any:
        """Returns the optimizer's state."""
        return self._transform().init(params)

    def update(self, grads: Params, state: Any, params: Params, step: Number, num_steps: int) -> tuple[Params, Any]:
        """Returns the next parameters and state."""
        directions, state = self._transform().update(grads, state, params)
        rate = self.learning_rate * self.learning_rate_schedule.falling(step, num_steps)
        return jax.tree.map(lambda p, d: p - rate * d, params, directions), state
