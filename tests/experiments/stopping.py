"""Commands in processes of their own, stopped by a signal at a chosen moment."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def start(*words: str) -> subprocess.Popen:
    """Starts `experiments.train` with W&B offline."""
    command = [sys.executable, "-m", "experiments.train", *words]
    environment = {**os.environ, "WANDB_MODE": "offline"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def stop_when(process: subprocess.Popen, ready: Callable[[], bool], number: int, delay: float = 0.0) -> tuple[int, str]:
    """Sends a signal a moment after `ready`; returns the exit code and what was printed on stderr."""
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err
