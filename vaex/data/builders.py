"""Runs a builder of tensorflow-datasets without TensorFlow, and says plainly what it lacks."""

import contextlib
import inspect
import io
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from vaex._check import VaexError, did_you_mean
from vaex.data.downloads import manager
from vaex.data.images import Form
from vaex.data.originals import Originals, read_original
from vaex.data.quiet import quiet
from vaex.data.without_tensorflow import TensorFlowNeeded, without_tensorflow

_MNIST_SPLITS = {"train": "train", "test": "t10k"}  # as tensorflow-datasets names them: as the files do
_MODULES = {"PIL_Image": "PIL", "PIL_ImageDraw": "PIL"}  # tensorflow-datasets' names for packages, and Python's
_PACKAGES = {"cv2": "opencv-python", "skimage": "scikit-image", "bs4": "beautifulsoup4", "apache_beam": "apache-beam"}


def prepare(
    name: str,
    scratch: Path,
    downloads: Path,
    manual: Path | None,
    form: Form,
    originals: Originals | None = None,
    files: dict[str, Path] | None = None,
) -> Path:
    """Returns the folder inside `scratch` in which the data set was prepared in a format of random access.

    Raises:
        VaexError: where there is no such data set of images, or a file, a package or the network is missing.
    """
    with quiet(), _explained(name):
        parent, config = _builder_class(name)
        _check_packages(name, parent)
    with quiet(), without_tensorflow(), _explained(name):
        import tensorflow_datasets as tfds

        own = _from_originals(parent, originals, files) if originals else parent
        builder = own(config=config, data_dir=scratch, file_format="array_record")
        form.shape(name, builder.info.features)  # refuses before anything is downloaded
        if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not manual:
            steps = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split()).rstrip(".")
            raise VaexError(f"{name} cannot be downloaded: {steps}; put it there and type data.manual_dir=FOLDER")
        builder._make_download_manager = manager(name, builder, scratch / "extracted", manual)
        # A copy that somebody else prepared would be in TensorFlow's format.
        asked = tfds.download.DownloadConfig(try_download_gcs=False)
        builder.download_and_prepare(download_dir=downloads, download_config=asked)
        return Path(builder.data_dir)


def _builder_class(name: str) -> tuple[Any, str | None]:
    """Returns tensorflow-datasets' builder and the name of its configuration."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    plain, _, config = name.partition("/")
    try:
        builder: Any = tfds.builder_cls(plain)
    except DatasetNotFoundError as error:
        hint = did_you_mean(plain, re.findall(r"^\t- (\w+)$", str(error), re.MULTILINE))
        raise VaexError(f"data.name: tensorflow-datasets has no data set {plain!r}{hint}") from None
    known = [f"{plain}/{key}" for key in builder.builder_configs] or [plain]
    if name not in known:
        raise VaexError(f"data.name: expected one of {', '.join(known)}; got {name!r}{did_you_mean(name, known)}")
    return builder, config or None


def _from_originals(parent: Any, originals: Originals, files: dict[str, Path] | None) -> Any:
    """Returns the builder of a data set in MNIST's form that trusts files by their decompressed contents."""
    from PIL import Image

    class Builder(parent, skip_registration=True):  # pyright: ignore
        name = originals.name  # and so the folder

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            urls = {file: urljoin(self.URL, f"{file}.gz") for file in originals.sha256}
            paths = files or {file: Path(path) for file, path in dl_manager.download(urls).items()}
            return {split: self._generate_examples(paths, prefix) for split, prefix in _MNIST_SPLITS.items()}

        def _generate_examples(self, paths: dict[str, Path], prefix: str) -> Iterator[tuple[int, dict[str, Any]]]:
            names = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
            images, labels = (read_original(originals, file, paths[file]) for file in names)
            for index, (image, label) in enumerate(zip(images, labels, strict=True)):
                png = io.BytesIO()
                Image.fromarray(image).save(png, "PNG")
                yield index, {"image": png.getvalue(), "label": int(label)}

    return Builder


def _check_packages(name: str, builder: Any) -> None:
    # A builder asks for its packages only when the files are there: too late for a user who waited for gigabytes.
    asked: list[str] = re.findall(r"lazy_imports\.(\w+)", inspect.getsource(inspect.getmodule(builder) or builder))
    for module in (_MODULES.get(word, word) for word in asked):
        if find_spec(module) is None:
            raise VaexError(_needs(name, module))


def _needs(name: str, module: str) -> str:
    package = _PACKAGES.get(module, module)
    return f"{name}: tensorflow-datasets' builder needs {package}, which is not installed; type pip install {package}"


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turns what tensorflow-datasets wraps around an error into one message."""
    try:
        yield
    except Exception as error:
        for cause in _causes(error):
            if isinstance(cause, VaexError):
                raise cause from error
            if not isinstance(cause, ImportError) or not cause.name:
                continue
            if isinstance(cause, TensorFlowNeeded) or cause.name == "tensorflow":
                raise VaexError(
                    f"{name}: tensorflow-datasets' builder needs TensorFlow ({cause.name}), which is not installed; "
                    "type pip install 'vaex-jax[tensorflow]'"
                ) from error
            raise VaexError(_needs(name, cause.name)) from error
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
