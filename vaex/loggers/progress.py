"""How far training is: a bar on a terminal, a plain line now and then elsewhere."""

import datetime
import logging
import os
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, SupportsFloat

LOG = logging.getLogger("vaex")

REFRESH_SECONDS = 0.25  # drawing takes about 2 ms: under 1 % of training
LINE_SECONDS = 5.0


class Progress:
    """A context in which `update(step)` says where training is, with steps/s, ELBO (nats) and ETA.

    Args:
        total: the last step.
        label: what is in progress, such as `beta=4 seed=1`; may be empty.
        start: the step it begins at, above 0 for a resumed run.
        unit: what a step is, such as `example` in an evaluation.
        members: runs that are trained side by side: their number, the range of their ELBOs and how many diverged are
            shown, and the rate is of all of them.
    """

    def __init__(self, total: int, label: str = "", start: int = 0, unit: str = "step", members: int = 1) -> None:
        self.total, self.label, self.start, self.unit, self.members = total, label, start, unit, members
        self._step, self._diverged = start, 0
        self._elbos: dict[int, float] = {}
        self._marks: deque[tuple[float, int]] = deque(maxlen=40)  # (time, step): the last 10 seconds or so
        self._first: tuple[float, int] | None = None
        self._display: _Bar | _Table | _Lines | None = None
        self._due = 0.0

    def __enter__(self) -> "Progress":
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._display = _Lines(self) if not terminal else _Bar(self) if self.members == 1 else _Table(self)
        self._began = time.monotonic()
        return self

    def elbo(self, member: int, value: SupportsFloat) -> None:
        """Notes a member's latest ELBO."""
        self._elbos[member] = float(value)

    def update(self, step: int, diverged: int = 0) -> None:
        """Notes that `step` steps are done, and how many members have diverged. Costs under a microsecond."""
        self._step, self._diverged = step, diverged
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
        """Steps per second lately, of one member; None before there is anything to divide by."""
        if len(self._marks) < 2:
            return None
        (t0, s0), (t1, s1) = self._marks[0], self._marks[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 and s1 > s0 else None

    def cells(self) -> dict[str, str]:
        """Returns what is known by now: steps/s of all members, the range of their ELBOs in nats, time left."""
        rate, elbos = self.rate, sorted(self._elbos.values())
        # The time left is rounded up, so that the last second is not shown as none.
        left = None if rate is None else datetime.timedelta(seconds=-int(-(self.total - self._step) // rate))
        return {
            "speed": "" if rate is None else f"{rate * self.members:.1f}",
            "elbo": "" if not elbos else " to ".join(f"{e:.2f}" for e in dict.fromkeys((elbos[0], elbos[-1]))),
            "eta": "" if left is None else str(left),
            "diverged": str(self._diverged),
        }

    def fields(self) -> Iterator[str]:
        """Yields what is known by now, in the order it is shown."""
        cells = self.cells()
        if cells["speed"]:
            yield f"{cells['speed']} {'member-' if self.members > 1 else ''}{self.unit}s/s"
        if cells["elbo"]:
            yield f"elbo {cells['elbo']} nats"
        if cells["eta"]:
            yield f"eta {cells['eta']}"
        if self._diverged:
            yield f"{self._diverged} diverged"


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
        at_end = self._of._step >= self._of.total  # which `finish` tells, with the last evaluation's ELBO
        if now >= self._next_line and self._tenths() > self._tenth and not at_end:
            self._next_line, self._tenth = now + LINE_SECONDS, self._tenths()
            self._say()

    def finish(self, now: float) -> None:
        if self._said != self._of._step:
            self._say()

    def _say(self) -> None:
        self._said = self._of._step
        label = self._of.label if self._of.members == 1 else f"{self._of.members} members"
        where = f"{label}  " if label else ""
        LOG.info("%s", "  ".join([f"{where}{self._of.unit} {self._of._step}/{self._of.total}", *self._of.fields()]))


class _Live(ABC):
    """What `rich` draws on stderr from `update` itself, without a thread of its own; log lines go above it."""

    def __init__(self, progress: Progress) -> None:
        self._of = progress
        streams = {sys.stderr} | ({sys.stdout} if sys.stdout.isatty() else set())
        self._live = self._start(
            redirect_stdout=sys.stdout in streams
        )  # a redirected stdout keeps what is printed to it
        # A handler holds the stream it was made with; its lines have to go above the display, or they would break it.
        self._handlers = [handler for handler in _stream_handlers() if handler.stream in streams]
        self._streams = [handler.stream for handler in self._handlers]
        for handler in self._handlers:
            handler.setStream(sys.stderr)
        self.show(time.monotonic())

    @abstractmethod
    def _start(self, redirect_stdout: bool) -> Any:
        """Returns rich's live display, started."""

    @abstractmethod
    def show(self, now: float) -> None:
        """Draws."""

    def finish(self, now: float) -> None:
        self.show(now)
        for handler, stream in zip(self._handlers, self._streams, strict=True):
            handler.setStream(stream)
        self._live.stop()


class _Bar(_Live):
    """A bar: one run."""

    def _start(self, redirect_stdout: bool) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            redirect_stdout=redirect_stdout,
        )
        self._task = bar.add_task(self._of.label or "training", total=self._of.total, text="")
        bar.start()
        return bar

    def show(self, now: float) -> None:
        self._live.update(self._task, completed=self._of._step, text="  ".join(self._of.fields()), refresh=True)


class _Table(_Live):
    """A table of one row: the members of a pack."""

    def _start(self, redirect_stdout: bool) -> Any:
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(stderr=True), auto_refresh=False, redirect_stdout=redirect_stdout)
        live.start()
        return live

    def show(self, now: float) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        of, cells = self._of, self._of.cells()
        table = Table("members", "step", "", "elbo (nats)", "member-steps/s", "eta", "diverged", box=SIMPLE_HEAD)
        bar = ProgressBar(total=of.total, completed=of._step, width=16)
        step = f"{of._step}/{of.total}"
        table.add_row(str(of.members), step, bar, cells["elbo"], cells["speed"], cells["eta"], cells["diverged"])
        self._live.update(table, refresh=True)


def _stream_handlers() -> Iterator["logging.StreamHandler[Any]"]:
    """Yields the handlers that log lines of any logger may reach a terminal through."""
    named = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    for logger in [logging.root, *named]:
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                yield handler
