"""The user's own file."""

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from vaex._check import VaexError
from vaex.data.base import Data, Raw
from vaex.data.files import read_file


@dataclass(frozen=True, kw_only=True)
class Array(Data):
    """Numbers from a file: `.npy`, `.csv`, or `.npz` with arrays `train`, `test` and `validation`.

    N x D, N x H x W or N x H x W x C; taken as real numbers, in the units of the file. Nothing is prepared unasked.
    """

    path: str | None = None  # relative to the folder of the command; ~ is expanded
    binarize: str = "none"
    dequantize: str = "none"  # of whole numbers: x = k + u

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.path).name if self.path else "array"

    def read(self) -> Raw:
        """Returns the file's arrays in float32.

        Raises:
            VaexError: where the file is missing or holds something other than finite numbers of a fitting shape.
        """
        if not self.path or not isinstance(self.path, (str, PathLike)):
            raise VaexError(
                f"data.path: data=array expects a file (.npy, .csv or .npz), got {self.path!r}; "
                "type data=array data.path=FILE"
            )
        arrays, notes = read_file(Path(fspath(self.path)).expanduser())
        test, validation = (None if a is None else np.asarray(a) for a in map(arrays.get, ("test", "validation")))
        return Raw(arrays["train"], test, validation, notes=notes)
