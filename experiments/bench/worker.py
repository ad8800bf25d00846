"""A contestant is a process of its own, so that memory and threads do not interfere; only one runs at a time.

The protocol: it starts with the problem's name and a file of examples, warms up, and says `{"version": ...}`; from then
on each line `{"seed": s}` is answered by `{"seconds": ..., "loss": ...}`, a training from scratch. The standard library
and NumPy only: the PyTorch rival imports this from an environment without vaex.
"""

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench.problem import PROBLEMS, Problem

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[[int], tuple[float, float]]  # seed -> (seconds of training, loss after it)
Build = Callable[..., Run]  # (problem, examples [N, D], *options) -> Run


class NotMeasured(Exception):
    """Why something was not measured."""


def serve(build: Build, package: str) -> None:
    """Answers until the standard input ends; `package` is the one whose version is told."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to stderr, never between the replies
    name, path, *options = sys.argv[1:]
    run = build(PROBLEMS[name], np.load(path), *options)
    run(0)  # compiles, and touches the memory
    print(json.dumps({"version": f"{package} {importlib.metadata.version(package)}"}), file=replies)
    for line in sys.stdin:
        seconds, loss = run(json.loads(line)["seed"])
        print(json.dumps({"seconds": seconds, "loss": loss}), file=replies)


class Worker:
    """The parent's end of a contestant; as a context it ends the process."""

    def __init__(self, command: Sequence[str]):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, cwd=ROOT
            )
        except OSError as error:
            self._errors.close()
            raise NotMeasured(f"cannot start {command[0]}: {error.strerror}") from None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def warm_up(self) -> str:
        """Returns the contestant's version, once it is ready.

        Raises:
            NotMeasured: with the last line that it printed, where it could not start.
        """
        return self._read()["version"]

    def train(self, seed: int) -> tuple[float, float]:
        """Returns the seconds of one training from scratch, and the loss after it."""
        with contextlib.suppress(BrokenPipeError):  # it died; the reason follows from reading
            print(json.dumps({"seed": seed}), file=self._process.stdin, flush=True)
        reply = self._read()
        return reply["seconds"], reply["loss"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        raise NotMeasured(last_line(self._errors.read()) or f"ended with status {self._process.returncode}")


def contestant(python: str | Path, module: str, problem: Problem, examples: Path, *options: str) -> list[str]:
    """Returns the command that starts a contestant."""
    return [str(python), "-m", f"experiments.bench.{module}", problem.name, str(examples), *options]


def last_line(text: str) -> str:
    """Returns the last line that says something: of a traceback, the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
