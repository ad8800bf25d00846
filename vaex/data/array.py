"""The user's own file."""

import os
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from vaex import _check
from vaex._check import VaexError
from vaex.data.base import Data, Raw
from vaex.data.content import content_hash
from vaex.data.dialect import Columns, Dialect
from vaex.data.files import read_file
from vaex.data.levels import as_levels, guessed_levels, note_of_bytes
from vaex.data.rows import Examples, Rows
from vaex.likelihoods import Likelihood


@dataclass(frozen=True, kw_only=True)
class Array(Data):
    """Numbers from a file: `.npy`, `.csv`, or `.npz` with arrays `train`, `test` and `validation`.

    N x D, N x H x W or N x H x W x C; taken as real numbers, in the units of the file, or with `levels` as k / (levels
    - 1). Nothing is prepared unasked. Also read: `.tsv`, `.npz` with Keras' names `x_train`, `x_test`, `x_val`, and a
    sparse matrix that `scipy.sparse.save_npz` wrote.
    """

    path: str | None = None  # relative to the folder of the command; ~ is expanded
    levels: int | None = None  # whole numbers 0 to levels - 1 are given as k / (levels - 1); None: real numbers
    header: str | bool = "auto"  # whether the first row of a .csv names its columns
    columns: Columns = None  # those to model: names, places from 0, or ranges such as 1: ; None: all
    separator: str = "auto"  # of a .csv's cells: one character, or comma, semicolon, tab, space
    decimal: str = "."  # or comma
    binarize: str = "none"
    dequantize: str = "none"  # of whole numbers: x = k + u, with `levels` (k + u) / levels

    def __post_init__(self) -> None:
        """Raises `VaexError` for a number of levels or a dialect that no file can have."""
        super().__post_init__()
        if self.levels is not None:
            _check.whole("data.levels", self.levels, low=2)
            if self.levels > 2**16:
                raise VaexError(f"data.levels: expected at most 65536, of 16 bits, got {self.levels}")
            if self.levels > 2**8 and self.dequantize == "uniform":
                raise VaexError(
                    f"data.dequantize=uniform: beside {self.levels} levels float32 has no room for noise of one; type "
                    "data.dequantize=none, or data.rescale=minmax without data.levels"
                )
        assert self.dialect

    @property
    def dialect(self) -> Dialect:
        """How the file is to be read."""
        return Dialect(self.header, self.columns, self.separator, self.decimal)

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.path).name if self.path else "array"

    def read(self) -> Raw:
        """Returns the file's arrays, numbers as they were written.

        Raises:
            VaexError: where the file is missing or holds something other than finite numbers of a fitting shape.
        """
        if not self.path or not isinstance(self.path, (str, PathLike)):
            raise VaexError(
                f"data.path: data=array expects a file (.npy, .csv or .npz), got {self.path!r}; "
                "type data=array data.path=FILE"
            )
        file = read_file(Path(fspath(self.path)).expanduser(), self.dialect)
        self._check_memory(file.arrays["train"])
        content, arrays, warnings = content_hash(file.arrays.items()), file.arrays, file.warnings
        notes = file.notes if self.levels else (*file.notes, *note_of_bytes(self.name, arrays["train"]))
        if self.levels is not None:
            arrays, said = as_levels(self.name, arrays, self.levels)
            warnings += said
        test, validation = (None if a is None else np.asarray(a) for a in map(arrays.get, ("test", "validation")))
        return Raw(
            arrays["train"],
            test,
            validation,
            levels=self.levels,
            notes=notes,
            warnings=warnings,
            columns=file.columns,
            content=content,
        )

    def _fix(self, raw: Raw, likelihood: Likelihood) -> str | None:
        """Returns the line that makes levels of whole numbers, for a likelihood that cannot take them as they are."""
        beside = _BESIDE_LEVELS.get(likelihood.support) if self.binarize == "none" else ""
        rescaled = self.rescale != "none" and likelihood.support != "levels"
        if self.levels is not None or beside is None or rescaled:
            return None
        splits = {name: getattr(raw, name) for name in ("train", "validation", "test")}
        levels = guessed_levels({name: split for name, split in splits.items() if split is not None})
        if levels is None:
            return None
        none = " data.rescale=none" if self.rescale != "none" else ""
        return (
            f"these are whole numbers: type data.levels={levels}{beside}{none} where they are levels 0 to "
            f"{levels - 1}, then given as k / {levels - 1}, or likelihood=gaussian to take them as they are"
        )

    def _check_memory(self, train: Examples) -> None:
        """Raises `VaexError` where what a sparse matrix is made dense for does not fit into memory."""
        share = self.test_fraction + self.validation_fraction if isinstance(train, Rows) and self.stream else 1.0
        needed = share * train.size * 8
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if isinstance(train, Rows) and needed > memory / 2:
            raise VaexError(
                f"{self.name}: {needed / 2**30:.1f} GiB of it would be in memory, which has {memory / 2**30:.1f} GiB; "
                "type data.stream=true and a smaller data.test_fraction, or save fewer columns"
            )


# What else to type with `data.levels`, by the likelihood's support
_BESIDE_LEVELS = {
    "binary": " data.binarize=dynamic",
    "unit_interval": "",
    "open_unit_interval": " data.dequantize=uniform",
    "levels": "",
}
