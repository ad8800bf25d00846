"""Reads the images of a data set that tensorflow-datasets prepared, and keeps them as `.npy` beside it."""

import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from vaex._check import VaexError
from vaex.data.quiet import quiet
from vaex.data.rows import LARGE

Images = UInt8[np.ndarray, "_ H W C"]

SPLITS = ("train", "validation", "test")  # of what a data set has, those that are used
_BATCH = 1000  # records read at a time
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's, by number of channels


class Form(NamedTuple):
    """What becomes of each image before it is stored."""

    size: int | None = None  # the centre square, averaged to size x size pixels; None: as it is
    grey: bool = False  # one channel

    def path(self, folder: Path, split: str) -> Path:
        """Returns where the images of a split are kept."""
        size = f"-{self.size}x{self.size}" if self.size else ""
        return folder / f"vaex-{split}{size}{'-grey' if self.grey else ''}.npy"

    def shape(self, name: str, features: Any) -> tuple[int, int, int]:
        """Returns the shape H x W x C of what is stored.

        Raises:
            VaexError: where the features have no 8-bit images of one shape.
        """
        named = type(features).__name__ == "FeaturesDict"
        found = f"its features are {', '.join(features)}" if named else f"it is {' '.join(str(features).split())}"
        image: Any = features["image"] if named and "image" in features else None
        if type(image).__name__ != "Image" or len(image.shape) != 3 or image.shape[-1] not in _MODES:
            raise VaexError(f"{name}: expected a data set with a feature 'image' of H x W x C, but {found}")
        if np.dtype(image.np_dtype) != np.uint8:
            raise VaexError(f"{name}: expected images of 8 bits, got {np.dtype(image.np_dtype)}")
        if self.size is None and None in image.shape:
            raise VaexError(
                f"{name}: expected images of one size, got {image.shape}; type data.size=64 for the centre square of "
                f"each, averaged to 64 x 64 pixels ({found})"
            )
        height, width, channels = image.shape
        return self.size or height, self.size or width, 1 if self.grey else channels

    def decode(self, encoded: bytes, channels: int) -> UInt8[np.ndarray, "H W C"]:
        """Returns the image of a PNG or JPEG file."""
        from PIL import Image

        image: Any = Image.open(io.BytesIO(encoded)).convert(_MODES[channels])
        if self.size:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = (left, top, left + side, top + side)
            image = image.resize((self.size, self.size), Image.Resampling.BOX, square)
        return np.asarray(image).reshape(image.height, image.width, channels)


def lengths(folder: Path) -> dict[str, int] | None:
    """Returns the number of examples of each split used, or None where no data set was prepared.

    Raises:
        VaexError: where there is no training split.
    """
    path = folder / "dataset_info.json"
    if not path.is_file():
        return None
    try:
        info = json.loads(path.read_bytes())
        sizes = {split["name"]: sum(map(int, split["shardLengths"])) for split in info["splits"]}
    except (ValueError, KeyError, TypeError) as error:
        raise VaexError(f"{path} cannot be read ({error!r}); delete {folder}, to have it prepared again") from error
    if not sizes.get("train"):
        raise VaexError(f"{folder}: expected a split 'train', found {', '.join(sizes) or 'none'}")
    return {split: sizes[split] for split in SPLITS if sizes.get(split)}


def stored(folder: Path, form: Form) -> dict[str, Images] | None:
    """Returns the images kept beside a prepared data set, or None where some are not kept.

    Raises:
        VaexError: where a file is not what was written.
    """
    sizes = lengths(folder) or {}
    paths = {split: form.path(folder, split) for split in sizes}
    if not paths or not all(path.is_file() for path in paths.values()):
        return None
    arrays = {}
    for split, path in paths.items():
        try:
            arrays[split] = np.load(path, mmap_mode="r" if path.stat().st_size > LARGE else None)
            if len(arrays[split]) != sizes[split]:
                raise ValueError(f"{len(arrays[split])} images, where the data set has {sizes[split]}")
        except (ValueError, EOFError, OSError, TypeError) as error:
            raise VaexError(f"{folder} holds a broken vaex-*.npy: {path.name} ({error}); delete it") from error
    return arrays


def store(name: str, folder: Path, form: Form) -> bool:
    """Writes the images of a prepared data set beside it; returns whether it is in a format that can be read.

    Raises:
        VaexError: where files of the data set are missing or broken.
    """
    sizes = lengths(folder)
    if sizes is None:
        return False
    with quiet():
        import tensorflow_datasets as tfds

        builder: Any = tfds.builder_from_directory(folder)
        shape = form.shape(name, builder.info.features)
        if "array_record" not in {known.value for known in builder.info.available_file_formats()}:
            return False  # prepared in a format that only TensorFlow reads
        # The other features are not parsed, and its own decoder of images is slower and asks for OpenCV.
        alone = tfds.features.FeaturesDict({"image": builder.info.features["image"]})
        as_stored = {"image": tfds.decode.SkipDecoding()}
        raw = tfds.decode.DeserializeMethod.RAW_BYTES

        def decode(record: bytes) -> np.ndarray:
            encoded: Any = alone.deserialize_example_np(record, decoders=as_stored)
            return form.decode(encoded["image"], shape[-1])

        for split, length in sizes.items():
            try:
                source = builder.as_data_source(split, deserialize_method=raw, file_format="array_record")
                _write(form.path(folder, split), source, (length, *shape), decode)
            except (ValueError, IndexError, RuntimeError, EOFError, FileNotFoundError, SyntaxError) as error:
                raise VaexError(
                    f"{name}: the {split} split in {folder} is incomplete or broken ({_first_line(error)}); delete "
                    "the folder, to have it prepared again"
                ) from error
    return True


def _write(path: Path, source: Any, shape: tuple[int, ...], decode: Callable[[bytes], np.ndarray]) -> None:
    """Writes to a temporary name and renames, so that no reader ever sees half a file."""
    if len(source) != shape[0]:
        raise ValueError(f"{len(source)} of {shape[0]} examples")
    file, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(file)
    try:
        array = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        for start in range(0, len(source), _BATCH):
            rows = range(start, min(start + _BATCH, len(source)))
            for row, record in zip(rows, source.__getitems__(rows), strict=True):
                array[row] = decode(record)
        array.flush()
        os.chmod(temporary, 0o644)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    finally:
        Path(temporary).unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
