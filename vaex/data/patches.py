"""Patches of the bundled photographs: colour images without a download."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vaex import _check
from vaex._check import VaexError
from vaex.data.base import Data, Raw
from vaex.data.settings import with_settings

PHOTOGRAPHS = ("china.jpg", "flower.jpg")


@dataclass(frozen=True, kw_only=True)
class Patches(Data):
    """Scikit-learn's two photographs, 427 x 640 x 3, cut into patches of size x size x 3, 256 levels.

    The patches lie on a grid and share no pixel, so that none of the test split was seen in training; rows and
    columns that fill no patch are left out.
    """

    size: int = 8  # pixels

    def __post_init__(self) -> None:
        """Raises `VaexError` for a size of no pixel."""
        super().__post_init__()
        _check.whole("data.size", self.size)

    @property
    def name(self) -> str:
        """What the data set is called."""
        return "patches"

    def read(self) -> Raw:
        """Returns the patches, photograph by photograph and row by row, without a split of their own.

        Raises:
            VaexError: where a photograph is smaller than a patch.
        """
        return Raw(train=np.concatenate([cut(photograph, self.size) for photograph in photographs()]), levels=256)

    def _measure(self, *args: Any) -> str | None:
        return with_settings(super()._measure(*args), self, ("size",))


def cut(photograph: UInt8[np.ndarray, "H W C"], size: int) -> UInt8[np.ndarray, "N {size} {size} C"]:
    """Returns the patches of a grid that starts at the upper left, row by row."""
    height, width, channels = photograph.shape
    rows, columns = height // size, width // size
    if not rows or not columns:
        raise VaexError(f"data.size: expected at most {min(height, width)}, the photograph's height, got {size}")
    grid = photograph[: rows * size, : columns * size].reshape(rows, size, columns, size, channels)
    return grid.swapaxes(1, 2).reshape(-1, size, size, channels)


def photographs() -> list[UInt8[np.ndarray, "H W 3"]]:
    """Returns the two photographs."""
    from PIL import Image

    # Reading the files themselves saves the second that importing scikit-learn takes at the start of every run.
    package = find_spec("sklearn")
    folders = package.submodule_search_locations if package else None
    files = [Path(folders[0], "datasets", "images", file) for file in PHOTOGRAPHS] if folders else []
    if files and all(file.exists() for file in files):
        return [np.asarray(Image.open(file).convert("RGB")) for file in files]
    from sklearn.datasets import load_sample_images

    return load_sample_images().images
