"""Reads `.npy`, `.npz` and `.csv`, and refuses what is not a table of finite numbers, saying where it is not."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vaex._check import VaexError, did_you_mean
from vaex.data.rows import LARGE, Examples, Rows
from vaex.data.splits import chunks
from vaex.data.table import listed, read_table

SPLITS = ("train", "test", "validation")
_ACCEPTED = ".npy, .csv, or .npz with arrays train, test and validation"


def read_file(path: Path) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """Returns the arrays of a file by split, `train` at least, and notes for the log."""
    suffix = require_file(path)
    try:
        if suffix == ".csv":
            table, notes = read_table(path)
            return {"train": examples(table, path.name)}, notes
        if suffix == ".npy" and path.stat().st_size > LARGE:
            with decoding(path.name):
                return {"train": on_disk(np.load(path, mmap_mode="r"), path.name)}, ()
        with path.open("rb") as stream:  # NumPy would leave a broken file open
            return _read_numpy(path, stream)
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
    if suffix not in (".npy", ".npz", ".csv"):
        raise VaexError(f"data.path={path}: expected {_ACCEPTED}, got {suffix or 'no suffix'!r}")
    return suffix


def _read_numpy(path: Path, stream: BinaryIO) -> tuple[dict[str, Examples], tuple[str, ...]]:
    with decoding(path.name):
        file = np.load(stream, allow_pickle=False)
    if isinstance(file, np.ndarray):
        return {"train": examples(file, path.name)}, ()
    with file:
        names = list(file.files)
        if "train" not in names:
            raise VaexError(
                f"{path.name}: expected an array 'train' (and 'test', 'validation'), found {listed(names)}; "
                f"write it with np.savez({path.name!r}, train=x, test=y)"
            )
        arrays = {}
        for split in (name for name in SPLITS if name in names):
            where = f"{path.name}, array {split!r}"
            with decoding(where):
                array = file[split]
            arrays[split] = examples(array, where)
    unused = [name for name in names if name not in SPLITS]
    hints = (did_you_mean(name, SPLITS) for name in unused)
    notes = (f"{path.name}: {listed(unused)} left unused{next(filter(None, hints), '')}",) if unused else ()
    return arrays, notes


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


def examples(array: np.ndarray, where: str) -> Examples:
    """Returns an array of numbers as float32 [N, D] or [N, H, W, C], values unchanged.

    Raises:
        VaexError: where it holds no numbers, has another shape, or numbers that are not finite or overflow float32.
    """
    _check_shape(array, where)
    _check_values(array, where)
    array = np.ascontiguousarray(array, np.float32)
    return array[..., None] if array.ndim == 3 else array


def on_disk(array: np.ndarray, where: str) -> Rows:
    """Returns what `examples` returns, of a memory-mapped array that stays on disk."""
    _check_shape(array, where)
    for rows in chunks(array):
        _check_values(array[rows], f"{where}, rows {rows.start} to {rows.stop - 1}")
    return Rows(array[..., None] if array.ndim == 3 else array, dtype=np.float32)


def _check_shape(array: np.ndarray, where: str) -> None:
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
