"""Examples that stay on disk: some rows of a memory-mapped array, read when they are asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Shaped

LARGE = 2**30  # bytes of a file: arrays above stay on disk unless asked otherwise
Index = slice | np.ndarray | int | np.integer


class Rows:
    """Looks like an array [N, *event] of numbers; only what is indexed along its first axis is in memory."""

    def __init__(
        self,
        array: Any,
        order: np.ndarray | None = None,
        dtype: Any = None,
        convert: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self._array, self._order, self._convert = array, order, convert
        self.shape = (len(array) if order is None else len(order), *array.shape[1:])
        self.dtype, self.ndim = np.dtype(dtype or array.dtype), array.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index) -> np.ndarray:
        """Returns rows as an array, which is read from disk where it is used."""
        read = self._array[index if self._order is None else self._order[index]]
        return np.ascontiguousarray(read if self._convert is None else self._convert(read), self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self[:], dtype)

    def take(self, order: np.ndarray) -> "Rows":
        """Returns a part of the rows, which stays on disk."""
        return Rows(self._array, order if self._order is None else self._order[order], self.dtype, self._convert)

    def converted(self, convert: Callable[[np.ndarray], np.ndarray], dtype: Any) -> "Rows":
        """Returns the same rows, each passed through an elementwise function where it is read."""
        before = self._convert
        return Rows(self._array, self._order, dtype, convert if before is None else lambda a: convert(before(a)))

    def reshape(self, num: int, *event: int) -> "Rows":
        """Returns the same rows with examples of another shape."""
        del num
        array = self._array.reshape(len(self._array), *event)  # a view, also of a memory map
        return Rows(array, self._order, self.dtype, self._convert)

    @property
    def size(self) -> int:
        """The number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """What they would take in memory."""
        return self.size * self.dtype.itemsize


class Picked:
    """Some columns of an array [N, D] that stays where it is."""

    def __init__(self, array: Any, columns: list[int]):
        self._array, self._columns = array, columns
        self.shape, self.ndim, self.dtype = (len(array), len(columns)), 2, array.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index) -> np.ndarray:
        """Returns rows with those columns."""
        return self._array[index][..., self._columns]

    def reshape(self, *shape: int) -> "Picked":
        """Returns itself: rows are vectors already."""
        del shape
        return self


def is_mapped(array: Any) -> bool:
    """Whether an array is on disk."""
    return isinstance(array, (np.memmap, Rows))


InMemory = Shaped[np.ndarray, "_ *event"]  # the splits differ in length, never in the shape of an example
Examples = InMemory | Rows
