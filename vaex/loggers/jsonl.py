"""`metrics.jsonl`: one line per step and split, the record that every run keeps."""

import json
import math
import numbers
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, SupportsFloat

from vaex.loggers.base import RunInfo


@dataclass(frozen=True)
class Jsonl:
    """Lines `{"step": 100, "split": "train", "loss": 31.2, ...}` in the run's folder; floats are finite or null."""

    filename: ClassVar[str] = "metrics.jsonl"

    def check(self, run: RunInfo) -> None:
        """Every run can be."""

    def open(self, run: RunInfo) -> "JsonlLog":
        """Returns a log that begins afresh, or after the checkpoint's step when the run was resumed."""
        path = run.folder / self.filename
        kept = [] if run.resumed_at is None else list(_lines_up_to(run.resumed_at, path))
        _replace(path, "".join(line + "\n" for line in kept))
        return JsonlLog(path, seen={_key(line) for line in kept})


class JsonlLog:
    """The open file. Each line reaches the system as it is written (some 5 us), so that SIGKILL loses none."""

    closing_line = None

    def __init__(self, path: Path, seen: set[tuple[Any, Any]]) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._seen = seen

    def metrics(self, step: int, split: str, values: Mapping[str, SupportsFloat | None]) -> None:
        """Writes one line; a (step, split) that is there already is not written twice."""
        if (step, split) in self._seen:
            return
        self._seen.add((step, split))
        line = {"step": int(step), "split": split} | {name: finite(value) for name, value in values.items()}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")

    def figure(self, name: str, path: Path, step: int) -> None:
        """Nothing: the PNG lies in the run's folder already."""

    def close(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Closes the file; `summary.json` is the runner's."""
        self._file.close()


def finite(value: SupportsFloat | None) -> float | int | None:
    """The number as JSON has it: integers stay integers, NaN and the infinities are None."""
    if value is None or isinstance(value, numbers.Integral):
        return None if value is None else int(value)
    value = float(value)
    return value if math.isfinite(value) else None


def _lines_up_to(step: int, path: Path) -> Iterator[str]:
    """Yields the lines to keep; a last line torn by SIGKILL is not one."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            keep = json.loads(line)["step"] <= step
        except (ValueError, KeyError, TypeError):
            keep = number < len(lines)  # not ours, or damaged otherwise: never thrown away
        if keep:
            yield line


def _key(line: str) -> tuple[Any, Any]:
    """The (step, split) of a line; (None, None) of one that has none."""
    try:
        record = json.loads(line)
        return record["step"], record["split"]
    except (ValueError, KeyError, TypeError):
        return None, None


def _replace(path: Path, text: str) -> None:
    """Writes `text` to `path` in one piece: a reader, or a kill, sees the old file or the new one."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
