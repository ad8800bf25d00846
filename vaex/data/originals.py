"""The MNIST family's original files: where they lie, and whether they are what they should be."""

import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from vaex._check import VaexError

_HEADER = {"images": 16, "labels": 8}  # bytes before the values


class Originals(NamedTuple):
    """Four idx files, and the data set that tensorflow-datasets makes of them."""

    name: str
    version: str  # of the tensorflow-datasets builder
    sha256: dict[str, str]  # of the files once decompressed: gzip headers differ between mirrors

    @property
    def listed(self) -> str:
        """The files' names, for a message."""
        return ", ".join(f"{file}.gz" for file in self.sha256)


def folder_of(name: str, manual_dir: str | None, files: str = "its original files") -> Path | None:
    """Returns the folder of a data set's original files, or None where they are to be downloaded.

    That is `manual_dir`, or its sub-folder of the data set's name; without one, the sub-folder of `VAEX_DATA_DIR`.

    Raises:
        VaexError: where the user named a folder that does not exist.
    """
    setting = "data.manual_dir" if manual_dir else "VAEX_DATA_DIR"
    root = Path(manual_dir or os.environ.get("VAEX_DATA_DIR") or "").expanduser()
    if not root.is_dir():
        fix = f"type data.manual_dir=FOLDER for one with {files}, or {'leave it out' if manual_dir else 'unset it'}"
        raise VaexError(f"{setting}={root}: {root.absolute()} is no folder; {fix}")
    folder = root / name if (root / name).is_dir() else root
    # Without `manual_dir`: VAEX_DATA_DIR may be unset, or hold other data sets only
    return folder if manual_dir or folder != root else None


def find(originals: Originals, manual_dir: str | None) -> dict[str, Path] | None:
    """Returns the originals the user has, with or without `.gz`, or None where they are to be downloaded.

    They lie in `manual_dir`, or else in the folder that `VAEX_DATA_DIR` names, or in its sub-folder for this data set.

    Raises:
        VaexError: where the user named a folder in which a file is missing.
    """
    folder = folder_of(originals.name, manual_dir, originals.listed)
    if folder is None:
        return None
    candidates = {file: (folder / file, folder / f"{file}.gz") for file in originals.sha256}
    found = {file: next((path for path in paths if path.is_file()), None) for file, paths in candidates.items()}
    missing = [f"{file}.gz" for file, path in found.items() if path is None]
    if missing:
        raise VaexError(
            f"{originals.name}: expected {originals.listed} (or without .gz) in {folder.absolute()}, "
            f"missing {', '.join(missing)}; type data.manual_dir=FOLDER"
        )
    return {file: path for file, path in found.items() if path is not None}


def read_original(originals: Originals, file: str, path: Path) -> UInt8[np.ndarray, "N *event"]:
    """Returns the images [N, 28, 28] or labels [N] of an idx file.

    Raises:
        VaexError: where the file's contents are not those of the original.
    """
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise VaexError(
            f"{originals.name}: {path.absolute()} cannot be read ({error}); fetch {file}.gz again"
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != originals.sha256[file]:
        raise VaexError(
            f"{originals.name}: {path.absolute()} is not the original: expected SHA-256 "
            f"{originals.sha256[file]} once decompressed, got {digest}; fetch {file}.gz again"
        )
    kind = "images" if "images" in file else "labels"
    values = np.frombuffer(content, np.uint8, offset=_HEADER[kind])
    return values.reshape(-1, 28, 28) if kind == "images" else values
