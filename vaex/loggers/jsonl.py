"""`metrics.jsonl`: one line per step and split, the record that every run keeps."""

import json
import math
import numbers
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, SupportsFloat

from vaex._write import put, write_bytes, writing
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
        write_bytes(path, "".join(line + "\n" for line in kept).encode())
        return JsonlLog(path, seen={_key(line) for line in kept})


class JsonlLog:
    """The open file. Each line reaches the system as it is written (some 5 us), so that SIGKILL loses none."""

    closing_line = None

    def __init__(self, path: Path, seen: set[tuple[Any, Any]]) -> None:
        with writing(path):
            self._file = path.open("ab", buffering=0)
        self._path = path
        self._seen = seen

    def metrics(self, step: int, split: str, values: Mapping[str, SupportsFloat | None]) -> None:
        """Writes one line; a (step, split) that is there already is not written twice."""
        if (step, split) in self._seen:
            return
        self._seen.add((step, split))
        line = {"step": int(step), "split": split} | {name: finite(value) for name, value in values.items()}
        with writing(self._path):
            put(self._file.fileno(), (json.dumps(line, allow_nan=False) + "\n").encode())

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
