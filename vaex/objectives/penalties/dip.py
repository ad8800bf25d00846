"""A covariance of the aggregate posterior that is to be the identity."""

from typing import Any

import jax.numpy as jnp

from vaex import _check
from vaex.objectives.base import Context, Draws, Terms
from vaex.objectives.penalties.base import Penalty
from vaex.part import part, static
from vaex.typing import Scalar


@part
class DIP(Penalty):
    """a sum_{i != j} C_ij^2 + b sum_i (C_ii - 1)^2, with C the batch's covariance (divided by B).

    `kind=i`: C = Cov[E_q z], of the posterior means. `kind=ii`: C = Cov[z] = Cov[E_q z] + E[Var_q z], of z itself.
    Unitless.

    References:
        Kumar, Sattigeri and Balakrishnan, "Variational Inference of Disentangled Latent Concepts", 2018.
    """

    off_diagonal: float = 10.0  # a
    diagonal: float = 10.0  # b
    kind: str = static(default="ii")

    def __post_init__(self) -> None:
        _check.one_of("objective.penalty.kind", self.kind, ("i", "ii"))
        _check.at_least("objective.penalty.off_diagonal", self.off_diagonal, 0.0)
        _check.at_least("objective.penalty.diagonal", self.diagonal, 0.0)

    def __call__(self, draws: Draws, ctx: Context) -> tuple[Scalar, Terms]:
        """Returns the penalty, and its two sums of squares."""
        q: Any = draws.levels[0].q  # factorized, as `Penalty.check` has seen
        weights = jnp.asarray(ctx.weights)
        share = (weights / jnp.sum(weights))[:, None]
        # C = E[(mu - E mu)(mu - E mu)^T]: the mean is that over the batch
        centred = q.mean - jnp.sum(share * q.mean, axis=0)
        cov = centred.T @ (share * centred)
        if self.kind == "ii":
            cov = cov + jnp.diag(jnp.sum(share * q.variance, axis=0))
        variances = jnp.diag(cov)
        off = jnp.sum(jnp.square(cov)) - jnp.sum(jnp.square(variances))
        on = jnp.sum(jnp.square(variances - 1.0))
        penalty = self.off_diagonal * off + self.diagonal * on
        return penalty, {"dip_off_diagonal": off, "dip_diagonal": on}
