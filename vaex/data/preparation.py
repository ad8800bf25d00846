"""From what is stored (bytes) to what the model sees, inside jit; and back to the data's own units."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vaex.part import part, static
from vaex.typing import ArrayLike, PRNGKey


@part
class Preparation:
    """Returns x = (given - shift) / scale with given = stored / divisor, binarized or dequantized afresh where asked.

    Works alike on one example, on a batch, and on NumPy or JAX arrays. `shift` and `scale` come from the training
    split: [D] for vectors, [C] for images, 0 and 1 without `data.rescale`.
    """

    shift: jax.Array | np.ndarray | np.floating | float = 0.0
    scale: jax.Array | np.ndarray | np.floating | float = 1.0
    divisor: float = static(default=1.0)  # 255 for 8-bit images (256 dequantized), 16 for digits, 1 for real numbers
    dynamic: bool = static(default=False)  # binarize afresh whenever a key is given
    dequantize: bool = static(default=False)  # add uniform noise of one level afresh whenever a key is given
    binary: bool = static(default=False)  # the model's x is 0 or 1
    counts: bool = static(default=False)  # the model's x is the level itself, though given in [0, 1]

    def __call__(self, stored: ArrayLike, key: PRNGKey | None = None) -> ArrayLike:
        """Returns x in float32, [*event] or [B, *event] as `stored` is.

        Args:
            stored: levels or real numbers, as in `Dataset.train`.
            key: for dynamic binarization, which is the identity on data that are 0 or 1 already, and for
                dequantization; unused without them.
        """
        if self.dequantize and key is not None:
            # given = (k + u) / levels, u ~ U(0, 1)
            stored = stored + level_noise(jax.random.bits(key, stored.shape, np.uint16))
        if self.counts:
            return stored.astype(np.float32)
        given = self.given(stored)
        if self.dynamic and key is not None:
            # x ~ Bernoulli(given)
            given = jax.random.bernoulli(key, jnp.asarray(given)).astype(jnp.float32)
        return self.forward(given)

    def given(self, stored: ArrayLike) -> ArrayLike:
        """Returns the data as given, in their own units: stored / divisor, in float32."""
        return stored.astype(np.float32) / np.float32(self.divisor)

    def forward(self, given: ArrayLike) -> ArrayLike:
        """Returns the model's x for data in their own units (never binarized)."""
        if self.counts:
            return (given * np.float32(self.divisor)).round()
        return (given - _float32(self.shift)) / _float32(self.scale)

    def inverse(self, x: ArrayLike) -> ArrayLike:
        """Returns the model's x in the data's own units."""
        return x / np.float32(self.divisor) if self.counts else x * _float32(self.scale) + _float32(self.shift)

    def log_jacobian(self, event_shape: tuple[int, ...]) -> Any:
        """Returns log |d x / d given| in nats, over the event: log p(given) = log p(x) + this."""
        # x = (given - shift) / scale  =>  log |d x / d given| = - sum log scale
        if isinstance(self.scale, jax.Array):  # inside jit
            return -jnp.sum(jnp.log(jnp.broadcast_to(self.scale, event_shape)))
        scale = np.broadcast_to(np.asarray(self.scale, np.float64), event_shape)
        return -math.fsum(np.log(scale).ravel())


def level_noise(bits: ArrayLike) -> Any:
    """Returns u in (0, 1) from 16 random bits: the midpoints of 2^15 cells.

    So k + u is exact in float32 for k below 256, and (k + u) / levels never rounds to 0 or 1, where a density on the
    open interval has none.
    """
    return ((bits >> 1).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-15)


def _float32(value: Any) -> Any:
    """Returns `value` so that it promotes nothing to float64: a tracer or float32."""
    return value if isinstance(value, jax.Array) else np.asarray(value, np.float32)
