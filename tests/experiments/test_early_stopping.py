"""Runs that end early and keep their best, alone and in packs, undisturbed and continued."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import vaex
from vaex.training import checkpoint

WORDS = (
    *("data=array", "likelihood=shared_gaussian", "data.validation_fraction=0.4", "encoder.hidden=[16]"),
    *("decoder.hidden=[16]", "trainer.num_steps=400", "trainer.eval_every=20", "trainer.checkpoint_every=50"),
    *("optimizer.learning_rate=0.02", "trainer.early_stopping=3", "trainer.keep_best=true"),
)


@pytest.fixture
def overfit(train, tmp_path):
    """Trains on 60 examples of noise, of which there is nothing to learn."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32))

    def call(*words, **settings):
        return train(*WORDS, f"data.path={tmp_path / 'x.npy'}", *words, **settings)

    return call


def read(folder, split="validation"):
    """A run's summary, and the ELBOs of a split by step."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rows = {line["step"]: line["elbo"] for line in lines if line["split"] == split}
    return json.loads((folder / "summary.json").read_text()), rows


def numbers(summary):
    """What does not depend on time, folder or pack."""
    left_out = ("train_seconds", "compile_seconds", "steps_per_second", "pack_size", "config_overrides")
    return {key: value for key, value in summary.items() if key not in left_out}


def test_a_run_ends_after_three_evaluations_without_a_better_one(overfit, tmp_path):
    done = overfit(f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 0, done.err
    summary, rows = read(tmp_path / "run")
    best = max(rows, key=rows.get)
    assert summary["status"] == "completed"
    assert (summary["best_step"], summary["step"]) == (best, best + 3 * 20)
    assert max(rows) == best + 3 * 20
    assert "stopped early: 3 evaluations without a better validation elbo" in summary["message"]
    assert "stopped early" in done.err
    kept = load_file(tmp_path / "run" / "checkpoint" / "best.safetensors")
    last = load_file(tmp_path / "run" / "checkpoint" / f"step_{summary['step']:010d}.safetensors")
    assert not any("opt_state" in name for name in kept)
    assert any(not np.array_equal(kept[name], last[name]) for name in kept if name.startswith(".params"))
    model = vaex.load(tmp_path / "run")
    assert model.step == best
    for name, value in checkpoint.eval_arrays(checkpoint.require(tmp_path / "run")).items():
        assert np.array_equal(value, kept[f".params{name}"])


def test_evaluations_count_from_the_end_of_the_last_schedule(overfit, tmp_path):
    """Twenty of them at a rising weight, none of which counts."""
    schedule = ("schedule@objective.beta_schedule=linear", "objective.beta_schedule.steps=210")
    assert overfit(f"hydra.run.dir={tmp_path / 'run'}", *schedule).code == 0
    summary, rows = read(tmp_path / "run")
    counted = {step: elbo for step, elbo in rows.items() if step >= 210}
    assert summary["best_step"] == max(counted, key=counted.get)
    assert summary["step"] == summary["best_step"] + 60


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.validation_fraction=0"], "type data.validation_fraction=0.1"),
        (["data.validation_fraction=0", "trainer.early_stopping=null"], "trainer.keep_best: expected a validation"),
        (["trainer.monitor=nll"], "trainer.monitor=nll is computed at the end only; type trainer.monitor=elbo"),
        (["trainer.monitor=mse"], "trainer.monitor=mse is computed at the end only"),
        (["schedule@objective.beta_schedule=linear"], "a schedule moves until step 400 of 400"),
        (["schedule@optimizer.learning_rate_schedule=cosine"], "a schedule moves until step 400 of 400"),
        (["trainer.early_stopping=0"], "trainer.early_stopping: expected a whole number of at least 1, got 0"),
        (["trainer.keep_best=1"], "trainer.keep_best: expected true or false, got 1"),
    ],
)
def test_what_cannot_be_watched_is_refused(overfit, words, message):
    done = overfit(*words)
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err


class Crash(BaseException):
    """As a power cut: nothing is said, and nothing more is done."""


@pytest.mark.parametrize("moment", ["save_best", "save"])
def test_a_run_that_crashes_ends_in_the_same_bits(overfit, tmp_path, monkeypatch, moment):
    assert overfit(f"hydra.run.dir={tmp_path / 'whole'}").code == 0
    real, calls = getattr(checkpoint, moment), []

    def crash(*about):
        real(*about)
        calls.append(about)
        if len(calls) == 2:
            raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, moment, crash)
        with pytest.raises(Crash):
            overfit(f"hydra.run.dir={tmp_path / 'cut'}")
    assert overfit(f"hydra.run.dir={tmp_path / 'cut'}").code == 0
    (whole, rows), (cut, again) = read(tmp_path / "whole"), read(tmp_path / "cut")
    assert rows == again
    assert numbers(whole) == numbers(cut)
    for name in ("best", f"step_{whole['step']:010d}"):
        files = [tmp_path / run / "checkpoint" / f"{name}.safetensors" for run in ("whole", "cut")]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("strategy", ["loop", "vmap"])
def test_members_stop_by_themselves(overfit, tmp_path, strategy):
    """Each as alone: to the bit under `loop`, to 2e-4 under `vmap`, whose sums have another order."""
    rates = (0.02, 0.002)
    words = ("-m", f"optimizer.learning_rate={','.join(map(str, rates))}", f"hydra.launcher.strategy={strategy}")
    done = overfit(*words, f"hydra.sweep.dir={tmp_path / 'sweep'}")
    assert done.code == 0, done.err
    steps = []
    for m, rate in enumerate(rates):
        alone = tmp_path / f"alone{m}"
        assert overfit(f"optimizer.learning_rate={rate}", f"hydra.run.dir={alone}").code == 0
        (expected, rows), (found, together) = read(alone), read(tmp_path / "sweep" / str(m))
        if strategy == "loop":
            assert rows == together
            assert numbers(expected) == numbers(found)
        else:
            assert rows.keys() == together.keys()
            assert list(rows.values()) == pytest.approx(list(together.values()), rel=2e-4)
            assert expected["elbo"] == pytest.approx(found["elbo"], rel=2e-4)
        steps.append(found["step"])
    assert steps[0] < steps[1]  # the slower one went on without it
    assert "best_step" in Path(tmp_path / "sweep" / "results.csv").read_text()
