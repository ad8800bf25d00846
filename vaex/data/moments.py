"""Mean, spread and range of the training split, and what `data.rescale` makes of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from vaex.data.splits import Examples, chunks, limits
from vaex.typing import Stats

PerValue = Float64[np.ndarray, "*event"]


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
    """x = (given - shift) / scale, in float32."""

    shift: np.ndarray | np.floating  # [D] for vectors, [C] for images, or 0
    scale: np.ndarray | np.floating


def moments(train: Examples, divisor: float) -> Moments:
    """Returns the moments of stored / divisor, accumulated in float64 over chunks."""
    total = np.zeros(train.shape[1:])
    for rows in chunks(train):
        total += train[rows].sum(0, dtype=np.float64)
    mean = total / len(train)
    squares = np.zeros(train.shape[1:])
    for rows in chunks(train):
        # The second pass subtracts the mean first: sums of squares would cancel where the mean is large.
        squares += np.square(train[rows] - mean).sum(0)
    low, high = (a.astype(np.float64) for a in limits(train))
    return Moments(mean / divisor, squares / len(train) / divisor**2, low / divisor, high / divisor)


def rescaling(moments: Moments, rescale: str) -> Rescaling:
    """Returns shift and scale of `none`, `minmax` or `standardize`; a constant dimension keeps scale 1."""
    if rescale == "none":
        return Rescaling(np.float32(0), np.float32(1))
    mean, var, low, high = moments if moments.mean.ndim == 1 else _per_channel(moments)
    if rescale == "standardize":
        shift, scale = mean.astype(np.float32), np.sqrt(var).astype(np.float32)
    else:  # in float32 as x is computed, so that the largest training value becomes exactly 1
        shift = low.astype(np.float32)
        scale = high.astype(np.float32) - shift
    # Constant, or so nearly that the device would take the scale for zero.
    constant = scale < np.finfo(np.float32).tiny
    return Rescaling(shift, np.where(constant, np.float32(1), scale))


def _per_channel(moments: Moments) -> Moments:
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
