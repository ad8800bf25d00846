"""Levels as bins of a logistic distribution."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.likelihoods.base import flat
from vaex.likelihoods.levels import Levels
from vaex.numerics import bisect, soft_clip
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats


@part
class DiscretizedLogistic(Levels):
    """P(k) = sigmoid((u + h - m) / s) - sigmoid((u - h - m) / s), u = 2 x - 1, h = 1 / (L - 1); both end bins are open.

    So the masses sum to one. The decoder emits m, on the scale of u in [-1, 1], and a raw log s, bounded smoothly.

    References:
        Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", 2016.
        Salimans et al., "PixelCNN++", 2017, Eq. 2 (open end bins).
    """

    name: ClassVar[str] = "discretized_logistic"

    def raw_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns `(*event, 2)`: m and the raw log s."""
        return (*event_shape, 2)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the m whose mean is the data's, by bisection, and log s at the data's overall spread."""
        mean, log_scale = jnp.asarray(stats.mean), log_scale_of(stats)
        return jnp.stack(
            [start_of_means(mean, log_scale, self.steps, jnp.zeros(1)), jnp.full_like(mean, log_scale)], axis=-1
        )

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log P(k), in nats."""
        del params
        raw = jnp.asarray(raw)
        return jnp.sum(log_mass(flat(self.level(x)), flat(raw[..., 0]), soft_clip(flat(raw[..., 1])), self.steps))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns E[x], exactly."""
        del params
        raw = jnp.asarray(raw)
        return mean_of(raw[..., 0], soft_clip(raw[..., 1]), self.steps)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns levels in [0, 1]: a logistic draw, rounded to the nearest."""
        del params
        raw = jnp.asarray(raw)
        return draw_level(key, raw[..., 0], soft_clip(raw[..., 1]), self.steps)


def log_mass(
    k: Float[Array, "*S"], mean: Float[Array, "*S"], log_scale: Float[Array, "*S"], steps: int
) -> Float[Array, "*S"]:
    """Returns log P(k) of each level k = 0 ... steps, in nats."""
    half_bin = jnp.exp(-log_scale) / steps  # h / s
    # u / h = 2 k - steps. In half bins edges are whole numbers, so the upper edge of k and the lower edge of k + 1 are
    # the same float, and the masses sum to one to its last digits at any scale.
    high = half_bin * ((2.0 * k - steps + 1.0) - steps * mean)
    low = half_bin * ((2.0 * k - steps - 1.0) - steps * mean)
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), a - b = 2 h / s: exact in logarithms
    below, above = jax.nn.log_sigmoid(high), jax.nn.log_sigmoid(-low)
    inner = below + above + jnp.log(-jnp.expm1(-2.0 * half_bin))
    return jnp.where(k <= 0, below, jnp.where(k >= steps, above, inner))


def mean_of(mean: Float[Array, "*S"], log_scale: Float[Array, "*S"], steps: int) -> Float[Array, "*S"]:
    """Returns E[k] / steps of each, a level at a time, so that memory does not grow with their number."""
    half_bin = jnp.exp(-log_scale) / steps  # h / s

    def add(k: Array, total: Array) -> Array:
        # E k = sum_{k >= 1} P(K >= k), and P(K >= k) = sigmoid(-(u_k - h - m) / s)
        return total + jax.nn.sigmoid(half_bin * (steps * mean - (2.0 * k - steps - 1.0)))

    return jax.lax.fori_loop(1, steps + 1, add, jnp.zeros_like(mean)) / steps


def draw_level(key: PRNGKey, mean: Float[Array, "*S"], log_scale: Float[Array, "*S"], steps: int) -> Float[Array, "*S"]:
    """Returns a draw of each, k / steps."""
    u = mean + jnp.exp(log_scale) * jax.random.logistic(key, mean.shape, mean.dtype)
    return jnp.clip(jnp.round(0.5 * (u + 1.0) * steps), 0.0, steps) / steps


def log_scale_of(stats: Stats) -> Scalar:
    """Returns log s at which the logistic's standard deviation on [-1, 1] is the data's overall one."""
    # sd = s pi / sqrt(3), and u spans twice x
    spread = 2.0 * jnp.sqrt(jnp.mean(jnp.square(stats.std)))
    return jnp.log(jnp.maximum(spread * 3**0.5 / jnp.pi, 1e-2))


def start_of_means(
    target: Float[Array, "*S"], raw_log_scale: Scalar, steps: int, offsets: Float[Array, " M"]
) -> Float[Array, "*S"]:
    """Returns the m at which M logistics at m + offset have the mean `target`, clipped to [.001, .999]."""
    target, log_scale = jnp.clip(target, 1e-3, 1.0 - 1e-3), soft_clip(raw_log_scale)

    def mean(m: Array) -> Array:
        each = m[..., None] + offsets
        return jnp.mean(mean_of(each, jnp.full_like(each, log_scale), steps), axis=-1)

    return bisect(mean, target, 20.0)
