"""Grey levels in the user's own file: whole numbers 0 to L - 1, given as k / (L - 1)."""

from collections.abc import Mapping

import numpy as np

from vaex._check import VaexError
from vaex.data.rows import Examples, Rows
from vaex.data.splits import chunks

_FEW = 4  # times more levels asked for than there are


def as_levels(name: str, arrays: Mapping[str, Examples], levels: int) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """Returns the splits as bytes (two of them beyond 256 levels), and a warning where most levels are never reached.

    Raises:
        VaexError: where a value is no whole number from 0 to levels - 1.
    """
    dtype = np.uint8 if levels <= 2**8 else np.uint16
    found: dict[str, Examples] = {}
    for split, array in arrays.items():
        for rows in chunks(array):
            _check(f"{name}, array {split!r}" if len(arrays) > 1 else name, array[rows], levels)
        is_rows = isinstance(array, Rows)
        found[split] = array.converted(lambda a: a.astype(dtype), dtype) if is_rows else array.astype(dtype)
    largest = max(int(found["train"][rows].max()) for rows in chunks(found["train"]))
    if _FEW * largest >= levels - 1:
        return found, ()
    return found, (
        f"{name}: data.levels={levels}, but the largest value is {largest}, so that no x is above "
        f"{largest / (levels - 1):.3g}; type data.levels={largest + 1} if that is white",
    )


def _check(where: str, values: np.ndarray, levels: int) -> None:
    bad = values[(values < 0) | (values > levels - 1) | (values != np.round(values))]
    if bad.size:
        fix = "leave data.levels out for real numbers"
        if values.min() >= 0 and values.max() <= 1:
            fix = (
                f"values that are k / {levels - 1} already need no data.levels (likelihood.levels={levels} says so to "
                "a likelihood of levels)"
            )
        elif more := guessed_levels({"": values}):
            fix = f"type data.levels={more}"
        raise VaexError(
            f"data.levels={levels} expects whole numbers 0 to {levels - 1}, but {where} holds {bad.flat[0]:.6g}; {fix}"
        )


def guessed_levels(arrays: Mapping[str, Examples]) -> int | None:
    """Returns how many levels whole numbers from 0 may be, by the largest of them; None where they are none."""
    largest = 0
    for array in arrays.values():
        for rows in chunks(array):
            values = array[rows]
            if values.min() < 0 or values.max() > 2**16 - 1 or (values != np.round(values)).any():
                return None
            largest = max(largest, int(values.max()))
    return None if largest <= 1 else 2**8 if 2**7 <= largest < 2**8 else largest + 1


def note_of_bytes(name: str, train: Examples) -> tuple[str, ...]:
    """Returns what the log says of numbers of 8 bits, which are mostly grey levels."""
    if train.dtype != np.uint8 or all(train[rows].max() <= 1 for rows in chunks(train)):
        return ()
    return (f"{name}: numbers of 8 bits, taken as they are; data.levels=256 gives grey levels as k / 255",)
