"""Files that are either whole or absent, and what is said where the disk takes no more."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from vaex._check import VaexError

_GONE = "the folder is gone; restore it, or mount its disk again"
_FORBIDDEN = "it is not yours to write; change its permissions"
REMEDIES = {
    errno.ENOSPC: "the disk is full; make room on it",
    errno.EDQUOT: "your quota is used up; make room, or ask for more",
    errno.EFBIG: "a file may not grow that large here; raise `ulimit -f`",
    errno.EROFS: "the file system is read-only; mount it for writing",
    errno.EIO: "the disk fails",
    errno.ESTALE: "the network's disk is gone; mount it again",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
}
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)


class CannotWrite(VaexError):
    """Nothing more can be written here; what is on disk is whole, and the same command goes on from it."""

    def __init__(self, error: OSError, path: Path | str | None = None):
        where, words = path or error.filename or "the output", error.strerror or str(error)
        remedy = REMEDIES.get(error.errno or 0)
        super().__init__(f"cannot write to {where}: {words}" + (f" ({remedy})" if remedy else ""))
        self.whole_disk = error.errno in _OF_THE_DISK  # no other folder there can be written either


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what goes wrong inside, while `path` is written, into `CannotWrite`."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(error, path) from error


def of_writing(error: BaseException | None) -> CannotWrite | None:
    """Returns the refusal of a disk that an exception tells of, itself or by its cause, or None."""
    while error is not None:
        if isinstance(error, CannotWrite):
            return error
        if isinstance(error, OSError) and error.errno in REMEDIES:
            return CannotWrite(error)
        error = error.__cause__
    return None


def make_folder(path: Path, *, parents: bool = False) -> None:
    """Makes a folder that may be there already; without `parents`, one in a folder that has to be there."""
    with writing(path):
        path.mkdir(parents=parents, exist_ok=True)


def put(descriptor: int, content: bytes) -> None:
    """Writes all of it; the system may take it in several parts."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file that a crash, or a full disk, leaves whole, old or new: to a temporary name, synced, renamed.

    Raises:
        CannotWrite: where the disk takes it not; the temporary file is removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            with temporary.open("wb", buffering=0) as file:
                put(file.fileno(), content)
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync(path.parent)  # the rename itself
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
