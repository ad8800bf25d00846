"""How far training is: a bar on a terminal, a plain line now and then elsewhere."""

import datetime
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, SupportsFloat

LOG = logging.getLogger("vaex")

REFRESH_SECONDS = 0.25  # drawing takes about 2 ms: under 1 % of training
LINE_SECONDS = 5.0


class Progress:
    """A context in which `update(step, elbo)` says where training is, with steps/s, ELBO (nats) and ETA.

    Args:
        total: the run's last step.
        label: what is in progress, such as `beta=4 seed=1`; may be empty.
        start: the step it begins at, above 0 for a resumed run.
        unit: what a step is, such as `example` in an evaluation.
    """

    def __init__(self, total: int, label: str = "", start: int = 0, unit: str = "step") -> None:
        self.total, self.label, self.start, self.unit = total, label, start, unit
        self._step = start
        self._elbo: SupportsFloat | None = None
        self._marks: deque[tuple[float, int]] = deque(maxlen=40)  # (time, step): the last 10 seconds or so
        self._first: tuple[float, int] | None = None
        self._display: _Bar | _Lines | None = None
        self._due = 0.0

    def __enter__(self) -> "Progress":
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._display = _Bar(self) if terminal else _Lines(self)
        self._began = time.monotonic()
        return self

    def update(self, step: int, elbo: SupportsFloat | None = None) -> None:
        """Notes that `step` steps are done, and the latest ELBO where there is a new one. Costs under a microsecond."""
        self._step = step
        if elbo is not None:
            self._elbo = elbo
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + REFRESH_SECONDS
        self._marks.append((now, step))
        # The clock starts at the first call, when the program is compiled already.
        self._first = self._first or (now, step)
        if self._display is not None:
            self._display.show(now)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        now = time.monotonic()
        # The last word is about the whole of training, not about its last seconds.
        self._marks = deque([self._first or (self._began, self.start), (now, self._step)])
        if self._display is not None:
            self._display.finish(now)
            self._display = None

    @property
    def rate(self) -> float | None:
        """Steps per second lately; None before there is anything to divide by."""
        if len(self._marks) < 2:
            return None
        (t0, s0), (t1, s1) = self._marks[0], self._marks[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 and s1 > s0 else None

    def fields(self) -> Iterator[str]:
        """Yields what is known by now, in the order it is shown."""
        if self.rate is not None:
            yield f"{self.rate:.1f} {self.unit}s/s"
        if self._elbo is not None:
            yield f"elbo {float(self._elbo):.2f} nats"
        if self.rate is not None:
            # Rounded up, so that the last second is not shown as none.
            seconds = -int(-(self.total - self._step) // self.rate)
            yield f"eta {datetime.timedelta(seconds=seconds)}"


class _Lines:
    """Lines through the log: at each tenth of the way, but no more than one in five seconds, and one at the end."""

    def __init__(self, progress: Progress) -> None:
        self._of = progress
        self._next_line = time.monotonic() + LINE_SECONDS
        self._tenth = self._tenths()
        self._said: int | None = None

    def _tenths(self) -> int:
        return 10 * self._of._step // max(self._of.total, 1)

    def show(self, now: float) -> None:
        if now >= self._next_line and self._tenths() > self._tenth:
            self._next_line, self._tenth = now + LINE_SECONDS, self._tenths()
            self._say()

    def finish(self, now: float) -> None:
        if self._said != self._of._step:
            self._say()

    def _say(self) -> None:
        self._said = self._of._step
        where = f"{self._of.label}  " if self._of.label else ""
        LOG.info("%s", "  ".join([f"{where}{self._of.unit} {self._of._step}/{self._of.total}", *self._of.fields()]))


class _Bar:
    """A bar drawn by `rich` on stderr from `update` itself, without a thread of its own."""

    def __init__(self, progress: Progress) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._of = progress
        streams = {sys.stderr} | ({sys.stdout} if sys.stdout.isatty() else set())
        self._rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            redirect_stdout=sys.stdout in streams,  # a redirected stdout keeps what is printed to it
        )
        self._task = self._rich.add_task(progress.label or "training", total=progress.total, text="")
        self._rich.start()
        # A handler holds the stream it was made with; its lines have to go above the bar, or they would break it.
        self._handlers = [handler for handler in _stream_handlers() if handler.stream in streams]
        self._streams = [handler.stream for handler in self._handlers]
        for handler in self._handlers:
            handler.setStream(sys.stderr)
        self.show(time.monotonic())

    def show(self, now: float) -> None:
        self._rich.update(self._task, completed=self._of._step, text="  ".join(self._of.fields()), refresh=True)

    def finish(self, now: float) -> None:
        self.show(now)
        for handler, stream in zip(self._handlers, self._streams, strict=True):
            handler.setStream(stream)
        self._rich.stop()


def _stream_handlers() -> Iterator["logging.StreamHandler[Any]"]:
    """Yields the handlers that log lines of any logger may reach a terminal through."""
    named = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    for logger in [logging.root, *named]:
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                yield handler
