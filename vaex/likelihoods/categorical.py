"""A free probability for every level."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.likelihoods.levels import Levels
from vaex.numerics import bisect
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats


@part
class Categorical(Levels):
    """P(k) = softmax(l)_k, with L logits a value: any distribution of levels, and no order among them.

    References:
        van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016.
    """

    name: ClassVar[str] = "categorical"

    def raw_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns `(*event, L)`."""
        return (*event_shape, self.steps + 1)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns logits t k / (L - 1), the flattest with the data's mean (clipped to [.001, .999]), by bisection."""
        target = jnp.clip(jnp.asarray(stats.mean), 1e-3, 1.0 - 1e-3)
        values = self._values(target.dtype)

        def mean(tilt: Array) -> Array:
            return jax.nn.softmax(tilt[..., None] * values) @ values

        # The mean of exp(t x) on [0, 1] is about 1 - 1/t far out, more on few levels.
        return bisect(mean, target, 2e3)[..., None] * values

    def _values(self, dtype: jnp.dtype) -> Float[Array, " L"]:
        return jnp.arange(self.steps + 1, dtype=dtype) / self.steps

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log P(k), in nats."""
        del params
        raw = jnp.asarray(raw)
        k = self.level(x).astype(jnp.int32)[..., None]
        return jnp.sum(jnp.take_along_axis(jax.nn.log_softmax(raw), k, axis=-1))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns sum_k P(k) k / (L - 1)."""
        del params
        raw = jnp.asarray(raw)
        return jax.nn.softmax(raw) @ self._values(raw.dtype)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns levels in [0, 1]."""
        del params
        return jax.random.categorical(key, raw).astype(raw.dtype) / self.steps
