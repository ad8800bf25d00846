"""Functions that stay finite and accurate, with finite gradients, over the whole of float32."""

import math
from collections.abc import Callable
from typing import Any

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


_FACTORS = 16  # (1 + e^-|x|) <= 2 each, so that no product overflows


@jax.custom_jvp
def sum_softplus(x: Float[Array, " D"]) -> Float[Array, ""]:
    """Returns sum_d log(1 + e^x_d), with an absolute error of float32's 6e-8 a number; relative where D < 16.

    A logarithm for every sixteen numbers: of a decoder of images, those of a plain softplus take as long as its matrix
    products.
    """
    # log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), and a sum of logarithms is the logarithm of the product
    size = x.shape[0] - x.shape[0] % _FACTORS
    whole, rest = x[:size].reshape(_FACTORS, -1), x[size:]
    # Both in one pass: as two reductions, XLA would write x out for the second.
    products, tops = jax.lax.reduce(
        (1.0 + jnp.exp(-jnp.abs(whole)), jnp.maximum(whole, 0.0)),
        (jnp.ones((), x.dtype), jnp.zeros((), x.dtype)),
        lambda a, b: (a[0] * b[0], a[1] + b[1]),
        (0,),
    )
    return jnp.sum(tops) + jnp.sum(jnp.log(products)) + jnp.sum(jax.nn.softplus(rest))


@sum_softplus.defjvp
def _sum_softplus_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # d/dx log(1 + e^x) = sigmoid(x)
    return sum_softplus(*primals), jnp.sum(jax.nn.sigmoid(primals[0]) * tangents[0])


def logit(p: Float[Array, "*S"], margin: float = 1e-3) -> Float[Array, "*S"]:
    """Returns log p - log(1 - p) of p clipped to [margin, 1 - margin]."""
    p = jnp.clip(p, margin, 1.0 - margin)
    return jnp.log(p) - jnp.log1p(-p)


def stirling_error(a: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """Returns log Gamma(a) - ((a - 1/2) log a - a + 1/2 log 2 pi) for a > 0, what Stirling's formula leaves out.

    References:
        Loader, "Fast and Accurate Computation of Binomial Probabilities", 2000.
    """
    # 1/(12 a) - 1/(360 a^3) + 1/(1260 a^5) - 1/(1680 a^7): the next term is 1e-11 at 8
    large = jnp.where(a < 8.0, 8.0, a)  # no maximum: at 8 itself it would halve the gradient
    inverse = 1.0 / large
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    small = jnp.where(a < 8.0, a, 8.0)  # here lgamma and its leading terms are small numbers
    direct = jax.lax.lgamma(small) - ((small - 0.5) * jnp.log(small) - small + 0.5 * math.log(2.0 * math.pi))
    return jnp.where(a < 8.0, direct, series)


def log1p_gap(t: Float[Array, "*S"], log_ratio: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """Returns t - log(1 + t) >= 0, which is what deviances are made of.

    Args:
        t: above -1.
        log_ratio: log(1 + t), from numbers that have more digits of it than t near -1 or far above 1.
    """
    # With v = t / (2 + t), log(1 + t) = 2 atanh v, so t - log(1 + t) = t v - 2 v^3 (1/3 + v^2/5 + ...): no cancellation
    near = jnp.abs(t) < 0.25
    small = jnp.where(near, t, 0.0)
    v = small / (2.0 + small)
    v2 = v * v
    tail = v * v2 * (1 / 3 + v2 * (1 / 5 + v2 * (1 / 7 + v2 * (1 / 9 + v2 / 11))))
    return jnp.where(near, small * v - 2.0 * tail, t - log_ratio)


def bisect(rising: Callable[[Any], Any], target: Float[Array, "*S"], size: float) -> Float[Array, "*S"]:
    """Returns where a rising elementwise function takes the values `target`, searched in [-size, size]."""

    def halve(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = 0.5 * (low + high)
        below = rising(middle) < target
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    # 50 halvings: far beyond float32's digits of any size
    low, high = jax.lax.fori_loop(0, 50, halve, (jnp.full_like(target, -size), jnp.full_like(target, size)))
    return 0.5 * (low + high)


def in_types_of[T](before: T, after: T) -> T:
    """Returns a loop's state with the types that it had: where a user's `jax_enable_x64` widens a draw, JAX refuses."""
    return jax.tree.map(lambda old, new: new.astype(old.dtype), before, after)


@jax.custom_jvp
def log_mean_exp(x: Float[Array, "*S K"]) -> Float[Array, "*S"]:
    """Returns log 1/K sum_k e^x_k over the last axis; its gradient is `normalized(x)`, also where x is infinite."""
    return jax.nn.logsumexp(x, axis=-1) - jnp.asarray(math.log(x.shape[-1]), x.dtype)


@log_mean_exp.defjvp
def _log_mean_exp_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    e = jnp.exp(_below_top(primals[0]))
    return log_mean_exp(*primals), jnp.sum(e * tangents[0], axis=-1) / jnp.sum(e, axis=-1)


def normalized(x: Float[Array, "*S K"]) -> Float[Array, "*S K"]:
    """Returns e^x_k / sum_j e^x_j over the last axis; numbers at an infinite maximum share the whole equally."""
    return jax.nn.softmax(_below_top(x), axis=-1)


def _below_top(x: Float[Array, "*S K"]) -> Float[Array, "*S K"]:
    # inf - inf is NaN: where the maximum is infinite, one that is equal to it is 0 below it, and any other far below.
    top = jax.lax.stop_gradient(jnp.max(x, axis=-1, keepdims=True))
    return jnp.where(jnp.isfinite(top), x - top, jnp.where(x == top, 0.0, -jnp.inf))
