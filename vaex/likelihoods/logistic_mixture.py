"""Levels as bins of a mixture of logistic distributions."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.likelihoods.discretized_logistic import draw_level, log_mass, log_scale_of, mean_of, start_of_means
from vaex.likelihoods.levels import Levels
from vaex.numerics import soft_clip
from vaex.part import part, static
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats


class _Pixel(NamedTuple):
    """The parameters of all pixels."""

    log_weights: Float[Array, "*P M"]
    means: Float[Array, "*P M C"]
    log_scales: Float[Array, "*P M C"]
    slopes: Float[Array, "*P M C C"]  # of channel c in the earlier channels: strictly lower triangular


@part
class LogisticMixture(Levels):
    """P(pixel) = sum_i w_i prod_c P(k_c | m_ic + sum_{j<c} a_icj u_j, s_ic): M discretized logistics a pixel.

    One component is drawn a pixel, and the mean of each channel depends linearly on the pixel's own earlier channels, u
    = 2 x - 1; the slopes are tanh of raw outputs. A value of a vector is a pixel of one channel.

    References:
        Salimans et al., "PixelCNN++", 2017, Eq. 1 to 3.
    """

    components: int = static(default=5)  # M

    name: ClassVar[str] = "logistic_mixture"

    def __post_init__(self) -> None:
        Levels.__post_init__(self)
        _check.whole("likelihood.components", self.components)

    def raw_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns `(*pixels, n)`, n = M (1 + 2 C + C (C - 1) / 2)."""
        channels = event_shape[-1] if len(event_shape) == 3 else 1
        pixels = event_shape[:-1] if len(event_shape) == 3 else event_shape
        return (*pixels, self.components * (1 + 2 * channels + channels * (channels - 1) // 2))

    def _pixel(self, raw: Raw) -> _Pixel:
        raw = jnp.asarray(raw)
        each = raw.reshape(*raw.shape[:-1], self.components, -1)  # [*P, M, 1 + 2 C + C (C - 1) / 2]
        channels = self._channels(raw)
        weights, means, scales, slopes = jnp.split(each, [1, 1 + channels, 1 + 2 * channels], axis=-1)
        rows, cols = jnp.tril_indices(channels, -1)
        full = jnp.zeros((*each.shape[:-1], channels, channels), raw.dtype).at[..., rows, cols].set(jnp.tanh(slopes))
        return _Pixel(jax.nn.log_softmax(weights[..., 0]), means, soft_clip(scales), full)

    def _channels(self, raw: Raw) -> int:
        per = raw.shape[-1] // self.components
        return next(c for c in range(1, per) if 1 + 2 * c + c * (c - 1) // 2 == per)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns components side by side around the data's mean, slopes of 0, and scales of the data's spread."""
        mean = jnp.asarray(stats.mean)
        images = mean.ndim == 3
        mean = mean if images else mean[..., None]  # [*P, C]
        log_scale, channels = log_scale_of(stats), mean.shape[-1]
        # Apart by a tenth of the scale, or all components would have one gradient and stay one; symmetric around 0.
        offsets = jnp.linspace(-0.1, 0.1, self.components) if self.components > 1 else jnp.zeros(1)
        offsets = offsets * jnp.exp(log_scale)
        centre = start_of_means(mean, log_scale, self.steps, offsets)[..., None, :]
        means = jnp.broadcast_to(centre + offsets[:, None], (*mean.shape[:-1], self.components, channels))
        zeros = jnp.zeros((*mean.shape[:-1], self.components, 1))
        slopes = jnp.zeros((*mean.shape[:-1], self.components, channels * (channels - 1) // 2))
        each = jnp.concatenate([zeros, means, jnp.full_like(means, log_scale), slopes], axis=-1)
        return each.reshape(*mean.shape[:-1], -1)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log P(pixel), in nats."""
        del params
        pixel = self._pixel(raw)
        k = self.level(x).reshape(*pixel.means.shape[:-2], 1, -1)  # [*P, 1, C]
        u = 2.0 * k / self.steps - 1.0
        # m_c + sum_{j<c} a_cj u_j, on the true values of the earlier channels
        means = pixel.means + jnp.sum(pixel.slopes * u[..., None, :], axis=-1)
        of_channels = log_mass(jnp.broadcast_to(k, means.shape), means, pixel.log_scales, self.steps)
        return jnp.sum(jax.nn.logsumexp(pixel.log_weights + jnp.sum(of_channels, axis=-1), axis=-1))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns E[x], exact for one channel.

        Of several channels the later ones' means are taken at the earlier ones' means, which would be exact if levels
        were neither rounded nor clipped at both ends: an approximation where few levels or much clipping are at play.
        """
        del params
        pixel = self._pixel(raw)
        found: list[Array] = []  # E x of each channel under each component
        for c in range(pixel.means.shape[-1]):
            mean = pixel.means[..., c]
            for j, earlier in enumerate(found):
                mean = mean + pixel.slopes[..., c, j] * (2.0 * earlier - 1.0)
            found.append(mean_of(mean, pixel.log_scales[..., c], self.steps))
        weights = jnp.exp(pixel.log_weights)
        channels = jnp.stack([jnp.sum(weights * of_component, axis=-1) for of_component in found], axis=-1)
        return channels if len(raw.shape) == 3 else channels[..., 0]

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns levels in [0, 1]: a component a pixel, then its channels in order."""
        del params
        pixel = self._pixel(raw)
        keys = jax.random.split(key, 1 + pixel.means.shape[-1])
        which = jax.random.categorical(keys[0], pixel.log_weights)[..., None]

        def chosen(a: Float[Array, "*P M"]) -> Float[Array, "*P"]:
            return jnp.take_along_axis(a, which, axis=-1)[..., 0]

        found: list[Array] = []
        for c, own in enumerate(keys[1:]):
            mean = chosen(pixel.means[..., c])
            for j, earlier in enumerate(found):
                mean = mean + chosen(pixel.slopes[..., c, j]) * (2.0 * earlier - 1.0)
            found.append(draw_level(own, mean, chosen(pixel.log_scales[..., c]), self.steps))
        channels = jnp.stack(found, axis=-1)
        return channels if len(raw.shape) == 3 else channels[..., 0]
