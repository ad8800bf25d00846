"""Whole commands that take turns, A B C A B C: the wall time from the start of a process to its exit."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from experiments.bench.worker import ROOT, NotMeasured, last_line

Command = list[str]


@dataclass
class Timed:
    """One contestant: the commands of a turn, how their results are read, and what it did."""

    commands: Callable[[Path], Sequence[Command]]  # which leave everything in the folder
    read: Callable[[Path], dict[str, Any]]
    environment: Mapping[str, str] = field(default_factory=dict)
    at_once: int = 1  # processes
    most: int | None = None  # turns at most, of one that takes long
    starts: list[float] = field(default_factory=list)  # time.monotonic(), which is the system's
    wall: list[float] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""  # why it was not measured

    def raw(self) -> dict[str, Any]:
        """Returns everything, for JSON."""
        numbers = {"wall_seconds": self.wall, "found": self.found}
        return numbers | ({"not_measured": self.reason} if self.reason else {})

    def warm_up(self, folder: Path) -> None:
        """Runs the first command of a turn, which fills caches; what fails here fails again in the turns."""
        folder.mkdir(parents=True)
        with suppress(NotMeasured):
            run(self.commands(folder)[0], self.environment)

    def turn(self, folder: Path) -> None:
        """Notes what the commands took and left, or the reason where one failed or left nothing that can be read."""
        folder.mkdir(parents=True)
        try:
            start = time.monotonic()
            with ThreadPoolExecutor(self.at_once) as pool:
                list(pool.map(partial(run, extra=self.environment), self.commands(folder)))
            wall = time.monotonic() - start
            found = self.read(folder)
        except (NotMeasured, OSError, ValueError, KeyError) as reason:
            self.reason = str(reason)
            return
        self.starts.append(start)
        self.wall.append(wall)
        self.found.append(found)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns this process's environment, with W&B offline, and more."""
    return os.environ | {"WANDB_MODE": "offline"} | dict(extra or {})


def run(command: Command, extra: Mapping[str, str] | None = None) -> str:
    """Returns what a command printed, in the `environment` with `extra`.

    Raises:
        NotMeasured: where it could not start or failed, with its last line.
    """
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment(extra), capture_output=True, text=True)
    except OSError as error:
        raise NotMeasured(f"cannot start {command[0]}: {error.strerror}") from None
    if done.returncode:
        raise NotMeasured(last_line(done.stderr) or f"ended with status {done.returncode}")
    return done.stdout


def take_turns(contestants: Mapping[str, Timed], repeats: int, scratch: Path) -> None:
    """Fills in what each contestant did, one turn each, over and over, in a new folder a turn."""
    for repeat in range(1, repeats + 1):
        for place, (name, one) in enumerate(contestants.items()):
            if one.reason or repeat > (one.most or repeats):
                continue
            one.turn(scratch / f"{place}-{repeat}")
            say(f"{repeat} of {repeats}: {one.reason or f'{one.wall[-1]:8.3f} s'}  {name}")


def say(line: str) -> None:
    """Prints a line of progress."""
    print(f"  {line}", file=sys.stderr, flush=True)
