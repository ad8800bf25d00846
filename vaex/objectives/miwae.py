"""A mean of several importance-weighted bounds."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.numerics import log_mean_exp, normalized
from vaex.objectives.grouped import GroupedBound
from vaex.part import part
from vaex.typing import Scalar


@part
class MIWAE(GroupedBound):
    """L = 1/M sum_m log 1/K sum_k w_mk, of M x K draws: a bound as loose as IWAE's with K, with less noisy gradients.

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 5.
    """

    def value(self, log_w: Float[Array, " MK"]) -> Scalar:
        """Returns the mean over groups of log mean w, in nats."""
        return jnp.mean(log_mean_exp(self.groups(log_w)))

    def path(self, log_w: Float[Array, " MK"]) -> Float[Array, " MK"]:
        """Returns the weights, normalised within each group."""
        return normalized(self.groups(log_w)).reshape(-1)
