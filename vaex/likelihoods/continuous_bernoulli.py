"""Values in [0, 1] under the normalised form of the Bernoulli cross-entropy."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.likelihoods.base import Likelihood, flat
from vaex.numerics import bisect
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

_NEAR = 1.0  # |logit| below which series in it are used: the ratios are 0/0 at 0


@part
class ContinuousBernoulli(Likelihood):
    """p(x) = C(s) s^x (1 - s)^(1 - x) on [0, 1] with s = sigmoid(l) and C(s) = l / tanh(l / 2).

    References:
        Loaiza-Ganem and Cunningham, "The Continuous Bernoulli", 2019.
    """

    name: ClassVar[str] = "continuous_bernoulli"
    support: ClassVar[str] = "unit_interval"
    measure: ClassVar[str] = "lebesgue"

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the logit whose mean is the data's, by bisection, the mean clipped to [.001, .999]."""
        target = jnp.clip(jnp.asarray(stats.mean), 1e-3, 1.0 - 1e-3)
        return bisect(_mean, target, 2e3)  # far out the mean is 1 - 1/l

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x | l), in nats."""
        del params
        x, raw = flat(x), flat(raw)
        size = jnp.abs(raw)
        near = size < _NEAR
        # log p = l (x - 1/2) - log(sinh(l/2) / (l/2)), even and smooth around 0
        half = jnp.where(near, 0.5 * raw, 0.0)
        h2 = half * half
        inner = 2.0 * half * (x - 0.5) - h2 * (1 / 6 - h2 * (1 / 180 - h2 * (1 / 2835 - h2 / 37800)))
        # log p = -|l| y + log |l| - log(1 - exp(-|l|)), y the distance from the end that l favours: nothing cancels
        far = jnp.where(near, 1.0, size)
        distance = jnp.where(raw > 0, 1.0 - x, x)
        outer = -far * distance + jnp.log(far) - jnp.log(-jnp.expm1(-far))
        return jnp.sum(jnp.where(near, inner, outer))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns 1 / (1 - exp(-l)) - 1 / l."""
        del params
        return _mean(jnp.asarray(raw))

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns draws by the inverse of the distribution function."""
        del params
        raw = jnp.asarray(raw)
        u = jax.random.uniform(key, raw.shape, raw.dtype)
        # For l > 0: x = 1 + log(1 - u (1 - exp(-l))) / l; for l < 0 the mirror image. u is never 1, where far out the
        # rounded logarithm would be of 0 and the draw at the end that l all but excludes.
        size = jnp.maximum(jnp.abs(raw), 1e-6)
        x = jnp.clip(1.0 + jnp.log1p(u * jnp.expm1(-size)) / size, 0.0, 1.0)
        return jnp.where(raw > 0, x, 1.0 - x)


def _mean(raw: Float[Array, "*S"]) -> Float[Array, "*S"]:
    near = jnp.abs(raw) < _NEAR
    small, far = jnp.where(near, raw, 0.0), jnp.where(near, 1.0, jnp.abs(raw))
    s2 = small * small
    # 1/2 + l/12 - l^3/720 + l^5/30240 - l^7/1209600
    inner = 0.5 + small * (1 / 12 - s2 * (1 / 720 - s2 * (1 / 30240 - s2 / 1209600)))
    # At l = -|l|: 1/|l| - exp(-|l|) / (1 - exp(-|l|)), whose slope is finite at any size; at |l| the mirror image
    low = 1.0 / far + jnp.exp(-far) / jnp.expm1(-far)
    return jnp.where(near, inner, jnp.where(raw > 0, 1.0 - low, low))
