"""A user's file as rows that are read when they are asked for: what a finished model is applied to."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vaex._check import VaexError, one_of
from vaex.data.base import Dataset
from vaex.data.files import decoding, examples, read_file, require_file
from vaex.data.table import listed


@dataclass(frozen=True)
class Opened:
    """Examples in the data's own units, [N, D] or [N, H, W, C]; only what is sliced is in memory."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[slice], np.ndarray]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.shape[0]

    def flat(self) -> "Opened":
        """Returns the examples as vectors."""
        shape = (len(self), math.prod(self.shape[1:]))
        return replace(self, shape=shape, read=lambda rows: (x := self.read(rows)).reshape(len(x), -1))

    def __getitem__(self, rows: slice) -> Float[np.ndarray, "B ..."]:
        return self.read(rows)


def open_rows(path: Path, split: str | None = None) -> Opened:
    """Returns the rows of a file, in its order.

    A `.npy` stays on disk; a `.csv` and an array of an `.npz` are read as a whole, as for training.

    Args:
        path: `.npy`, `.npz` or `.csv`.
        split: which array of an `.npz` with several.

    Raises:
        VaexError: where the file cannot be read, or holds something other than finite numbers of a fitting shape.
    """
    suffix = require_file(path)
    if split is not None and suffix != ".npz":
        raise VaexError(f"split={split}: {path.name} holds one array; leave it out")
    if suffix == ".npy":
        return _mapped(path)
    if suffix == ".npz":
        return _of_array(path, split)
    arrays, notes = read_file(path)
    return Opened(path.name, arrays["train"].shape, lambda rows: np.asarray(arrays["train"][rows]), notes)


def _mapped(path: Path) -> Opened:
    def mapped() -> np.ndarray:
        with decoding(path.name):
            return np.load(path, mmap_mode="r")

    def read(rows: slice) -> np.ndarray:
        # Mapped afresh, or the pages that were read would count as this process's memory.
        return np.asarray(examples(mapped()[rows], f"{path.name}, rows {rows.start} to {min(rows.stop, num) - 1}"))

    array = mapped()
    event_shape = examples(array[:1] if array.ndim > 1 else array, path.name).shape[1:]
    num = len(array)
    return Opened(path.name, (num, *event_shape), read)


def _of_array(path: Path, split: str | None) -> Opened:
    with decoding(path.name), np.load(path, allow_pickle=False) as file:
        names = list(file.files)
        if split is None and len(names) != 1:
            raise VaexError(f"{path.name} holds {listed(names)}; type split=NAME for the one that is meant")
        one_of("split", split or names[0], names)
        array = examples(file[split or names[0]], f"{path.name}, array {split or names[0]!r}")
    return Opened(path.name, array.shape, lambda rows: array[rows])


def rows_of(data: Dataset, split: str | None = None) -> Opened:
    """Returns a split of a run's own data, in their own units: the test split unless another is asked for."""
    one_of("split", split or "test", ("test", "validation", "train"))
    stored = getattr(data, split or "test")
    if stored is None:
        raise VaexError(f"split={split}: the run was trained without one; type split=test")
    name = f"{data.name}, {split or 'test'} split"
    return Opened(name, stored.shape, lambda rows: np.asarray(data.preparation.given(stored[rows])))
