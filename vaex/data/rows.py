"""Examples that stay on disk: some rows of a memory-mapped array, read when they are asked for."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

LARGE = 2**30  # bytes of a file: arrays above stay on disk unless asked otherwise
Index = slice | np.ndarray | int


class Rows:
    """Looks like an array [N, *event] of float32 or bytes; only what is indexed along its first axis is in memory."""

    def __init__(self, array: Any, order: np.ndarray | None = None, dtype: Any = None):
        self._array, self._order = array, order
        self.shape = (len(array) if order is None else len(order), *array.shape[1:])
        self.dtype, self.ndim = np.dtype(dtype or array.dtype), array.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index) -> np.ndarray:
        """Returns rows as an array, which is read from disk where it is used."""
        return np.ascontiguousarray(self._array[index if self._order is None else self._order[index]], self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self[:], dtype)

    def take(self, order: np.ndarray) -> "Rows":
        """Returns a part of the rows, which stays on disk."""
        return Rows(self._array, order if self._order is None else self._order[order], self.dtype)

    def reshape(self, num: int, *event: int) -> "Rows":
        """Returns the same rows with examples of another shape."""
        del num
        array = self._array.reshape(len(self._array), *event)  # a view, also of a memory map
        return Rows(array, self._order, self.dtype)

    @property
    def size(self) -> int:
        """The number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """What they would take in memory."""
        return self.size * self.dtype.itemsize


def is_mapped(array: Any) -> bool:
    """Whether an array is on disk."""
    return isinstance(array, (np.memmap, Rows))


InMemory = Shaped[np.ndarray, "_ *event"]  # the splits differ in length, never in the shape of an example
Examples = InMemory | Rows
