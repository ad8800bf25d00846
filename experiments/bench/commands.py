"""What a user waits for and pays: start-up, logging and memory of `python -m experiments.train`, as a command."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from experiments.bench.rows import Goal, Row
from experiments.bench.turns import environment, run, say
from experiments.bench.worker import ROOT, NotMeasured, last_line

# Peak memory over the children that this small process waited for: a forked child would start with our own peak.
MEASURE_MEMORY = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""

# What a run imports, and the data it reads, from the start of the process (the monotonic clock is the system's).
_MEASURE_IMPORT = """
import json, sys, time
import experiments.train, experiments.assemble, vaex.training
from vaex.data import Digits
from vaex.likelihoods import Bernoulli
imported = time.monotonic()
Digits().load(Bernoulli())
print(json.dumps([imported - float(sys.argv[1]), time.monotonic() - imported]))
"""


def startup(repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the seconds from process start to the first training step on digits, and its parts.

    The first run fills the compilation cache and is not counted.
    """
    case, cut = "startup", ("trainer.num_steps=100", "trainer.log_every=1", "evaluation.nll_num_samples=0")
    numbers: dict[str, list[float]] = {"total": [], "import": [], "data": [], "compile": [], "run": []}
    try:
        for repeat in range(repeats + 1):
            folder = scratch / f"startup-{repeat}"
            total = _seconds_to_first_step(folder, *cut, "logger=none")
            imported, loaded = _import_and_data()
            summary = json.loads((folder / "summary.json").read_text())
            parts = (total, imported, loaded, summary["compile_seconds"], summary["train_seconds"])
            if repeat > 0:
                for name, seconds in zip(numbers, parts, strict=True):
                    numbers[name].append(seconds)
                say(f"{repeat} of {repeats}: {total:.2f} s")
    except NotMeasured as reason:
        return [Row(case, "process start to first step", "s", goal=Goal("<=", 10), reason=str(reason))], {}
    rows = [Row(case, "process start to first step", "s", numbers["total"], goal=Goal("<=", 10))]
    labels = {"import": "of it, import", "data": "of it, data", "compile": "of it, compile", "run": "then, 100 steps"}
    return rows + [Row(case, label, "s", numbers[name]) for name, label in labels.items()], {"seconds": numbers}


def logging(repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the training seconds of digits with the default loggers against none.

    As often as by default, over 5 times the steps: 2,000 take less than a second, and noise would hide 5 %.
    """
    case, what, goal = "logging", "jsonl and wandb, against none", Goal("<=", 1.05)
    seconds: dict[str, list[float]] = {"[jsonl,wandb]": [], "none": []}
    try:
        for repeat in range(1, repeats + 1):
            for loggers, measured in seconds.items():
                folder = scratch / f"{'bare' if loggers == 'none' else 'logged'}-{repeat}"
                run(
                    train(folder, "trainer.num_steps=10000", "evaluation.nll_num_samples=0", f"logger={loggers}"),
                )
                measured.append(json.loads((folder / "summary.json").read_text())["train_seconds"])
                say(f"{repeat} of {repeats}: {measured[-1]:.3f} s  logger={loggers}")
    except NotMeasured as reason:
        return [Row(case, what, "s", goal=goal, reason=str(reason))], {}
    return [Row(case, what, "s", seconds["[jsonl,wandb]"], seconds["none"], goal)], {"train_seconds": seconds}


def memory(repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the peak memory of an MNIST run, the evaluation at its end included.

    Once, whatever the repeats: it hardly varies, and the evaluation takes a minute.
    """
    del repeats
    case, what, goal = "memory", "experiment=mnist, peak", Goal("<=", 1.5)
    command = train(scratch / "memory", "experiment=mnist", "trainer.num_steps=500")
    try:
        peak = int(run([sys.executable, "-c", MEASURE_MEMORY, *command]))
    except NotMeasured as reason:
        return [Row(case, what, "GiB", goal=goal, reason=str(reason))], {}
    gib = peak / 2**30 if sys.platform == "darwin" else peak / 2**20  # bytes there, KiB elsewhere
    return [Row(case, what, "GiB", [gib], goal=goal)], {"peak_gib": gib}


def train(folder: Path, *overrides: str) -> list[str]:
    """Returns the command of one run in its folder."""
    return [sys.executable, "-m", "experiments.train", *overrides, f"hydra.run.dir={folder}"]


def _seconds_to_first_step(folder: Path, *overrides: str) -> float:
    """Returns the seconds until the first line is in `metrics.jsonl`: that of step 1, written when it is done."""
    folder.mkdir(parents=True)
    metrics, log = folder / "metrics.jsonl", folder / "bench.log"
    with log.open("w") as output:
        start = time.monotonic()
        process = subprocess.Popen(train(folder, *overrides), cwd=ROOT, env=environment(), stdout=output, stderr=output)
        seconds = None
        while process.poll() is None:
            if seconds is None and metrics.exists() and metrics.stat().st_size:
                seconds = time.monotonic() - start
            time.sleep(0.005)  # seconds are measured; this is the error
    if process.returncode or seconds is None:
        raise NotMeasured(last_line(log.read_text()) or f"ended with status {process.returncode}")
    return seconds


def _import_and_data() -> tuple[float, float]:
    imported, loaded = json.loads(run([sys.executable, "-c", _MEASURE_IMPORT, str(time.monotonic())]))
    return imported, loaded
