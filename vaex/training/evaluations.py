"""`evaluation.json` of a run's folder: what was measured after its training; entries are only ever added."""

import errno
import fcntl
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaex._check import VaexError
from vaex._write import CannotWrite
from vaex.training import earlier
from vaex.training.files import check, read_json, write_json

NAME = "evaluation.json"
VERSION = 1
Entry = dict[str, Any]
_KINDS = {
    "metric": str,
    "kind": str,
    "split": str,
    "settings": dict,
    "numbers": dict,
    "num_examples": int,
    "seed": int,
    "version": (int, str),
    "headline": (str, type(None)),
    "warnings": [str],
}


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
    for entry in entries:
        check(entry, dict, path, "evaluations")
        for key, kind in _KINDS.items():
            check(entry.get(key), kind, path, key)
    return entries


def check_writable(folder: Path) -> None:
    """Raises `CannotWrite` where no number could be added, so that it is not measured first."""
    if not os.access(folder, os.W_OK):
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        code = errno.EROFS if read_only else errno.EACCES
        raise CannotWrite(OSError(code, os.strerror(code)), folder / NAME)


def append(folder: Path, entries: Sequence[Entry]) -> None:
    """Adds entries to a run's file, which a crash leaves whole; of two commands at once, neither loses any."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_json(folder / NAME, {"version": VERSION, "evaluations": [*read(folder), *entries]})
    finally:
        os.close(held)


def latest(entries: Sequence[Entry], split: str = "test") -> list[Entry]:
    """Returns the newest entry of each metric on a split, or of examples that the model made."""
    return list({one["metric"]: one for one in entries if one["split"] in (split, "simulated")}.values())


def how(entry: Mapping[str, Any]) -> str:
    """Returns what two numbers of a metric must share to stand beside each other."""
    alike = [entry[key] for key in ("version", "settings", "seed", "split", "num_examples")]
    return repr([*alike, earlier.precision_of(entry)])


def numbers(entries: Sequence[Entry]) -> dict[str, Any]:
    """Returns the plain numbers of the newest entry of each metric on the test split, as `metric.number`."""
    return {
        f"{one['metric']}.{key}": value
        for one in latest(entries)
        for key, value in {**one["numbers"], "num_examples": one["num_examples"]}.items()
        if value is None or isinstance(value, (int, float))
    }
