"""Prepares the MNIST family with tensorflow-datasets but without TensorFlow, once, and caches the arrays."""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
from jaxtyping import UInt8

from vaex._check import VaexError
from vaex.data.originals import Originals, find, read_original

Images = UInt8[np.ndarray, "_ 28 28 1"]

_SPLITS = {"train": "train", "test": "t10k"}  # as tensorflow-datasets names them: as the files do
_TIMEOUT = 10.0  # seconds to wait for the download's server


def prepared(originals: Originals, *, data_dir: str | None, manual_dir: str | None) -> tuple[Images, Images]:
    """Returns the training and the test images as stored, in tensorflow-datasets' order.

    The first call prepares the data set in tensorflow-datasets' folder and writes `.npy` files beside it; later ones
    read those and import nothing.

    Raises:
        VaexError: where the originals cannot be found, downloaded or trusted, or nothing can be written.
    """
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    folder = root / originals.name / originals.version
    cached = [folder / f"vaex-{split}.npy" for split in _SPLITS]
    if not all(path.is_file() for path in cached):
        try:
            arrays = _read_prepared(folder) or _prepare(originals, root, folder, manual_dir)
            for path, array in zip(cached, arrays, strict=True):
                _save(path, array)
        except OSError as error:
            raise VaexError(
                f"{originals.name}: cannot prepare in {root}: {error}; type data.data_dir=FOLDER"
            ) from error
        return arrays
    try:
        train, test = (np.load(path) for path in cached)
    except (ValueError, EOFError, OSError) as error:
        raise VaexError(
            f"{originals.name}: {cached[0].parent} holds a broken vaex-*.npy ({error}); delete it"
        ) from error
    return train, test


def _prepare(originals: Originals, root: Path, folder: Path, manual_dir: str | None) -> tuple[Images, Images]:
    files = find(originals, manual_dir)
    log = logging.getLogger("vaex")
    log.info("%s: preparing once, from %s", originals.name, "the given files" if files else "the network")
    if files:
        for file, path in files.items():
            read_original(originals, file, path)  # refuses before anything is written
    root.mkdir(parents=True, exist_ok=True)
    # Each process prepares in a folder of its own and renames: of two at once, one wins and both are right.
    with tempfile.TemporaryDirectory(prefix=".vaex-", dir=root) as scratch, _quiet():
        import tensorflow_datasets as tfds

        builder = _builder_class(originals, files)(data_dir=scratch, file_format="array_record")
        with _downloading(originals, builder.URL):
            if files is None:
                _check_reachable(urljoin(builder.URL, f"{next(iter(originals.sha256))}.gz"))
            config = tfds.download.DownloadConfig(try_download_gcs=False)
            builder.download_and_prepare(download_dir=root / "downloads", download_config=config)
        made = Path(scratch, originals.name, originals.version)
        arrays = _read_prepared(made)
        assert arrays is not None
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else: another process, or the user's own data set in another file format
                raise
    return arrays


def _builder_class(originals: Originals, files: dict[str, Path] | None) -> type[Any]:
    """Returns tensorflow-datasets' own builder, made to do without TensorFlow."""
    from PIL import Image
    from tensorflow_datasets.image_classification import mnist

    parent: Any = {"mnist": mnist.MNIST, "fashion_mnist": mnist.FashionMNIST}[originals.name]

    class Builder(parent, skip_registration=True):  # pyright: ignore
        name = originals.name  # and so the folder

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            urls = {file: urljoin(self.URL, f"{file}.gz") for file in originals.sha256}
            paths = files or {file: Path(path) for file, path in dl_manager.download(urls).items()}
            return {split: self._generate_examples(paths, prefix) for split, prefix in _SPLITS.items()}

        def _generate_examples(self, paths: dict[str, Path], prefix: str) -> Iterator[tuple[int, dict[str, Any]]]:
            names = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
            images, labels = (read_original(originals, file, paths[file]) for file in names)
            for index, (image, label) in enumerate(zip(images, labels, strict=True)):
                png = io.BytesIO()
                Image.fromarray(image).save(png, "PNG")
                yield index, {"image": png.getvalue(), "label": int(label)}

    return Builder


def _check_reachable(url: str) -> None:
    # One short attempt: tensorflow-datasets retries for minutes before it says that there is no network.
    import requests

    with requests.get(url, stream=True, timeout=_TIMEOUT) as response:
        response.raise_for_status()


@contextlib.contextmanager
def _downloading(originals: Originals, url: str) -> Iterator[None]:
    import requests
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.util import DownloadError

    try:
        yield
    except (requests.RequestException, DownloadError, NonMatchingChecksumError) as error:
        raise VaexError(
            f"{originals.name}: cannot be downloaded from {url} ({type(error).__name__}); "
            f"put {originals.listed} into a folder and type data.manual_dir=FOLDER"
        ) from error


def _read_prepared(folder: Path) -> tuple[Images, Images] | None:
    """Returns the images of a data set that tensorflow-datasets prepared, or None where there is no readable one."""
    if not (folder / "dataset_info.json").is_file():
        return None
    with _quiet():
        import tensorflow_datasets as tfds
        from PIL import Image

        def images(source: Any) -> Images:
            pngs = (record["image"] for record in source.__getitems__(range(len(source))))
            return np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])[..., None]

        try:
            decoders = {"image": tfds.decode.SkipDecoding()}  # its own decoder is slower and asks for OpenCV
            builder: Any = tfds.builder_from_directory(folder)
            train, test = (images(builder.as_data_source(split, decoders=decoders)) for split in _SPLITS)
        except NotImplementedError:
            return None  # prepared in a format that only TensorFlow reads
    return train, test


def _save(path: Path, array: np.ndarray) -> None:
    """Writes to a temporary name and renames, so that no reader ever sees half a file."""
    with tempfile.NamedTemporaryFile(prefix=f".{path.name}-", dir=path.parent, delete=False) as file:
        np.save(file, array)
    os.chmod(file.name, 0o644)  # noqa: PTH101
    os.replace(file.name, path)  # noqa: PTH105


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps tensorflow-datasets' progress bars, advice and warnings off the console."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(disabled)
