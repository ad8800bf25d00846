"""What tells one data set from another: hashes of the numbers themselves."""

import hashlib
from collections.abc import Iterable

import numpy as np

from vaex.data.rows import Examples, Rows
from vaex.data.splits import Splits, chunks

_HASHED = 1000  # rows of a split that streams
_DIGITS = 8  # hexadecimal, of the hash that a measure shows


def content_hash(arrays: Iterable[tuple[str, Examples]]) -> str:
    """Returns eight hexadecimal digits that depend on every number and on which split it is of, and on nothing else.

    Equal numbers have equal hashes, whatever file and type they are kept in.
    """
    digest = hashlib.sha256()
    for split, array in sorted(arrays):
        digest.update(f"{split} {tuple(array.shape)}".encode())
        for rows in chunks(array):
            # + 0: minus zero is zero
            digest.update(np.ascontiguousarray(array[rows], "<f8") + 0.0)
    return digest.hexdigest()[:_DIGITS]


def fingerprint(splits: Splits, dtype: type | None) -> str:
    """Returns the SHA-256 of the splits in a type of number (None: as they are), before any rescaling, in hex.

    Of a split that streams it is of the size and a thousand of the rows.
    """
    digest = hashlib.sha256()
    for array in splits:
        if isinstance(array, Rows):
            digest.update(repr(array.shape).encode())
            array = array[np.unique(np.linspace(0, len(array) - 1, _HASHED).astype(int))]
        digest.update(b"" if array is None else np.ascontiguousarray(array, dtype).data)
    return digest.hexdigest()
