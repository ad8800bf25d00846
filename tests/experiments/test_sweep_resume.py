"""A sweep that is killed, interrupted and killed again, at random moments, ends in the numbers of one left alone."""

import json
import random
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.experiments import stopping

STEPS, MEMBERS = 2000, 6
ARGS = [
    *("-m", "likelihood=gaussian,bernoulli", "seed=0,1,2", "encoder.hidden=[32]", "decoder.hidden=[32]"),
    *(f"trainer.num_steps={STEPS}", "trainer.eval_every=500", "trainer.checkpoint_every=150", "trainer.log_every=50"),
    *("trainer.steps_per_call=10", "evaluation.nll_num_samples=20", "logger=wandb"),
]
NUMBERS = ("status", "step", "elbo", "elbo_se", "nll", "rate", "distortion", "objective", "mse", "active_units")


def start(folder: Path) -> subprocess.Popen:
    return stopping.start(*ARGS, f"hydra.sweep.dir={folder}")


def lines(folder: Path) -> int:
    """How many rows the sweep's runs have written by now."""
    return sum(path.read_text().count("\n") for path in folder.glob("*/metrics.jsonl"))


def summaries(folder: Path) -> dict[int, dict]:
    return {int(path.parent.name): json.loads(path.read_text()) for path in folder.glob("*/summary.json")}


def stop_when(folder: Path, ready: Callable[[], bool], delay: float, number: int) -> tuple[int, str]:
    """Starts or continues the sweep, and sends a signal a moment after `ready`."""
    return stopping.stop_when(start(folder), ready, number, delay)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "sweep"
    process = start(folder)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    return folder


def test_killed_and_interrupted_it_ends_in_the_same_numbers(undisturbed, tmp_path):
    folder, moments = tmp_path / "sweep", random.Random(11)
    rows = 3 * (STEPS // 50 + STEPS // 500)  # of one pack
    # In the first pack; while its runs are finished; in the second pack; and at last, politely, a little later.
    first, later = moments.randrange(rows // 2), moments.randrange(rows // 4, rows // 2)
    assert stop_when(folder, lambda: lines(folder) > first, 0.0, signal.SIGKILL)[0] == -signal.SIGKILL
    ids = {path: json.loads(path.read_text())["wandb_id"] for path in folder.glob("*/run.json")}
    assert ids
    statuses = [job["status"] for job in json.loads((folder / "sweep.json").read_text())["jobs"]]
    assert statuses == ["running"] * 3 + ["pending"] * 3
    stop_when(folder, lambda: any(s["status"] == "completed" for s in summaries(folder).values()), 0.0, signal.SIGKILL)
    done = {num for num, s in summaries(folder).items() if s["status"] == "completed"}
    assert done
    written = {num: (folder / str(num) / "summary.json").stat().st_mtime_ns for num in done}
    stop_when(folder, lambda: lines(folder) > rows + later, moments.random() * 0.05, signal.SIGKILL)
    code, err = stop_when(folder, lambda: lines(folder) > rows + later + 30, 0.0, signal.SIGINT)
    assert code == 130
    (line,) = [line for line in err.splitlines() if line.startswith("continue with: ")]
    assert shlex.split(line)[-1] == f"hydra.sweep.dir={folder}"
    interrupted = json.loads((folder / "sweep.json").read_text())["jobs"][3:]
    assert {job["status"] for job in interrupted} == {"interrupted"}

    process = start(folder)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "3 completed already" in out.splitlines()[0]
    assert written == {num: (folder / str(num) / "summary.json").stat().st_mtime_ns for num in done}  # nothing repeated
    assert all(json.loads(path.read_text())["wandb_id"] == found for path, found in ids.items())

    ours, theirs = summaries(folder), summaries(undisturbed)
    assert len(ours) == MEMBERS
    for num in range(MEMBERS):
        assert {n: ours[num][n] for n in NUMBERS} == {n: theirs[num][n] for n in NUMBERS}
        one, other = folder / str(num), undisturbed / str(num)
        a, b = (load_file(run / "checkpoint" / f"step_{STEPS:010d}.safetensors") for run in (one, other))
        assert all(np.array_equal(a[name], b[name]) for name in b)
        assert (one / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()
    assert (folder / "results.csv").read_text().count("completed") == MEMBERS
    assert {job["status"] for job in json.loads((folder / "sweep.json").read_text())["jobs"]} == {"completed"}
