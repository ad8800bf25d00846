"""Arrays that come block by block, into a file that is either whole or absent."""

import os
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vaex._check import VaexError

Block = Mapping[str, np.ndarray]  # arrays [rows, *event] by name
Counts = Mapping[str, int]  # how many rows each array has in the end
_ROW_GROUP = 2**22  # values of a Parquet file's row group, which is collected in memory
# What a number is called in a table; of several in an example, with its place in C order
_COLUMNS = {"codes": "code", "reconstructions": "reconstruction", "samples": "sample"}


def check_out(out: object, names: Sequence[str], *, overwrite: bool) -> Path:
    """Returns the path to write.

    Raises:
        VaexError: where its kind is unknown, it cannot hold the arrays called `names`, or it is there already.
    """
    path = Path(str(out or "")).expanduser()
    kind = path.suffix.lower()
    if path.is_dir():
        raise VaexError(f"out: expected a file ({', '.join(_KINDS)}), got {out!r}; type out={path / names[0]}.npz")
    if kind not in _KINDS:
        raise VaexError(
            f"out={path}: expected a file ending in {', '.join(_KINDS)}, got {kind or 'none'!r}; "
            f"type out={path.with_suffix('.npz')}"
        )
    if kind == ".npy" and len(names) > 1:
        raise VaexError(
            f"out={path}: .npy holds one array, not {', '.join(names)}; type out={path.with_suffix('.npz')}"
        )
    if not path.parent.is_dir():
        raise VaexError(f"out={path}: there is no folder {path.parent}; type mkdir -p {path.parent}")
    if path.exists() and not overwrite:
        raise VaexError(f"out={path} is there already; type overwrite=true to replace it, or another out=FILE")
    return path


def is_table(out: Path) -> bool:
    """Whether a file has one row for each example, so that all arrays must be of one length."""
    return out.suffix.lower() in (".csv", ".parquet")


@contextmanager
def written(out: Path, counts: Counts) -> Iterator[Callable[[Block], None]]:
    """Yields the function that adds a block; the file takes its place when the context ends without an exception.

    Raises:
        VaexError: where it cannot be written; what was there before stays, and nothing else is left.
    """
    with _said(out), tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        made = Path(scratch) / f"made{out.suffix}"
        with ExitStack() as files:
            sink = _KINDS[out.suffix.lower()](made, counts, files)
            yield sink.write
            sink.finish()
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(out)


@contextmanager
def _said(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise VaexError(
            f"out={out}: cannot be written: {error.strerror or error}; nothing is left of it; make room or choose "
            "another place, and type the same command"
        ) from error


class _Sink(ABC):
    """A kind of file, whose handles `files` closes."""

    def __init__(self, path: Path, counts: Counts, files: ExitStack):
        self.path, self.counts, self.files = path, counts, files

    @abstractmethod
    def write(self, block: Block) -> None:
        """Adds rows."""

    @abstractmethod
    def finish(self) -> None:
        """Writes what is still to be written."""


class _Npy(_Sink):
    """Header and rows of one array; its length is known beforehand."""

    def __init__(self, path: Path, counts: Counts, files: ExitStack):
        super().__init__(path, counts, files)
        self._open = {name: files.enter_context(self.path_of(name).open("wb")) for name in counts}

    def path_of(self, name: str) -> Path:
        del name
        return self.path

    def write(self, block: Block) -> None:
        for name, array in block.items():
            file, array = self._open[name], np.ascontiguousarray(array)
            if not file.tell():
                shape = (self.counts[name], *array.shape[1:])
                about = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, about)
            file.write(array.data)

    def finish(self) -> None:
        for file in self._open.values():
            file.close()


class _Npz(_Npy):
    """A `.npy` for each array, which the archive takes in one after the other: it cannot grow in two places."""

    def path_of(self, name: str) -> Path:
        return self.path.with_name(f"{name}.npy")

    def finish(self) -> None:
        super().finish()
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_STORED) as archive:
            for path in map(self.path_of, self.counts):
                archive.write(path, path.name)
                path.unlink()


class _Csv(_Sink):
    """A row for each example, every number in the digits that tell it from all others."""

    def __init__(self, path: Path, counts: Counts, files: ExitStack):
        super().__init__(path, counts, files)
        self._file = files.enter_context(path.open("w", encoding="utf-8", newline=""))

    def write(self, block: Block) -> None:
        columns = _columns(block)
        if not self._file.tell():
            self._file.write(",".join(columns) + "\n")
        rows = np.column_stack([column.astype(np.float64) for column in columns.values()]).tolist()
        self._file.writelines(",".join(map(repr, row)) + "\n" for row in rows)

    def finish(self) -> None:
        self._file.close()


class _Parquet(_Sink):
    """A row for each example, in row groups of some million numbers."""

    def __init__(self, path: Path, counts: Counts, files: ExitStack):
        super().__init__(path, counts, files)
        self._writer: Any = None
        self._waiting: list[dict[str, np.ndarray]] = []
        self._values = 0

    def write(self, block: Block) -> None:
        self._waiting.append(_columns(block))
        self._values += sum(array.size for array in block.values())
        if self._values >= _ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        group = {name: np.concatenate([one[name] for one in self._waiting]) for name in self._waiting[0]}
        self._waiting, self._values = [], 0
        table = pa.table(group)
        if self._writer is None:
            self._writer = self.files.enter_context(pq.ParquetWriter(self.path, table.schema))
        self._writer.write_table(table)

    def finish(self) -> None:
        if self._waiting:
            self._write_group()
        self._writer.close()


def _columns(block: Block) -> dict[str, np.ndarray]:
    """Returns the columns of a table: `code_0`, `code_1`, ..., `log_prob`."""
    columns = {}
    for name, array in block.items():
        if array.ndim == 1:
            columns[_COLUMNS.get(name, name)] = array
        else:
            flat = array.reshape(len(array), -1)
            columns |= {f"{_COLUMNS.get(name, name)}_{i}": flat[:, i] for i in range(flat.shape[1])}
    return columns


_KINDS: dict[str, type[_Sink]] = {".npz": _Npz, ".csv": _Csv, ".parquet": _Parquet, ".npy": _Npy}
