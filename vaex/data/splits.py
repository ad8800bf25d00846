"""Training, validation and test split, and binarization once and for all: both set by `data.split_seed` alone."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from vaex._check import VaexError
from vaex.data.preparation import level_noise
from vaex.data.rows import Examples, InMemory, Rows

__all__ = [
    "Examples",
    "InMemory",
    "Splits",
    "binarize",
    "chunks",
    "clip_to_training",
    "dequantize",
    "generator",
    "limits",
    "rescaled_on_host",
    "split",
]

_CHUNK = 2**20  # values worked on at a time, so that 60,000 images never become one float array


class Splits(NamedTuple):
    """The three splits, as stored."""

    train: Examples
    validation: InMemory | None
    test: InMemory


def generator(split_seed: int, purpose: str) -> np.random.Generator:
    """Returns a generator of its own for each purpose, so that one split's draws never depend on another's."""
    # The purpose's bytes are a number far above any epoch's: these streams and those of `order.py` do not meet.
    return np.random.Generator(np.random.Philox(key=[split_seed, int.from_bytes(purpose.encode())]))


def chunks(array: Examples) -> Iterator[slice]:
    """Yields slices of rows of at most about a million values."""
    rows = max(1, _CHUNK // max(1, array[0].size))
    for start in range(0, len(array), rows):
        yield slice(start, min(start + rows, len(array)))


def split(
    name: str,
    train: Examples,
    validation: InMemory | None,
    test: InMemory | None,
    *,
    split_seed: int,
    test_fraction: float,
    validation_fraction: float,
) -> Splits:
    """Returns the three splits; what the source does not split itself is drawn from its training examples.

    Both fractions are of the examples that came as `train`, so that the test split does not move with
    `validation_fraction`. Within a split the source's order is kept.

    Raises:
        VaexError: where a split would be left without an example.
    """
    if validation is not None and validation_fraction > 0:
        raise VaexError(
            f"data.validation_fraction={validation_fraction}: {name} has a validation split of its own; "
            "leave data.validation_fraction=0"
        )
    total = len(train)
    num_test = round(test_fraction * total) if test is None else 0
    num_validation = round(validation_fraction * total)
    if test is None and num_test < 1:
        raise VaexError(_too_small(name, "test", test_fraction, total))
    if validation_fraction > 0 and num_validation < 1:
        raise VaexError(_too_small(name, "validation", validation_fraction, total))
    if total - num_test - num_validation < 1:
        raise VaexError(
            f"{name}: expected at least one training example, but of {total} examples {num_test} go to the test and "
            f"{num_validation} to the validation split; lower data.test_fraction or data.validation_fraction"
        )
    if num_test + num_validation == 0:
        assert test is not None
        return Splits(train, validation, test)
    order = generator(split_seed, "split").permutation(total)
    parts = np.split(order, [num_test, num_test + num_validation])
    in_test, in_validation = (train[np.sort(part)] for part in parts[:2])
    rest = np.sort(parts[2])
    in_train = train.take(rest) if isinstance(train, Rows) else train[rest]
    return Splits(
        in_train,
        in_validation if num_validation else validation,
        in_test if test is None else test,
    )


def rescaled_on_host(splits: Splits, rescale: Callable[[np.ndarray], np.ndarray]) -> Splits:
    """Returns the splits of real numbers in float32 after an elementwise function, which computes in its own precision.

    A split that streams is passed through it where it is read: to the same bits.
    """

    def once(given: Any) -> Any:
        if given is None:
            return None
        if isinstance(given, Rows):
            return given.converted(rescale, np.float32)
        x = np.empty(given.shape, np.float32)
        for rows in chunks(given):
            x[rows] = rescale(given[rows])
        return x

    return Splits(*map(once, splits))


def limits(array: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Returns the smallest and the largest value of each place of an example."""
    low = high = np.asarray(array[0])
    for rows in chunks(array):
        part = array[rows]
        low, high = np.minimum(low, part.min(0)), np.maximum(high, part.max(0))
    return low, high


def _too_small(name: str, kind: str, fraction: float, total: int) -> str:
    fix = f"type data.{kind}_fraction={1 / total:.2g} or more" if total > 1 else "one example cannot be split"
    return (
        f"{name}: expected at least one {kind} example, but data.{kind}_fraction={fraction:g} of {total} is none; {fix}"
    )


def binarize(stored: InMemory, *, divisor: float, rng: np.random.Generator | None) -> InMemory:
    """Returns `stored` with every value 0 or `divisor`: drawn with `rng`, or cut at one half without."""
    binary = np.empty_like(stored)
    for rows in chunks(stored):
        given = stored[rows].astype(np.float32) / np.float32(divisor)
        # A draw from [0, 1) is never below 0 and always below 1: data that are 0 or 1 stay as they are.
        ones = given >= 0.5 if rng is None else rng.random(given.shape, np.float32) < given
        binary[rows] = ones * divisor
    return binary


def dequantize(name: str, splits: Splits, split_seed: int) -> Splits:
    """Returns the splits with uniform noise of one level added to validation and test once, k + u in float32.

    The training split stays as it is: its noise is drawn afresh inside the training step.

    Raises:
        VaexError: where the values are not whole numbers.
    """

    def once(stored: Any, kind: str) -> Any:
        if stored is None:
            return None
        rng = generator(split_seed, f"u {kind[:6]}")
        # Levels are few, and k + u is exact; whole numbers of any size are rescaled before they become float32.
        exact = np.float32 if stored.dtype == np.uint8 else np.float64
        noisy = None if kind == "training" else np.empty(stored.shape, exact)
        for rows in chunks(stored):
            whole = stored[rows].astype(exact)
            bad = whole[whole != np.round(whole)]
            if bad.size:
                raise VaexError(
                    f"data.dequantize=uniform expects whole numbers, but {name}, {kind} split holds {bad.flat[0]:.6g}; "
                    "type data.dequantize=none"
                )
            if noisy is not None:
                noisy[rows] = whole + level_noise(rng.integers(0, 2**16, whole.shape, np.uint16))
        return stored if noisy is None else noisy

    train, validation, test = once(splits.train, "training"), *map(once, splits[1:], ("validation", "test"))
    assert train is not None
    assert test is not None
    return Splits(train, validation, test)


def clip_to_training(splits: Splits) -> tuple[Splits, dict[str, str]]:
    """Returns the splits with every value inside the training split's range, and how many were not, by split.

    The range is that of `data.rescale=minmax`: of each dimension of vectors, of each channel of images. A dimension
    that is constant in training becomes constant everywhere.
    """
    low, high = limits(splits.train)
    axes = tuple(range(low.ndim - 1))  # none of vectors
    low, high = low.min(axes), high.max(axes)
    counts = {}

    def clip(stored: InMemory | None, kind: str) -> InMemory | None:
        if stored is None:
            return None
        outside = sum(int(np.sum((stored[rows] < low) | (stored[rows] > high))) for rows in chunks(stored))
        counts[kind] = f"{outside} of {stored.size}"
        return np.clip(stored, low, high) if outside else stored

    validation, test = clip(splits.validation, "validation"), clip(splits.test, "test")
    assert test is not None
    return Splits(splits.train, validation, test), counts
