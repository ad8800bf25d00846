"""Any image data set of tensorflow-datasets, by its name."""

import re
from dataclasses import dataclass
from typing import Any

from vaex import _check
from vaex._check import VaexError
from vaex.data.base import Data, Raw
from vaex.data.images import Form
from vaex.data.prepared import prepared
from vaex.data.settings import with_settings
from vaex.data.splits import Examples, chunks


@dataclass(frozen=True, kw_only=True)
class Tfds(Data):
    """The 8-bit images H x W x C of a data set that tensorflow-datasets knows, or has prepared; labels are left out.

    The splits are the data set's own: `train`, `test` and `validation`, where it has them. Images are 256 grey
    levels, or two where all are 0 or 1.

    References:
        https://www.tensorflow.org/datasets/catalog/overview
    """

    name: str | None = None  # as in the catalogue, with the configuration if there are some: emnist/balanced
    size: int | None = None  # of each image the centre square, averaged to size x size pixels
    grey: bool = False  # one channel instead of three
    manual_dir: str | None = None  # the original files, instead of downloading; default VAEX_DATA_DIR
    data_dir: str | None = None  # tensorflow-datasets' folder; default TFDS_DATA_DIR, else ~/tensorflow_datasets

    def __post_init__(self) -> None:
        """Raises `VaexError` for a name that no data set can have, or a size that no image can."""
        super().__post_init__()
        name: Any = self.name
        if name is not None and not (isinstance(name, str) and re.fullmatch(r"\w+(/\w[\w.+-]*)?", name)):
            raise VaexError(f"data.name: expected a name such as kmnist or emnist/balanced, got {name!r}")
        if self.size is not None:
            _check.whole("data.size", self.size)
        if not isinstance(self.grey, bool):
            raise VaexError(f"data.grey: expected true or false, got {self.grey!r}")

    def read(self) -> Raw:
        """Returns the images, prepared at first use and cached.

        Raises:
            VaexError: where there is no such data set of images, or it cannot be prepared here.
        """
        if self.name is None:
            raise VaexError(
                "data.name: data=tfds expects the name of a data set in tensorflow-datasets, got none; "
                "for example data=tfds data.name=kmnist"
            )
        raw = prepared(self.name, None, self.data_dir, self.manual_dir, form=Form(self.size, self.grey))
        images = (split for split in (raw.train, raw.validation, raw.test) if split is not None)
        return raw._replace(levels=2) if all(map(_is_binary, images)) else raw

    def _measure(self, *args: Any) -> str | None:
        return with_settings(super()._measure(*args), self, ("size", "grey"))


def _is_binary(images: Examples) -> bool:
    return all(images[rows].max() <= 1 for rows in chunks(images))  # a grey image ends the search
