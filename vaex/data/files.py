"""Reads `.npy`, `.npz` and `.csv`, and refuses what is not a table of finite numbers, saying where it is not."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from vaex._check import VaexError, did_you_mean
from vaex.data.dialect import Dialect
from vaex.data.rows import LARGE, Examples, Picked, Rows
from vaex.data.sparse import Sparse, is_sparse, read_sparse
from vaex.data.splits import chunks
from vaex.data.table import listed, read_table

SPLITS = ("train", "test", "validation")
_ALSO = {"x_train": "train", "x_test": "test", "x_val": "validation", "x_valid": "validation"}  # Keras' names
_ACCEPTED = ".npy, .csv, or .npz with arrays train, test and validation"
_TEXT = (".csv", ".tsv")
_EXACT = 2**53  # whole numbers up to here are exact in float64


class File(NamedTuple):
    """What a file holds."""

    arrays: dict[str, Examples]  # by split, `train` at least: [N, D] or [N, H, W, C], numbers as they were written
    notes: tuple[str, ...] = ()  # for the log
    warnings: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # their names, where there are some


def read_file(path: Path, dialect: Dialect = Dialect()) -> File:  # noqa: B008 - immutable
    """Returns the arrays of a file by split; large ones stay on disk.

    Args:
        path: `.npy`, `.npz` (also with Keras' names x_train and x_test, or a sparse matrix of SciPy's), `.csv`, `.tsv`.
        dialect: how a table is written, and which columns are wanted.

    Raises:
        VaexError: where the file cannot be read, or holds something other than finite numbers of a fitting shape.
    """
    suffix = require_file(path)
    if suffix not in _TEXT and dialect.typed:
        raise VaexError(f"{dialect.typed[0]} is for tables of text (.csv, .tsv), not for {path.name}; leave it out")
    try:
        if suffix in _TEXT:
            table = read_table(path, dialect)
            return File({"train": examples(table.values, path.name)}, table.notes, table.warnings, table.columns)
        if suffix == ".npy" and path.stat().st_size > LARGE:
            with decoding(path.name):
                mapped = np.load(path, mmap_mode="r")
            return File({"train": on_disk(mapped, path.name, dialect)})
        with path.open("rb") as stream:  # NumPy would leave a broken file open
            return _read_numpy(path, stream, dialect)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise VaexError(f"data.path={path}: {path.absolute()} cannot be read: {error}") from error


def require_file(path: Path) -> str:
    """Returns the suffix of a file that `read_file` reads, in lower case.

    Raises:
        VaexError: where there is no such file.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise VaexError(f"data.path={path}: {path.absolute()} {what}; expected a file ({_ACCEPTED})")
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz", *_TEXT):
        raise VaexError(f"data.path={path}: expected {_ACCEPTED}, got {suffix or 'no suffix'!r}")
    return suffix


def _read_numpy(path: Path, stream: BinaryIO, dialect: Dialect) -> File:
    with decoding(path.name):
        file = np.load(stream, allow_pickle=False)
    if isinstance(file, np.ndarray):
        return File({"train": examples(file, path.name, dialect)})
    with file:
        names = list(file.files)
        if is_sparse(names):
            return _of_sparse(path, read_sparse(path, stream), dialect)
        kept = {name: _ALSO.get(name, name) for name in names if _ALSO.get(name, name) in SPLITS}
        if "train" not in kept.values() or len(set(kept.values())) < len(kept):
            raise VaexError(
                f"{path.name}: expected an array 'train' (and 'test', 'validation') or 'x_train' (and 'x_test', "
                f"'x_val'), each once, found {listed(names)}; write it with np.savez({path.name!r}, train=x, test=y)"
            )
        arrays = {}
        for name, split in kept.items():
            where = f"{path.name}, array {name!r}"
            with decoding(where):
                array = file[name]
            arrays[split] = examples(array, where, dialect)
    unused = [name for name in names if name not in kept]
    hints = (did_you_mean(name, SPLITS) for name in unused if not name.startswith("y"))
    said = f"{path.name}: {listed(unused)} left unused{next(filter(None, hints), '')}"
    return File(arrays, (said,) if unused else ())


def _of_sparse(path: Path, matrix: Sparse, dialect: Dialect) -> File:
    share = len(matrix.stored) / max(1, matrix.size)
    note = f"{path.name}: a sparse matrix of {matrix.shape[0]} x {matrix.shape[1]}, {share:.3g} of it not zero"
    if matrix.size * matrix.dtype.itemsize <= LARGE:
        return File({"train": examples(matrix[:], path.name, dialect)}, (note,))
    _check_shape(matrix, path.name)
    _check_values(matrix.stored, f"{path.name}, values that are not zero")
    return File({"train": Rows(_picked(matrix, path.name, dialect))}, (f"{note}; only what is read is made dense",))


@contextlib.contextmanager
def decoding(where: str) -> Iterator[None]:
    """Says what is wrong with a file that NumPy cannot decode."""
    try:
        yield
    except ValueError as error:
        if "pickle" in str(error):
            fix = "save x.astype(np.float32) instead"
            raise VaexError(f"{where}: expected numbers, got Python objects; {fix}") from None
        raise VaexError(f"{where}: not a whole NumPy file: {error}") from error


def examples(array: np.ndarray, where: str, dialect: Dialect = Dialect()) -> np.ndarray:  # noqa: B008 - immutable
    """Returns an array of numbers as [N, D] or [N, H, W, C], values unchanged.

    Raises:
        VaexError: where it holds no numbers, has another shape, or numbers that are not finite or overflow float32.
    """
    _check_shape(array, where)
    array = _native(_picked(array, where, dialect)[:])
    _check_values(array, where)
    return array[..., None] if array.ndim == 3 else array


def on_disk(array: np.ndarray, where: str, dialect: Dialect = Dialect()) -> Rows:  # noqa: B008 - immutable
    """Returns what `examples` returns, of a memory-mapped array that stays on disk."""
    _check_shape(array, where)
    rows_of = _picked(array[..., None] if array.ndim == 3 else array, where, dialect)
    found = Rows(rows_of, dtype=_native(np.empty(0, array.dtype)).dtype)
    for rows in chunks(found):
        _check_values(found[rows], f"{where}, rows {rows.start} to {rows.stop - 1}")
    return found


def _native(array: np.ndarray) -> np.ndarray:
    """Returns the numbers in a type that everything computes with: this machine's order of bytes, at most float64."""
    kind, size = array.dtype.kind, min(array.dtype.itemsize, 8)
    return np.ascontiguousarray(array, "u1" if kind == "b" else f"{kind}{size}")


def _picked(array: Any, where: str, dialect: Dialect) -> Any:
    """Returns the array with the columns asked for."""
    if dialect.columns is None:
        return array
    if array.ndim != 2:
        raise VaexError(f"data.columns picks columns of N x D, but {where} has shape {array.shape}; leave it out")
    return Picked(array, dialect.chosen(where, array.shape[1]) or [])


def _check_shape(array: Any, where: str) -> None:
    if array.dtype.kind not in "fiub":
        raise VaexError(f"{where}: expected numbers, got {_kind(array.dtype)}; save x.astype(np.float32) instead")
    if array.ndim == 1:
        raise VaexError(
            f"{where}: expected N x D, N x H x W or N x H x W x C, got {array.size} numbers in one dimension; "
            "save x.reshape(-1, 1) for N examples of one number, or x[None] for one example"
        )
    if array.ndim not in (2, 3, 4):
        raise VaexError(f"{where}: expected N x D, N x H x W or N x H x W x C, got shape {array.shape}")
    if array.size == 0:
        raise VaexError(f"{where}: expected at least one example of at least one number, got shape {array.shape}")


def _check_values(array: np.ndarray, where: str) -> None:
    _refuse(array, ~np.isfinite(array), where, "NaN or infinite", "remove those examples or fill them in")
    if array.dtype.kind in "iu" and array.dtype.itemsize > 6:
        fix = "subtract an offset first, or save x.astype(np.float64) where the last digits do not matter"
        _refuse(array, (array > _EXACT) | (array < -_EXACT), where, "too large for float64 to tell from the next", fix)
    largest = np.finfo(np.float32).max
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        _refuse(array, np.abs(array) > largest, where, "too large for float32", "save the data in other units")


def _refuse(array: np.ndarray, bad: np.ndarray, where: str, what: str, fix: str) -> None:
    count = int(bad.sum())
    if count:
        index = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        place = f"row {index[0]}, column {index[1]}" if len(index) == 2 else f"index {index}"
        raise VaexError(
            f"{where}: expected finite numbers, but {count} of {array.size} {'is' if count == 1 else 'are'} {what}, "
            f"the first at {place} (counted from 0): {array[index]}; {fix}"
        )


def _kind(dtype: np.dtype) -> str:
    kinds = {"U": "strings", "S": "bytes", "O": "Python objects", "c": "complex numbers", "V": "records"}
    return kinds.get(dtype.kind, str(dtype))
