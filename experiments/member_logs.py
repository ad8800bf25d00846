"""The log files of runs that train side by side: a line about one run goes into its own, and not onto the console."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vaex._write import CannotWrite


class LogFile(logging.FileHandler):
    """A run's log file. Where the disk takes no more, one line says so, and not a traceback a line."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by `logging` where a line could not be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.__dict__.setdefault("_said", False):
            self._said = True
            print(f"{CannotWrite(error, self.baseFilename)}; the log has a gap", file=sys.stderr)

    def close(self) -> None:
        """Closes the file, also where what is left to write does not fit."""
        with contextlib.suppress(OSError):
            super().close()


Lines = Callable[[logging.LogRecord], bool]


class MemberLogs:
    """The handlers that Hydra configured for each run of a sweep, used pack by pack."""

    def __init__(self) -> None:
        self._files: dict[Path, list[logging.FileHandler]] = {}

    def take(self, folder: Path) -> None:
        """Takes what Hydra has just configured for a run: its file is kept for later, the console stays."""
        root = logging.getLogger()
        files = [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]
        self._files[folder] = files
        for handler in files:
            root.removeHandler(handler)
            handler.close()  # it opens its file again with the first line
            handler.addFilter(_about(folder))
        for handler in root.handlers:
            handler.addFilter(_of_the_whole())

    @contextmanager
    def of(self, folders: Sequence[Path]) -> Iterator[None]:
        """Within it, the log files of these runs are open."""
        root = logging.getLogger()
        handlers = [handler for folder in folders for handler in self._files.get(folder, [])]
        for handler in handlers:
            root.addHandler(handler)
        try:
            yield
        finally:
            for handler in handlers:
                root.removeHandler(handler)
                handler.close()


def _about(folder: Path) -> Lines:
    """Lines about a run, and those about everything."""
    return lambda record: str(folder) in getattr(record, "runs", (str(folder),))


def _of_the_whole() -> Lines:
    """Lines about a whole pack; a warning of one member once."""
    warned: set[str] = set()

    def shown(record: logging.LogRecord) -> bool:
        if len(getattr(record, "runs", ())) != 1:
            return True
        if record.levelno < logging.WARNING or record.getMessage() in warned:
            return False
        warned.add(record.getMessage())
        return True

    return shown
