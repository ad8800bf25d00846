"""A user's file as rows that are read when they are asked for: what a finished model is applied to."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vaex._check import VaexError, one_of
from vaex.data.array import Array
from vaex.data.base import Dataset
from vaex.data.dialect import Dialect
from vaex.data.files import decoding, examples, read_file, require_file
from vaex.data.levels import as_levels
from vaex.data.rows import Examples
from vaex.data.sparse import is_sparse
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

    def of_levels(self, levels: int) -> "Opened":
        """Returns whole numbers 0 to levels - 1 as they are given: k / (levels - 1)."""

        def read(rows: slice) -> np.ndarray:
            found, _ = as_levels(self.name, {"train": self.read(rows)}, levels)
            return np.asarray(found["train"]).astype(np.float32) / np.float32(levels - 1)

        return replace(self, read=read)

    def __getitem__(self, rows: slice) -> Float[np.ndarray, "B ..."]:
        return self.read(rows)


def open_rows(path: Path, split: str | None = None, reader: Array = Array()) -> Opened:  # noqa: B008 - immutable
    """Returns the rows of a file, in its order.

    A `.npy` stays on disk; a table of text and an array of an `.npz` are read as a whole, as for training.

    Args:
        path: `.npy`, `.npz`, `.csv` or `.tsv`.
        split: which array of an `.npz` with several.
        reader: how the file is read: its dialect, columns and levels, and whether examples are flattened.

    Raises:
        VaexError: where the file cannot be read, or holds something other than finite numbers of a fitting shape.
    """
    suffix = require_file(path)
    if split is not None and suffix != ".npz":
        raise VaexError(f"split={split}: {path.name} holds one array; leave it out")
    if suffix in (".npy", ".npz"):
        picked = Dialect(columns=reader.columns)
        opened = _mapped(path, picked) if suffix == ".npy" else _of_array(path, split, picked)
    else:
        file = read_file(path, reader.dialect)
        opened = _whole(path.name, file.arrays["train"], file.notes)
    opened = opened if reader.levels is None else opened.of_levels(reader.levels)
    return opened.flat() if reader.flatten else opened


def _mapped(path: Path, dialect: Dialect) -> Opened:
    def mapped() -> np.ndarray:
        with decoding(path.name):
            return np.load(path, mmap_mode="r")

    def read(rows: slice) -> np.ndarray:
        # Mapped afresh, or the pages that were read would count as this process's memory.
        return examples(mapped()[rows], f"{path.name}, rows {rows.start} to {min(rows.stop, num) - 1}", dialect)

    array = mapped()
    event_shape = examples(array[:1] if array.ndim > 1 else array, path.name, dialect).shape[1:]
    num = len(array)
    return Opened(path.name, (num, *event_shape), read)


def _of_array(path: Path, split: str | None, dialect: Dialect) -> Opened:
    with decoding(path.name), np.load(path, allow_pickle=False) as file:
        names = list(file.files)
        if is_sparse(names):
            if split is not None:
                raise VaexError(f"split={split}: {path.name} holds one sparse matrix; leave it out")
            return _whole(path.name, read_file(path, dialect).arrays["train"])
        if split is None and len(names) != 1:
            raise VaexError(f"{path.name} holds {listed(names)}; type split=NAME for the one that is meant")
        one_of("split", split or names[0], names)
        where = f"{path.name}, array {split or names[0]!r}"
        return _whole(where, examples(file[split or names[0]], where, dialect))


def _whole(name: str, array: Examples, notes: tuple[str, ...] = ()) -> Opened:
    return Opened(name, array.shape, lambda rows: np.asarray(array[rows]), notes)


def rows_of(data: Dataset, split: str | None = None) -> Opened:
    """Returns a split of a run's own data, in their own units: the test split unless another is asked for."""
    one_of("split", split or "test", ("test", "validation", "train"))
    stored = getattr(data, split or "test")
    if stored is None:
        raise VaexError(f"split={split}: the run was trained without one; type split=test")
    name = f"{data.name}, {split or 'test'} split"
    return Opened(name, stored.shape, lambda rows: np.asarray(data.preparation.given(stored[rows])))
