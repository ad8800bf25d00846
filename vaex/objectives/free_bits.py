"""A rate below which nothing is gained."""

from typing import Any, ClassVar

import jax.numpy as jnp

from vaex import _check
from vaex._check import VaexError
from vaex.objectives.base import Context, Draws, State
from vaex.objectives.weighted import Weighed, WeightedELBO
from vaex.part import part, static
from vaex.schedules import Constant, Schedule
from vaex.typing import Scalar


@part
class FreeBits(WeightedELBO):
    """loss = distortion + beta s(t) sum_g max(free, E_x KL_g): the first `free` nats a group cost nothing.

    A group is `group_size` neighbouring latents, one by default; its KL is averaged over the batch before the maximum.

    References:
        Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", 2016, Appendix C.
    """

    linear_in_rate: ClassVar[bool] = False

    free: float = 0.1  # nats a group
    group_size: int = static(default=1)  # latents
    beta: float = 1.0
    beta_schedule: Schedule = Constant()

    def __post_init__(self) -> None:
        WeightedELBO.__post_init__(self)
        _check.at_least("objective.free", self.free, 0.0)
        _check.whole("objective.group_size", self.group_size)
        _check.at_least("objective.beta", self.beta, 0.0)
        if self.kl == "sampled":
            raise VaexError(
                "objective.kl=sampled has no KL of each latent, which free bits compare; use objective.kl=analytic"
            )

    def check(self, model: Any, num_steps: int) -> None:
        """Raises `VaexError` where the groups do not divide the latents, or a schedule outlasts the run."""
        WeightedELBO.check(self, model, num_steps)
        self.beta_schedule.check("objective.beta_schedule", num_steps)
        if model.latent_dim % self.group_size:
            raise VaexError(
                f"objective.group_size={self.group_size}: expected a divisor of latent_dim={model.latent_dim}"
            )

    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns distortion + beta s(t) sum_g max(free, KL_g)."""
        del rate
        charged = jnp.float32(0.0)
        for level in draws.levels:
            assert level.kl is not None
            share = (ctx.weights / jnp.sum(ctx.weights))[:, None]
            by_latent = jnp.sum(share * jnp.mean(level.kl, axis=1), axis=0)  # [Z], over draws and the batch
            groups = jnp.sum(by_latent.reshape(-1, self.group_size), axis=1)
            charged += jnp.sum(jnp.maximum(groups, self.free))
        beta = self.beta * self.beta_schedule.rising(ctx.step, ctx.num_steps)
        return Weighed(dist + beta * charged, dist + self.beta * charged, beta, state, {"charged_rate": charged})
