"""Says loudly what is likely wrong with the numbers: offsets, scales that differ, axes in another order."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from vaex.data.moments import Moments, constant, moments, per_channel
from vaex.data.splits import Examples, Splits, chunks

_DWARFED = 1e3  # an offset of so many standard deviations
_APART = 5.0  # a factor between the spreads of two splits, of most columns
_FAR = 10.0  # standard deviations between the means of two splits, of most columns
_OUTSIDE = 0.1  # of a split's values outside the training range; of splits drawn alike it is about 2 / N
_FEW = 10  # examples, of fewer no spread is read
_MANY = 50  # examples, of fewer no range
_NAMED = 4  # columns that a warning names


def warnings_of(
    name: str, columns: tuple[str, ...], splits: Splits, of_train: Moments, *, divisor: float, rescale: str, real: bool
) -> tuple[str, ...]:
    """Returns what is to be said of the splits before they are rescaled.

    Args:
        name: of the data set.
        columns: the names of a vector's values, or nothing.
        splits: as stored.
        of_train: moments of training / divisor.
        divisor: of what is stored.
        rescale: `data.rescale`.
        real: whether the likelihood is of real numbers, so that rescaling is open to the user.
    """
    found = [*_channels_first(name, splits.train)]
    if rescale == "none" and real:
        found += _offsets(name, columns, of_train)
    if rescale != "none":
        found += _constants(name, columns, of_train, rescale)
    for kind, split in (("validation", splits.validation), ("test", splits.test)):
        if split is not None:
            found += _other_scale(name, kind, split, of_train, len(splits.train), divisor)
    return tuple(found)


def _offsets(name: str, columns: tuple[str, ...], of_train: Moments) -> Iterator[str]:
    mean, var, low, high = found = of_train if of_train.mean.ndim == 1 else per_channel(of_train)
    std = np.sqrt(var)
    dwarfed = (np.abs(mean) > _DWARFED * std) & ~constant(found)
    if dwarfed.any():
        worst = int(np.argmax(np.where(dwarfed, np.abs(mean) / np.where(std > 0, std, 1), 0)))
        largest = np.float32(max(abs(low[worst]), abs(high[worst])))
        yield (
            f"{name}: {_named(dwarfed, columns, of_train)} lies far from 0 for its spread (at {mean[worst]:.6g} +- "
            f"{std[worst]:.3g}, where float32 tells numbers apart that are {np.spacing(largest):.3g} apart); type "
            "data.rescale=standardize, which subtracts the mean in float64 and is undone on output"
        )


def _constants(name: str, columns: tuple[str, ...], of_train: Moments, rescale: str) -> Iterator[str]:
    fixed = constant(of_train if of_train.mean.ndim == 1 else per_channel(of_train))
    if fixed.any():
        yield (
            f"{name}: {_named(fixed, columns, of_train)} is constant in the training split; data.rescale={rescale} "
            "shifts it and leaves its scale at 1"
        )


def _other_scale(
    name: str, kind: str, split: Examples, of_train: Moments, num_train: int, divisor: float
) -> Iterator[str]:
    here = moments(split, divisor)
    if here.mean.ndim > 1:
        of_train, here = per_channel(of_train), per_channel(here)
    num = len(split)
    varies = (of_train.var > 0) & (here.var > 0)
    ratios = np.sqrt(here.var[varies] / of_train.var[varies])
    # Half of the columns or more are wider, or narrower, by this factor; single ones may be so by chance.
    apart = np.exp(np.median(np.abs(np.log(ratios)))) if ratios.size and num >= _FEW else 1.0
    away = np.abs(here.mean - of_train.mean)[varies] / np.sqrt(of_train.var[varies])
    outside = np.mean([np.mean(_outside(split[rows], of_train, divisor)) for rows in chunks(split)])
    if apart > _APART or (away.size and np.median(away) > _FAR) or (outside > _OUTSIDE and num_train >= _MANY):
        wider = f", a spread {np.median(ratios):.3g} times that" if ratios.size else ""
        yield (
            f"{name}: the {kind} split is on another scale than the training split: values from "
            f"{here.low.min():.6g} to {here.high.max():.6g}{wider}, where training has {of_train.low.min():.6g} to "
            f"{of_train.high.max():.6g}; prepare all splits alike, or no number of the {kind} split means anything"
        )


def _outside(given: np.ndarray, of_train: Moments, divisor: float) -> Bool[np.ndarray, "N *event"]:
    slack = 0.5 * (of_train.high - of_train.low)
    return (given < divisor * (of_train.low - slack)) | (given > divisor * (of_train.high + slack))


def _channels_first(name: str, train: Examples) -> Iterator[str]:
    shape = train.shape[1:]
    if len(shape) == 3 and shape[0] <= 4 and min(shape[1:]) >= 8:
        yield (
            f"{name}: examples of shape {shape} are read as H x W x C, that is {shape[2]} channels of {shape[0]} x "
            f"{shape[1]} pixels; if the channels come first, save x.transpose(0, 2, 3, 1) instead"
        )


def _named(which: np.ndarray, columns: tuple[str, ...], of_train: Moments) -> str:
    """Returns the columns of vectors, or the channels of images, counted from 0."""
    found = np.flatnonzero(which)
    kind = "column" if of_train.mean.ndim == 1 else "channel"
    words = [f"{kind} {i}" + (f" ({columns[i]!r})" if columns else "") for i in found[:_NAMED]]
    more = f" and {len(found) - _NAMED} more, each" if len(found) > _NAMED else ", each" if len(found) > 1 else ""
    return ", ".join(words) + more
