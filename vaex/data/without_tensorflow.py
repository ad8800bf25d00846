"""Lets tensorflow-datasets prepare images without TensorFlow, which its builders use for little else than files."""

import contextlib
import importlib
import io
import os
from collections.abc import Iterator
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import numpy as np


class TensorFlowNeeded(ImportError):
    """A builder asked for something that only TensorFlow has, its `name`, and TensorFlow is not installed."""


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Hands builders a stand-in for TensorFlow: its file functions, and PNG by Pillow.

    What the stand-in lacks is asked of TensorFlow itself, where it is installed.
    """
    from tensorflow_datasets.core.features.image_feature import _ImageEncoder
    from tensorflow_datasets.core.utils import lazy_imports_utils

    encoder: Any = _ImageEncoder
    lazy = lazy_imports_utils.tensorflow
    own, encode = lazy.__dict__.get("_module"), encoder._encode_image
    lazy.__dict__["_module"] = _TENSORFLOW  # where the lazy module keeps what it imported
    encoder._encode_image = lambda self, image: _png(self, image) or encode(self, image)
    try:
        yield
    finally:
        encoder._encode_image = encode
        del lazy.__dict__["_module"]
        if own is not None:
            lazy.__dict__["_module"] = own


class _Namespace:
    """Names of TensorFlow that are stood in for; the others are TensorFlow's own."""

    def __init__(self, path: str = "", **names: Any) -> None:
        self.__dict__.update(names, _path=path)

    def __getattr__(self, name: str) -> Any:
        asked = f"{self._path}.{name}".lstrip(".")
        if name.startswith("__"):
            raise AttributeError(asked)
        if find_spec("tensorflow") is None:
            raise TensorFlowNeeded(name=f"tf.{asked}")
        return attrgetter(asked)(importlib.import_module("tensorflow"))


class _Reader(io.BufferedReader):
    """Reads on after `with` has ended, as TensorFlow's files do: celeb_a's builder counts on it."""

    def __exit__(self, *raised: object) -> None:
        """Leaves the file open; it closes with its last reference."""

    def __del__(self) -> None:
        self.close()


def _open(path: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
    return _Reader(io.FileIO(path)) if mode == "rb" else Path(path).open(mode)


def _png(encoder: Any, image: np.ndarray) -> bytes | None:
    """Returns an image of bytes as PNG, other bytes than TensorFlow's and the same pixels, or None."""
    from PIL import Image

    if encoder.encoding_format != "png" or image.dtype != np.uint8:
        return None
    expected = tuple(size or given for size, given in zip(encoder.shape, image.shape, strict=True))
    if image.shape != expected:
        raise ValueError(f"expected images of shape {expected}, got {image.shape}")
    png = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(png, "PNG")
    return png.getvalue()


_GFILE = _Namespace(
    "io.gfile",
    GFile=_open,
    listdir=os.listdir,
    exists=os.path.exists,
    isdir=os.path.isdir,
    walk=os.walk,
    glob=lambda pattern: sorted(map(str, Path().glob(pattern))),
)
_TENSORFLOW = _Namespace(
    io=_Namespace("io", gfile=_GFILE),
    compat=_Namespace("compat", as_text=os.fsdecode),
    **{name: getattr(np, name) for name in ("uint8", "int32", "int64", "float32")},
    bool=np.bool_,
    string=np.object_,
)
