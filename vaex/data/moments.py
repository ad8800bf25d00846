"""Mean, spread and range of the training split, and what `data.rescale` makes of them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64

from vaex.data.splits import Examples, chunks, limits
from vaex.typing import Stats

PerValue = Float64[np.ndarray, "*event"]
_ROUNDING = 2.0**-48  # of the largest value: sixteen units in the last place of float64


class Moments(NamedTuple):
    """Of the training split in the data's own units, for each value of the event."""

    mean: PerValue
    var: PerValue  # ddof 0
    low: PerValue
    high: PerValue


def spread_over_a_level(moments: Moments, divisor: float) -> Moments:
    """Returns the moments of (k + u) / divisor, u ~ U(0, 1), from those of k / divisor."""
    # E u = 1/2, Var u = 1/12, independent of k
    mean, var, low, high = moments
    return Moments(mean + 0.5 / divisor, var + 1 / 12 / divisor**2, low, high + 1 / divisor)


class Rescaling(NamedTuple):
    """x = (given - shift) / scale, in float64 of real numbers and float32 of grey levels."""

    shift: np.ndarray | np.floating  # [D] for vectors, [C] for images, or 0
    scale: np.ndarray | np.floating

    def of(self, given: np.ndarray) -> Float32[np.ndarray, "*shape"]:
        """Returns x, computed in the precision of shift and scale."""
        return ((np.asarray(given, self.shift.dtype) - self.shift) / self.scale).astype(np.float32)


def moments(train: Examples, divisor: float) -> Moments:
    """Returns the moments of stored / divisor, accumulated in float64 over chunks."""
    total = np.zeros(train.shape[1:])
    for rows in chunks(train):
        total += train[rows].sum(0, dtype=np.float64)
    mean = total / len(train)
    squares = np.zeros(train.shape[1:])
    for rows in chunks(train):
        # The second pass subtracts the mean first: sums of squares would cancel where the mean is large.
        squares += np.square(np.asarray(train[rows], np.float64) - mean).sum(0)
    low, high = (a.astype(np.float64) for a in limits(train))
    return Moments(mean / divisor, squares / len(train) / divisor**2, low / divisor, high / divisor)


def rescaling(moments: Moments, rescale: str, dtype: Any) -> Rescaling:
    """Returns shift and scale of `none`, `minmax` or `standardize` in `dtype`; a constant dimension keeps scale 1."""
    if rescale == "none":
        return Rescaling(np.float32(0), np.float32(1))
    moments = moments if moments.mean.ndim == 1 else per_channel(moments)
    if rescale == "standardize":
        shift, scale = moments.mean.astype(dtype), np.sqrt(moments.var).astype(dtype)
    else:  # in the precision in which x is computed, so that the largest training value becomes exactly 1
        shift = moments.low.astype(dtype)
        scale = moments.high.astype(dtype) - shift
    return Rescaling(shift, np.where(constant(moments), dtype(1), scale))


def constant(moments: Moments) -> Bool[np.ndarray, "*event"]:
    """Returns where values are constant, or so nearly that the spread is rounding, or zero to the device."""
    largest = np.maximum(np.abs(moments.low), np.abs(moments.high))
    spread = np.minimum(np.sqrt(moments.var), moments.high - moments.low)
    return spread < np.maximum(_ROUNDING * largest, np.finfo(np.float32).tiny)


def beyond_float32(moments: Moments) -> bool:
    """Whether float32 would round the values by more than a thousandth of their spread."""
    found = moments if moments.mean.ndim == 1 else per_channel(moments)
    rounding = 2.0**-24 * np.maximum(np.abs(found.low), np.abs(found.high))
    return bool(np.any((rounding > 1e-3 * np.sqrt(found.var)) & ~constant(found)))


def per_channel(moments: Moments) -> Moments:
    """Returns the moments of each channel of images."""
    axes = tuple(range(moments.mean.ndim - 1))
    mean = moments.mean.mean(axes)
    # Var of the whole = mean of the variances + variance of the means
    var = moments.var.mean(axes) + np.square(moments.mean - mean).mean(axes)
    return Moments(mean, var, moments.low.min(axes), moments.high.max(axes))


def prepared_stats(moments: Moments, rescaling: Rescaling, *, dynamic: bool) -> Stats:
    """Returns mean and standard deviation of the training split as the model sees it, [*event] float32."""
    mean = (moments.mean - rescaling.shift) / rescaling.scale
    # Var of Bernoulli draws around grey values: E[x^2] - E[x]^2 = m - m^2, since x^2 = x
    std = np.sqrt(mean * (1 - mean)) if dynamic else np.sqrt(moments.var) / rescaling.scale
    return Stats(mean=mean.astype(np.float32), std=std.astype(np.float32))
