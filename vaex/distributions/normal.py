"""Independent normal distributions."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vaex.distributions.kl import register_kl
from vaex.part import part
from vaex.typing import PRNGKey, Scalar

LOG_2PI = math.log(2.0 * math.pi)


def normal_log_density(
    x: Float[Array | np.ndarray, "*#S"],
    loc: Float[Array | np.ndarray, "*#S"],
    log_scale: Float[Array | np.ndarray, "*#S"],
) -> Float[Array, "*S"]:
    """Returns log N(x; loc, exp(log_scale)^2) elementwise, in nats."""
    # log N = -1/2 ((x - mu)/s)^2 - log s - 1/2 log 2 pi
    return -0.5 * jnp.square((x - loc) * jnp.exp(-log_scale)) - log_scale - 0.5 * LOG_2PI


@part
class Normal:
    """Z independent normals."""

    loc: Float[Array | np.ndarray, "*B Z"]
    log_scale: Float[Array | np.ndarray, "*B Z"]

    has_log_prob: ClassVar[bool] = True
    factorized: ClassVar[bool] = True

    @property
    def mean(self) -> Float[Array | np.ndarray, "*B Z"]:
        """The mean of z."""
        return self.loc

    @property
    def variance(self) -> Float[Array, "*B Z"]:
        """The variance of every dimension of z."""
        return jnp.exp(2.0 * self.log_scale)

    def sample_and_log_prob(self, key: PRNGKey) -> tuple[Float[Array, " Z"], Scalar]:
        """Returns z = mu + s eps and log q(z), in nats."""
        eps = jax.random.normal(key, self.loc.shape, self.loc.dtype)
        # log q(z) = -1/2 eps^2 - log s - 1/2 log 2 pi, summed; from eps, since (z - mu)/s would lose digits
        log_q = jnp.sum(-0.5 * jnp.square(eps) - self.log_scale - 0.5 * LOG_2PI, axis=-1)
        return jnp.asarray(self.loc + jnp.exp(self.log_scale) * eps), log_q

    def log_prob(self, z: Float[Array, " Z"]) -> Scalar:
        """Returns log p(z) in nats, summed over Z."""
        return jnp.sum(self.log_prob_each(z), axis=-1)

    def log_prob_each(self, z: Float[Array, "*#B Z"]) -> Float[Array, "*B Z"]:
        """Returns log p(z_d) of each dimension by itself, in nats."""
        return normal_log_density(z, self.loc, self.log_scale)


@register_kl(Normal, Normal)
def _kl_normal_normal(q: Normal, p: Normal) -> Float[Array, "*B Z"]:
    # KL = log(sp/sq) + (sq^2 + (mq - mp)^2) / (2 sp^2) - 1/2
    #    = 1/2 (expm1(2 d) - 2 d + ((mq - mp)/sp)^2),  d = log(sq/sp): no cancellation of the -1 near equality
    d = q.log_scale - p.log_scale
    return 0.5 * (jnp.expm1(2.0 * d) - 2.0 * d + jnp.square((q.loc - p.loc) * jnp.exp(-p.log_scale)))
