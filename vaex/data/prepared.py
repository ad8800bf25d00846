"""Prepares image data sets with tensorflow-datasets but without TensorFlow, once, and caches the arrays."""

import logging
import os
import re
import tempfile
from pathlib import Path

from vaex._check import VaexError
from vaex.data.base import Raw
from vaex.data.builders import prepare
from vaex.data.images import SPLITS, Form, store, stored
from vaex.data.originals import Originals, find, folder_of, read_original


def prepared(
    name: str,
    version: str | None,
    data_dir: str | None,
    manual_dir: str | None,
    *,
    originals: Originals | None = None,
    form: Form = Form(),  # noqa: B008 - immutable
) -> Raw:
    """Returns the images, 256 levels, of the splits that the data set has, in tensorflow-datasets' order.

    The first call prepares the data set in tensorflow-datasets' folder and writes `.npy` files beside it; later ones
    read those and import nothing.

    Args:
        name: of the data set, with its configuration if it has some, such as `emnist/balanced`.
        version: of the data set; None: the newest that is prepared, or else the builder's own.
        data_dir: tensorflow-datasets' folder; None: TFDS_DATA_DIR, else ~/tensorflow_datasets.
        manual_dir: the folder of the original files; None: they are looked for in VAEX_DATA_DIR, or downloaded.
        originals: the files, where they are known by their decompressed contents.
        form: what becomes of each image.

    Raises:
        VaexError: where the originals cannot be found, downloaded or trusted, or nothing can be written.
    """
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    if originals and manual_dir:  # refused also where nothing need be read
        find(originals, manual_dir)
    manual = folder_of(name.split("/")[0], manual_dir)
    folder = _folder(root / name, version)
    try:
        arrays = folder and stored(folder, form)
        if not arrays:
            if not (folder and store(name, folder, form)):
                folder = _prepare(name, root, manual_dir, manual, originals, form)
                manual_dir = None  # it was read
            arrays = stored(folder, form)
    except OSError as error:
        raise VaexError(f"{name}: cannot prepare in {root}: {error}; type data.data_dir=FOLDER") from error
    assert arrays
    unread = f"{name}: prepared already in {root}, so data.manual_dir={manual_dir} is not read"
    notes = (unread,) if manual_dir else ()
    return Raw(arrays["train"], arrays.get("test"), arrays.get("validation"), levels=256, notes=notes)


def _folder(parent: Path, version: str | None) -> Path | None:
    """Returns the folder of the version asked for, or of the newest that is there."""
    if version:
        return parent / version
    found = [path for path in parent.glob("*.*.*/dataset_info.json") if re.fullmatch(r"[\d.]+", path.parent.name)]
    newest = max(found, key=lambda path: [int(part) for part in path.parent.name.split(".")], default=None)
    return newest and newest.parent


def _prepare(
    name: str, root: Path, manual_dir: str | None, manual: Path | None, originals: Originals | None, form: Form
) -> Path:
    """Returns the folder that holds the data set's arrays, prepared from its originals."""
    files = None
    if originals:
        manual, files = None, find(originals, manual_dir)
        for file, path in (files or {}).items():
            read_original(originals, file, path)  # refuses before anything is written
    logging.getLogger("vaex").info(
        "%s: preparing once, from %s", name, "the given files" if files or manual else "the network"
    )
    root.mkdir(parents=True, exist_ok=True)
    # Each process prepares in a folder of its own and renames: of two at once, one wins and both are right.
    with tempfile.TemporaryDirectory(prefix=".vaex-", dir=root) as scratch:
        made = prepare(name, Path(scratch), root / "downloads", manual, form, originals, files)
        readable = store(name, made, form)
        assert readable
        folder = root / made.relative_to(scratch)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            # Another process was faster, or it is the user's own data set in another file format, and left alone.
            for path in (form.path(made, split) for split in SPLITS):
                if path.is_file():
                    path.replace(folder / path.name)
    return folder
