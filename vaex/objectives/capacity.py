"""A rate that is pulled to a target which grows."""

from typing import ClassVar

import jax.numpy as jnp

from vaex import _check
from vaex.objectives.base import Context, Draws, State
from vaex.objectives.weighted import Weighed, WeightedELBO
from vaex.part import part
from vaex.schedules import Linear, Schedule
from vaex.typing import Scalar


@part
class Capacity(WeightedELBO):
    """loss = distortion + gamma |rate - C s(t)|: the rate follows a capacity that rises to C nats.

    References:
        Burgess et al., "Understanding Disentangling in beta-VAE", 2018.
    """

    linear_in_rate: ClassVar[bool] = False
    beta_is_weight: ClassVar[bool] = False  # a pull of either sign, which no noise stands for

    gamma: float = 100.0
    capacity: float = 25.0  # C, nats per datum
    capacity_schedule: Schedule = Linear()

    def __post_init__(self) -> None:
        WeightedELBO.__post_init__(self)
        _check.at_least("objective.gamma", self.gamma, 0.0)
        _check.at_least("objective.capacity", self.capacity, 0.0)
        _check.instance(
            *("objective.capacity_schedule", self.capacity_schedule, Schedule),
            "schedule@objective.capacity_schedule=linear",
        )

    def check_weights(self, num_steps: int) -> None:
        """Raises `VaexError` where the schedule outlasts the run."""
        self.capacity_schedule.check("objective.capacity_schedule", num_steps)

    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns distortion + gamma |rate - C s(t)|; `beta` is gamma, or -gamma below the capacity."""
        del draws
        now = self.capacity * self.capacity_schedule.rising(ctx.step, ctx.num_steps)
        loss = dist + self.gamma * jnp.abs(rate - now)
        final = dist + self.gamma * jnp.abs(rate - self.capacity)
        return Weighed(loss, final, self.gamma * jnp.sign(rate - now), state, {"capacity": now})
