"""`evaluation.json` of a run's folder: what was measured after its training; entries are only ever added."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vaex._check import VaexError
from vaex.training.files import read_json, write_json

NAME = "evaluation.json"
VERSION = 1
Entry = dict[str, Any]


def read(folder: Path) -> list[Entry]:
    """Returns the entries of a run, oldest first; none where it was never evaluated.

    Raises:
        VaexError: where the file is damaged, or of a version that this one does not know.
    """
    path = folder / NAME
    if not path.exists():
        return []
    content = read_json(path)
    entries = content.get("evaluations")
    if content.get("version") != VERSION or not isinstance(entries, list):
        raise VaexError(f"{path}: expected version {VERSION}, got {content.get('version')!r}; move it away to go on")
    return entries


def append(folder: Path, entries: Sequence[Entry]) -> None:
    """Adds entries to a run's file, which a crash leaves whole; of two commands at once, neither loses any."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_json(folder / NAME, {"version": VERSION, "evaluations": [*read(folder), *entries]})
    finally:
        os.close(held)


def latest(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the newest entry of each metric."""
    return list({one["metric"]: one for one in entries}.values())


def numbers(entries: Sequence[Entry]) -> dict[str, Any]:
    """Returns the plain numbers of the newest entry of each metric, as `metric.number`."""
    return {
        f"{one['metric']}.{key}": value
        for one in latest(entries)
        for key, value in one["numbers"].items()
        if value is None or isinstance(value, (int, float))
    }
