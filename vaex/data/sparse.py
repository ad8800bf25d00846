"""Sparse matrices that SciPy saved, as arrays of which only what is read is dense."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vaex._check import VaexError

_MARKS = {"format", "shape", "data"}  # arrays of every file that scipy.sparse.save_npz writes


def is_sparse(names: Sequence[str]) -> bool:
    """Whether an `.npz` with arrays of these names holds a sparse matrix."""
    return set(names) >= _MARKS


class Sparse:
    """A sparse matrix that indexes as the array [N, D] it stands for."""

    def __init__(self, matrix: Any):
        self._matrix = matrix
        self.shape, self.ndim, self.dtype = matrix.shape, 2, matrix.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        """Returns rows as a dense array."""
        if isinstance(index, (int, np.integer)):
            return self._matrix[[index]].toarray()[0]
        return self._matrix[index].toarray()

    def reshape(self, *shape: int) -> "Sparse":
        """Returns itself: rows are vectors already."""
        del shape
        return self

    @property
    def size(self) -> int:
        """The number of values, zeros among them."""
        return self.shape[0] * self.shape[1]

    @property
    def stored(self) -> np.ndarray:
        """The values that are kept: all that are not zero."""
        return self._matrix.data


def read_sparse(path: Path, stream: BinaryIO) -> Sparse:
    """Returns the matrix of a file of any of SciPy's formats; duplicate entries are summed.

    Raises:
        VaexError: where it is broken or no matrix.
    """
    from scipy import sparse  # takes a tenth of a second

    stream.seek(0)
    try:
        matrix: Any = sparse.load_npz(stream)
        if matrix.ndim != 2:
            raise ValueError(f"{matrix.ndim} dimensions")
        return Sparse(sparse.csr_array(matrix))
    except (ValueError, KeyError, TypeError, IndexError, NotImplementedError) as error:
        raise VaexError(
            f"{path.name}: expected a sparse matrix N x D as scipy.sparse.save_npz writes it; {error}"
        ) from error
