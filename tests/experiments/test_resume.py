"""A run that is killed, interrupted and terminated at random moments ends in the same bits as one left alone."""

import json
import random
import shlex
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.experiments import stopping

STEPS = 4000
ARGS = [
    *(
        [
            "'encoder.hidden=[32]'",
            "'decoder.hidden=[32]'",
            "trainer.ema_decay=0.99",
            "trainer.log_every=50",
            "logger=wandb",
        ]
    ),
    *(f"trainer.num_steps={STEPS} trainer.eval_every=1000 trainer.checkpoint_every=300".split()),
    *(["trainer.steps_per_call=10", "evaluation.nll_num_samples=20", "schedule@objective.beta_schedule=linear"]),
    *(["optimizer=adamw", "schedule@optimizer.learning_rate_schedule=cosine"]),
]


def start(folder: Path) -> subprocess.Popen:
    return stopping.start(*(word.strip("'") for word in ARGS), f"hydra.run.dir={folder}")


def rows(folder: Path) -> list[dict]:
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


def stop_at(folder: Path, step: int, delay: float, number: int) -> tuple[int, str]:
    """Starts or continues the run and sends a signal a moment after it logged the step."""
    return stopping.stop_when(start(folder), lambda: any(row["step"] >= step for row in rows(folder)), number, delay)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    process = start(folder)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    return folder


def test_killed_interrupted_and_terminated_it_ends_in_the_same_bits(undisturbed, tmp_path):
    folder, moments = tmp_path / "run", random.Random(7)
    codes = []
    for part, number in enumerate((signal.SIGKILL, signal.SIGINT, signal.SIGTERM)):
        step = moments.randrange(STEPS * part // 4, STEPS * (part + 1) // 4)
        before = json.loads((folder / "run.json").read_text()) if part else None
        code, err = stop_at(folder, step, moments.random() * 0.05, number)
        codes.append(code)
        after = json.loads((folder / "run.json").read_text())
        assert before is None or before["wandb_id"] == after["wandb_id"]
        if number != signal.SIGKILL:
            summary = json.loads((folder / "summary.json").read_text())
            assert summary["status"] == "interrupted"
            assert summary["step"] == max(int(p.stem.split("_")[1]) for p in (folder / "checkpoint").glob("*.json"))
            line = next(line for line in err.splitlines() if line.startswith("continue with: "))
            assert f"hydra.run.dir={folder}" in shlex.split(line)
    assert codes == [-signal.SIGKILL, 130, 143]

    process = start(folder)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "continuing" in err

    ours, theirs = (load_file(f / "checkpoint" / f"step_{STEPS:010d}.safetensors") for f in (folder, undisturbed))
    assert ours.keys() == theirs.keys()
    assert any(name.startswith(".ema") for name in ours)
    for name in ours:
        assert np.array_equal(ours[name], theirs[name]), name

    # Every (step, split) once, with the same numbers; and one W&B run in all its parts.
    assert rows(folder) == rows(undisturbed)
    ids = {path.name.rsplit("-", 1)[1] for path in (folder / "wandb").glob("offline-run-*")}
    assert ids == {json.loads((folder / "run.json").read_text())["wandb_id"]}
    numbers = ("elbo", "nll", "rate", "distortion", "mse", "active_units")
    one, other = (json.loads((f / "summary.json").read_text()) for f in (folder, undisturbed))
    assert {n: one[n] for n in numbers} == {n: other[n] for n in numbers}


def test_a_completed_run_says_so_and_changes_nothing(undisturbed):
    before = {p: p.stat().st_mtime_ns for p in undisturbed.rglob("*") if p.suffix in (".json", ".safetensors", ".png")}
    process = start(undisturbed)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "is completed already" in err
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_a_signal_is_heeded_when_the_terminal_is_gone(tmp_path):
    folder = tmp_path / "run"
    process = start(folder)
    while not rows(folder):
        assert process.poll() is None
        time.sleep(0.01)
    process.stderr.close()
    process.stdout.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert (folder / "checkpoint" / f"step_{summary['step']:010d}.json").exists()
