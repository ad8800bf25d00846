"""From what is stored to what the model sees, inside jit; and back to the data's own units."""

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
    split: [D] for vectors, [C] for images, 0 and 1 without `data.rescale`. Real numbers that are rescaled are stored as
    x (`rescaled`): an offset may dwarf the spread beyond what float32 holds, so they are rescaled on the host, with a
    `shift` and a `scale` in float64, and on the host they come back in float64.
    """

    shift: jax.Array | np.ndarray | np.floating | float = 0.0
    scale: jax.Array | np.ndarray | np.floating | float = 1.0
    divisor: float = static(default=1.0)  # 255 for 8-bit images (256 dequantized), 16 for digits, 1 for real numbers
    dynamic: bool = static(default=False)  # binarize afresh whenever a key is given
    dequantize: bool = static(default=False)  # add uniform noise of one level afresh whenever a key is given
    binary: bool = static(default=False)  # the model's x is 0 or 1
    counts: bool = static(default=False)  # the model's x is the level itself, though given in [0, 1]
    rescaled: bool = static(default=False)  # what is stored is rescaled already

    @property
    def levels(self) -> int:
        """How many levels there are; 2 where the data are real numbers."""
        return int(self.divisor) + (not self.dequantize)

    def __call__(self, stored: ArrayLike, key: PRNGKey | None = None) -> ArrayLike:
        """Returns x in float32, [*event] or [B, *event] as `stored` is.

        Args:
            stored: levels or real numbers, as in `Dataset.train`.
            key: for dynamic binarization, which is the identity on data that are 0 or 1 already, and for
                dequantization; unused without them.
        """
        if self.dequantize and key is not None:
            stored = self.spread(stored, level_noise(jax.random.bits(key, stored.shape, np.uint16)))
        if self.counts or self.rescaled:
            return stored.astype(np.float32)
        given = self.given(stored)
        if self.dynamic and key is not None:
            # x ~ Bernoulli(given)
            given = jax.random.bernoulli(key, jnp.asarray(given)).astype(jnp.float32)
        return self.forward(given)

    def spread(self, stored: ArrayLike, noise: Any) -> ArrayLike:
        """Returns what is stored of levels k with noise u of one level added: given = (k + u) / levels."""
        # rescaled: x = (k + u - shift) / scale = (k - shift) / scale + u / scale
        return stored + (noise / _float32(self.scale) if self.rescaled else noise)

    def given(self, stored: ArrayLike) -> ArrayLike:
        """Returns the data as given, in their own units: stored / divisor in float32, or what was rescaled undone."""
        if self.rescaled:
            return self.inverse(stored)
        return stored.astype(np.float32) / np.float32(self.divisor)

    def forward(self, given: ArrayLike) -> ArrayLike:
        """Returns the model's x for data in their own units (never binarized)."""
        if self.counts:
            return (given * np.float32(self.divisor)).round()
        shift, scale = _exact(self.shift), _exact(self.scale)
        return ((given.astype(shift.dtype) - shift) / scale).astype(np.float32)

    def inverse(self, x: ArrayLike) -> ArrayLike:
        """Returns the model's x in the data's own units: in float64 on the host where `shift` and `scale` are."""
        return x / np.float32(self.divisor) if self.counts else x * _exact(self.scale) + _exact(self.shift)

    def inverse_difference(self, difference: ArrayLike) -> ArrayLike:
        """Returns the difference of two of the model's x in the data's own units, in which no offset is left."""
        return difference / np.float32(self.divisor) if self.counts else difference * _exact(self.scale)

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


def _exact(value: Any) -> Any:
    """Returns `value` in its own precision: a tracer, float64 of the data's own numbers, or float32."""
    return value if getattr(value, "dtype", None) == np.float64 else _float32(value)
