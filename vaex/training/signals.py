"""Ctrl-C and SIGTERM only set a flag, which is read between device calls.

With donated buffers, an exception in the middle of a call loses the state.
"""

import contextlib
import os
import signal
from types import FrameType, TracebackType
from typing import Any


class StopFlag:
    """A context in which SIGINT and SIGTERM ask for an orderly stop; truthy once one came."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or 0)

    def __enter__(self) -> "StopFlag":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        first, self.signal = self.signal is None, number
        if first:
            # Straight to the descriptor: `print` could raise here, if the terminal is gone or in the middle of another.
            with contextlib.suppress(OSError):
                os.write(2, b"\nstopping after this call, with a checkpoint\n")
