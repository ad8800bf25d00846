"""The variational Renyi bound."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.objectives.bound import Bound
from vaex.objectives.iwae import log_mean_exp
from vaex.part import part
from vaex.typing import Scalar


@part
class Renyi(Bound):
    """L_alpha = 1/(1 - alpha) log 1/K sum_k w_k^(1 - alpha): IWAE at alpha = 0, the ELBO at alpha = 1.

    With alpha below 0 the exact quantity is an upper bound of log p(x); the K-sample estimate approaches it from below.

    References:
        Li and Turner, "Renyi Divergence Variational Inference", 2016.
    """

    alpha: float = 0.5

    def value(self, log_w: Float[Array, " K"]) -> Scalar:
        """Returns the bound at these weights, in nats."""
        # With c = 1 - alpha and m = mean log w:  m + 1/c log mean exp(c (log w - m)), which is m at c = 0.
        c = jnp.asarray(1.0 - self.alpha, log_w.dtype)
        mean = jnp.mean(log_w)
        scaled = c * (log_w - mean)
        small = jnp.max(jnp.abs(scaled)) < 0.5
        # log1p(mean expm1(.)) keeps the digits that a log-mean-exp of numbers near 0 loses before it is divided by c.
        near = jnp.log1p(jnp.mean(jnp.expm1(jnp.where(small, scaled, 0.0))))
        tilted = jnp.where(small, near, log_mean_exp(scaled))
        safe = jnp.where(c == 0.0, 1.0, c)
        return mean + jnp.where(c == 0.0, 0.0, tilted / safe)

    def path(self, log_w: Float[Array, " K"]) -> Float[Array, " K"]:
        """Returns alpha + (1 - alpha) v, with v the normalised w^(1 - alpha)."""
        # g = v, g' = (1 - alpha) v (1 - v):  1 - g'/g = alpha + (1 - alpha) v
        c = 1.0 - self.alpha
        return 1.0 - c + c * jax.nn.softmax(c * log_w)
