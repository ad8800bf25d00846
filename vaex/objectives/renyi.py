"""The variational Renyi bound."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.numerics import log_mean_exp, normalized
from vaex.objectives.bound import Bound
from vaex.part import part
from vaex.typing import Scalar


@part
class Renyi(Bound):
    """L_alpha = 1/(1 - alpha) log 1/K sum_k w_k^(1 - alpha): IWAE at alpha = 0, the ELBO at alpha = 1.

    With alpha below 0 the exact quantity is an upper bound of log p(x); the K-sample estimate approaches it from below.
    An impossible draw, w = 0, counts like any other below alpha = 1; from there on the bound is -inf.

    References:
        Li and Turner, "Renyi Divergence Variational Inference", 2016.
    """

    alpha: float = 0.5

    def value(self, log_w: Float[Array, " K"]) -> Scalar:
        """Returns the bound at these weights, in nats."""
        # With c = 1 - alpha and any t:  t + 1/c log mean exp(c (log w - t)); t such that no power is above 1.
        c = jnp.asarray(1.0 - self.alpha, log_w.dtype)
        t = jax.lax.stop_gradient(jnp.where(c < 0.0, jnp.min(log_w), jnp.max(log_w)))
        t = jnp.where(jnp.isfinite(t), t, 0.0)
        d = log_w - t
        # Near c = 0, with m = mean d:  m + 1/c log1p(mean expm1(c (d - m))), which is m at c = 0, keeps the digits that
        # a log-mean-exp of numbers near 0 loses before it is divided by c.
        mean = jnp.mean(d)
        scaled = c * (d - mean)
        near = (jnp.max(jnp.abs(scaled)) < 0.5) | (c == 0.0)
        close = jnp.log1p(jnp.mean(jnp.expm1(jnp.where(near & jnp.isfinite(scaled), scaled, 0.0))))
        safe = jnp.where(c == 0.0, 1.0, c)
        return t + jnp.where(near, mean + close / safe, log_mean_exp(safe * d) / safe)

    def path(self, log_w: Float[Array, " K"]) -> Float[Array, " K"]:
        """Returns alpha + (1 - alpha) v, with v the normalised w^(1 - alpha)."""
        # g = v, g' = (1 - alpha) v (1 - v):  1 - g'/g = alpha + (1 - alpha) v
        c = jnp.asarray(1.0 - self.alpha, log_w.dtype)
        return 1.0 - c + c * normalized(jnp.where(c == 0.0, 0.0, c * log_w))
