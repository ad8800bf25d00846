"""Elementwise functions that stay finite, with finite gradients, over the whole of float32."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LOG_SCALE_BOUNDS = (-7.0, 7.0)  # of every learned log standard deviation: variances from 8e-7 to 1.2e6


def soft_clip(x: Float[Array, "*S"], bounds: tuple[float, float] = LOG_SCALE_BOUNDS) -> Float[Array, "*S"]:
    """Returns x bent smoothly into `bounds`: the identity to 1e-3 where both are seven units away.

    A hard clip has no gradient outside, so a scale that leaves the bounds once would never come back.
    """
    low, high = bounds
    x = high - jax.nn.softplus(high - x)
    return low + jax.nn.softplus(x - low)


def logit(p: Float[Array, "*S"], margin: float = 1e-3) -> Float[Array, "*S"]:
    """Returns log p - log(1 - p) of p clipped to [margin, 1 - margin]."""
    p = jnp.clip(p, margin, 1.0 - margin)
    return jnp.log(p) - jnp.log1p(-p)
