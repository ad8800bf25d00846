"""The launcher `packed`: what it leaves, plans, refuses, survives; its numbers are each run's own."""

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.experiments.conftest import SMALL
from tests.experiments.test_mistakes import refused
from tests.experiments.test_run import summary_of
from vaex.training.job import alone

ROOT = Path(__file__).resolve().parents[2]
QUIET = (*SMALL, "logger=none", "hydra.sweep.dir=sweep")
NUMBERS = (
    *("status", "step", "elbo", "elbo_se", "rate", "distortion"),
    *("objective", "nll", "mse", "active_units", "monitor"),
)


def manifest(folder="sweep"):
    return json.loads(Path(folder, "sweep.json").read_text())


def summary(member, folder="sweep"):
    return summary_of(Path(folder, str(member)))


def statuses(folder="sweep"):
    return [job["status"] for job in manifest(folder)["jobs"]]


def content(folder):
    """Every file of a sweep but locks and logs, which each command may write to."""
    paths = [p for p in Path(folder).rglob("*") if p.is_file() and p.name != ".lock" and p.suffix != ".log"]
    return {path: path.read_bytes() for path in paths}


@pytest.fixture
def sweep(command):
    """Runs a small sweep without W&B in the folder `sweep`."""
    return lambda *words: command("-m", *QUIET, *words)


def test_a_member_is_the_run_that_the_basic_launcher_leaves(command):
    words = ("-m", *SMALL, "logger=wandb", "objective.beta=1,4", "seed=0,1", "likelihood=gaussian")
    for name in ("packed", "basic"):
        done = command(*words, f"hydra/launcher={name}", f"hydra.sweep.dir={name}")
        assert done.code == 0, done.err

    def files(folder):
        names = (str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
        # W&B's own names hold the time, a random id and digests.
        return sorted(re.sub(r"wandb/.*", "wandb", name) for name in names)

    for member in map(str, range(4)):
        packed, basic = (Path(name, member) for name in ("packed", "basic"))
        assert files(packed) == files(basic)
        for name in ("config.yaml", "overrides.yaml", "hydra.yaml"):
            ours, theirs = ((folder / ".hydra" / name).read_text() for folder in (packed, basic))
            if name == "hydra.yaml":  # but for the launcher's own node, and the folder
                ours = re.sub(r"  launcher:\n(    .*\n)+", "", ours).replace("launcher: packed", "launcher: basic")
                theirs = re.sub(r"  launcher:\n(    .*\n)+", "", theirs)
                ours = ours.replace("hydra/launcher=packed", "hydra/launcher=basic")
                ours = re.sub(r"\bpacked\b", "basic", ours)
            assert ours == theirs, name
        (arrays,) = {path.name for path in (packed / "checkpoint").glob("*20.safetensors")}
        assert (packed / "checkpoint" / arrays).read_bytes() == (basic / "checkpoint" / arrays).read_bytes()
        assert (packed / "metrics.jsonl").read_text() == (basic / "metrics.jsonl").read_text()
        for figure in ("reconstructions", "samples", "traversal"):
            assert (packed / f"figures/{figure}.png").read_bytes() == (basic / f"figures/{figure}.png").read_bytes()
        ours, theirs = summary(member, "packed"), summary(member, "basic")
        assert {n: ours[n] for n in NUMBERS} == {n: theirs[n] for n in NUMBERS}
        assert (ours["pack_size"], theirs["pack_size"]) == (4, 1)
        assert list(ours) == list(theirs)
        log = (packed / "train.log").read_text()
        assert f"{member}/wandb" in log  # its own lines
        assert not re.search(rf"packed/[^{member}]/wandb", log)  # and not its neighbours'


def test_a_job_is_composed_once(sweep, monkeypatch):
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    compose, composed = ConfigLoaderImpl.load_sweep_config, []

    def noted(self, master_config, sweep_overrides):
        composed.append(tuple(sweep_overrides)[-1])
        return compose(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", noted)
    assert sweep("seed=0,1,2").code == 0
    assert composed == ["seed=0", "seed=1", "seed=2"]  # for its validation, its folder and its recipe


def test_folders_are_there_before_training(sweep, monkeypatch):
    seen = []

    def look(jobs, stop, **settings):
        for job in jobs:
            seen.append(sorted(p.name for p in job.folder.rglob("*") if p.is_file()))
        seen.append(statuses())
        raise KeyboardInterrupt

    monkeypatch.setattr("vaex.sweep.packs.run_pack", look)
    sweep("seed=0,1")
    assert seen == [[".lock", "config.yaml", "hydra.yaml", "overrides.yaml", "train.log"]] * 2 + [["running"] * 2]


PLANS = [
    (("objective.beta=1,2", "seed=range(0,2)"), "4 jobs = 1 pack of 4 (varies: objective.beta, seed)"),
    (("seed=1,2,3", "hydra.launcher.max_pack=2"), "3 jobs = 1 pack of 2 + 1 pack of 1 (varies: seed)"),
    (
        ("likelihood=gaussian,bce", "objective.beta=1,2", "seed=0,1"),
        "8 jobs = 2 packs of 4 (varies: objective.beta, seed; split by likelihood)",
    ),
    (("data.seed=0,1", "seed=0,1"), "4 jobs = 2 packs of 2 (varies: seed; split by data.seed)"),
    (("objective.beta=1,-1", "seed=0,1"), "4 jobs = 1 pack of 2 (varies: seed) + 2 refused"),
    (("objective.beta=4",), "1 job = 1 pack of 1"),
    (
        ("experiment=stacked_1d,digits_beta", "seed=0,1"),
        "12 jobs = 1 pack of 2 + 1 pack of 10 (varies: seed, objective.beta; split by experiment)",
    ),
]


@pytest.mark.parametrize(("words", "plan"), PLANS)
def test_a_dry_run_prints_the_plan_and_leaves_nothing(command, words, plan):
    small = [word for word in QUIET if not (words[0].startswith("experiment") and ".hidden" in word)]
    done = command("-m", *small, *words, "hydra.launcher.dry_run=true")
    assert done.code == 0, done.err
    assert done.out.strip() == plan
    assert not Path("sweep").exists()


def test_structures_are_packs_and_the_order_of_jobs_stays(sweep):
    done = sweep(
        "likelihood=gaussian,bernoulli", "objective.beta=1,2", "hydra.sweep.subdir=${hydra.job.override_dirname}"
    )
    assert done.code == 0, done.err
    jobs = manifest()["jobs"]
    assert [job["num"] for job in jobs] == [0, 1, 2, 3]
    assert [job["pack"] for job in jobs] == [0, 0, 1, 1]
    for job in jobs:
        folder = Path("sweep", job["directory"])
        assert {f"{key}" in job["directory"] for key in ("likelihood=", "objective.beta=")} == {True}
        assert json.loads((folder / "summary.json").read_text())["status"] == "completed"
    assert [pack["jobs"] for pack in manifest()["packs"]] == [[0, 1], [2, 3]]
    lines = done.out.splitlines()
    assert lines[0] == "4 jobs = 2 packs of 2 (varies: objective.beta; split by likelihood)"
    assert lines[-1] == "sweep/report.html"


def test_a_sweeper_that_sends_batches(sweep):
    done = sweep("objective.beta=1,-1", "seed=0,1", "hydra.sweeper.max_batch_size=2")
    assert done.code == 1  # after all its batches
    assert statuses() == ["completed", "completed", "failed", "failed"]
    assert [job["directory"] for job in manifest()["jobs"]] == ["0", "1", "2", "3"]
    assert "objective.beta: expected at least 0" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=0,1", "hydra.job.chdir=true"], "hydra.job.chdir=true: expected false"),
        (["seed=0,1", "hydra.sweep.subdir=same"], "jobs 0 and 1 share the folder"),
        (["seed=range(0,0)"], "an empty sweep: seed=range(0,0) has no values"),
        (["seed=0,1", "hydra.launcher.strategy=pmap"], "hydra.launcher.strategy: expected one of auto, loop, vmap"),
        (["seed=0,1", "hydra.launcher.on_failure=ignore"], "hydra.launcher.on_failure: expected one of fail, record"),
        (["seed=0,1", "hydra.launcher.retry=[diverged]"], "would diverge again"),
        (["seed=0,1", "hydra.launcher.max_pack=0"], "hydra.launcher.max_pack: expected a whole number of at least 1"),
        (["seed=0,1", "hydra.launcher.executor=ray"], "hydra.launcher.executor: expected one of local"),
        (["seed=0,1", "hydra.launcher.max_packs=2"], "max_packs"),
        (["likelihood=bernouli,gaussian"], "unknown choice likelihood=bernouli"),
        (["sed=0,1"], "did you mean seed=0,1"),
        (["objective.beta=1,2,x"], "expected a number, got 'x'"),
    ],
)
def test_mistakes(sweep, words, message):
    done = sweep(*words)
    refused(done, message)
    if words != ["objective.beta=1,2,x"]:
        assert not Path("sweep").exists()
    else:  # the others are trained all the same
        assert statuses() == ["completed", "completed", "failed"]


def test_environments_that_differ_are_refused(command, monkeypatch):
    done = command("-m", *QUIET, "objective.beta=1,2", "+hydra.job.env_set.A='${objective.beta}'")
    refused(done, "hydra.job.env_set differs between jobs")
    assert not Path("sweep").exists()


@pytest.fixture
def finished(sweep):
    """A finished sweep of two seeds; its content."""
    assert sweep("seed=0,1").code == 0
    return content("sweep")


def test_a_finished_sweep_repeats_nothing(sweep, finished, monkeypatch):
    def fail(*_, **__):
        raise AssertionError

    monkeypatch.setattr("vaex.sweep.packs.run_pack", fail)
    done = sweep("seed=0,1")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "2 jobs = 2 completed already"
    after = content("sweep")
    may_differ = {"sweep.json", "report.html", "results.csv", "multirun.yaml"}
    assert {p for p in after if after[p] != finished.get(p)} <= {Path("sweep", name) for name in may_differ}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=0,2"], "sweep holds another sweep: its job 1 is"),
        (["seed=0"], "holds a sweep of 2 jobs, now 1"),
        (["objective.beta=1,2"], "holds another sweep"),
    ],
)
def test_the_folder_of_another_sweep(sweep, finished, words, message):
    refused(sweep(*words), message, "choose another hydra.sweep.dir")
    assert content("sweep") == finished


def test_a_sweep_whose_runs_had_other_settings(sweep, finished):
    path = Path("sweep", "1", "run.json")
    facts = json.loads(path.read_text())
    facts["config"]["trainer"]["batch_size"] = 99
    path.write_text(json.dumps(facts))
    before = content("sweep")
    refused(sweep("seed=0,1"), "sweep/1 holds a run with other settings (trainer.batch_size=99 there, 16 now)")
    assert content("sweep") == before


@pytest.mark.parametrize(("text", "message"), [("{", "is damaged"), ('{"version": 7}', "expected version 1, got 7")])
def test_a_corrupt_manifest(sweep, finished, text, message):
    Path("sweep", "sweep.json").write_text(text)
    before = content("sweep")
    refused(sweep("seed=0,1"), "sweep.json", message)
    assert content("sweep") == before


def test_a_folder_that_holds_a_run(command, train):
    assert train("hydra.run.dir=sweep").code == 0
    before = content("sweep")
    refused(command("-m", *QUIET, "seed=0,1"), "sweep holds a run, not a sweep")
    assert content("sweep") == before


def test_two_sweeps_in_one_folder_at_the_same_time(sweep, finished):
    with alone(Path("sweep")):
        refused(sweep("seed=0,1"), "sweep is in use by another process")
    assert content("sweep") == finished


def test_a_failure_stays_with_its_member_and_is_retried_on_request(sweep, monkeypatch):
    from vaex.training import figures

    assert sweep("seed=0,1,2", "hydra.sweep.dir=calm").code == 0
    draw = figures.draw

    def fail_for_one(folder, *about):
        if folder.parent.name == "1":
            raise RuntimeError("no ink")
        return draw(folder, *about)

    monkeypatch.setattr("vaex.training.figures.draw", fail_for_one)
    done = sweep("seed=0,1,2")
    assert done.code == 1
    assert "RuntimeError: no ink" in done.err
    assert statuses() == ["completed", "failed", "completed"]
    for member in (0, 2):
        assert {n: summary(member)[n] for n in NUMBERS} == {n: summary(member, "calm")[n] for n in NUMBERS}

    monkeypatch.setattr("vaex.training.figures.draw", draw)
    assert sweep("seed=0,1,2").code == 1  # unasked, it is not tried again
    assert statuses()[1] == "failed"
    before = Path("sweep/0/summary.json").stat().st_mtime_ns
    done = sweep("seed=0,1,2", "hydra.launcher.retry=failed")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "3 jobs = 1 pack of 1 + 2 completed already"
    assert {n: summary(1)[n] for n in NUMBERS} == {n: summary(1, "calm")[n] for n in NUMBERS}
    assert Path("sweep/0/summary.json").stat().st_mtime_ns == before


def test_a_logger_that_fails_is_its_members_own(command, monkeypatch):
    from vaex.loggers.tensorboard import Tensorboard

    open_log = Tensorboard.open

    def fail_for_one(self, run):
        if run.folder.name == "0":
            raise OSError("disk full")
        return open_log(self, run)

    monkeypatch.setattr(Tensorboard, "open", fail_for_one)
    done = command("-m", *SMALL, "logger=tensorboard", "seed=0,1", "hydra.sweep.dir=sweep")
    assert done.code == 1
    assert statuses() == ["failed", "completed"]
    assert "disk full" in summary(0)["message"]


DIVERGING = ("likelihood=gaussian", "optimizer=sgd", "optimizer.learning_rate=1e-4,1e12")


@pytest.mark.parametrize(("on_failure", "code"), [("fail", 1), ("record", 0)])
def test_a_diverged_member(sweep, on_failure, code):
    done = sweep(*DIVERGING, f"hydra.launcher.on_failure={on_failure}")
    assert done.code == code
    assert statuses() == ["completed", "diverged"]
    assert summary(1)["step"] < 20
    (line,) = [line for line in done.err.splitlines() if line.startswith("try: ")]
    assert line.endswith(" optimizer.learning_rate=1e+11")
    assert "hydra.sweep.dir" not in line
    assert "Traceback" not in done.err
    # Again: neither is repeated.
    again = sweep(*DIVERGING, f"hydra.launcher.on_failure={on_failure}")
    assert again.code == code
    assert again.out.splitlines()[0] == "2 jobs = 1 completed already + 1 diverged already"


def test_a_diverged_member_of_an_interrupted_pack_gets_its_numbers_later(sweep, monkeypatch):
    module = importlib.import_module("vaex.training.run")
    assert sweep(*DIVERGING, "hydra.sweep.dir=calm").code == 1
    fit, asked = module.fit, iter([False, True])

    def stopped(pack, states, *, hooks, **settings):
        hooks = dataclasses.replace(hooks, should_stop=lambda: next(asked))
        return fit(pack, states, hooks=hooks, **settings)

    monkeypatch.setattr(module, "fit", stopped)
    sweep(*DIVERGING)
    assert statuses() == ["interrupted"] * 2
    monkeypatch.setattr(module, "fit", fit)
    assert sweep(*DIVERGING).code == 1
    assert statuses() == ["completed", "diverged"]
    for member in range(2):
        assert {n: summary(member)[n] for n in NUMBERS} == {n: summary(member, "calm")[n] for n in NUMBERS}


def test_a_pack_is_as_large_as_memory_allows(sweep, monkeypatch):
    from vaex.training.pack import Pack

    module = importlib.import_module("vaex.training.run")
    # A member needs one, beside two that all share; there is room for seven, so for five members.
    monkeypatch.setattr(Pack, "compile", lambda self, size: 2 + self.num)
    monkeypatch.setattr(module, "free_bytes", lambda device, sharing: 7)
    done = sweep("seed=range(0,9)")
    assert done.code == 0, done.err
    assert statuses() == ["completed"] * 9
    # Nine need eleven: 9 * 7 // 11 = 5 are tried next, and fit.
    packs = manifest()["packs"]
    assert [(pack["jobs"], pack["size"]) for pack in packs] == [([0, 1, 2, 3, 4], 5), ([5, 6, 7, 8], 5)]
    assert [(pack["probes"], pack["halvings"]) for pack in packs] == [(1, 0)] * 2
    assert "9 members need" in done.err
    assert [summary(i)["pack_size"] for i in (0, 8)] == [5, 5]


def test_probes_go_on_until_a_pack_fits(sweep, monkeypatch):
    from vaex.training.pack import Pack

    module = importlib.import_module("vaex.training.run")
    monkeypatch.setattr(Pack, "compile", lambda self, size: 6 + self.num)  # 8 need 14, 4 need 10, 3 need 9, 2 need 8
    monkeypatch.setattr(module, "free_bytes", lambda device, sharing: 8)
    done = sweep("seed=range(0,8)")
    assert done.code == 0, done.err
    assert [len(pack["jobs"]) for pack in manifest()["packs"]] == [2] * 4
    assert max(pack["probes"] for pack in manifest()["packs"]) == 2
    assert {pack["halvings"] for pack in manifest()["packs"]} == {0}


def statuses_on_disk():
    return [summary(i)["status"] for i in range(4)]


def halves(nums):
    return [list(nums[:2]), list(nums[2:])]


def test_a_pack_that_runs_out_of_memory_is_halved(sweep, monkeypatch):
    module = importlib.import_module("vaex.training.run")  # the package has a function of that name

    assert sweep("seed=range(0,4)", "hydra.sweep.dir=calm").code == 0
    fit = module.fit

    def out_of_memory(pack, *args, **settings):
        if pack.num > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
        return fit(pack, *args, **settings)

    monkeypatch.setattr(module, "fit", out_of_memory)
    seen = []
    monkeypatch.setattr("vaex.sweep.packs.balanced", lambda nums, most: seen.append(statuses_on_disk()) or halves(nums))
    done = sweep("seed=range(0,4)")
    assert seen == [["interrupted"] * 4]  # a kill at this moment would lose nothing
    assert done.code == 0, done.err
    assert statuses() == ["completed"] * 4
    assert [(pack["jobs"], pack["size"], pack["halvings"]) for pack in manifest()["packs"]] == [
        *(([0, 1], 2, 1), ([2, 3], 2, 1))
    ]
    for member in range(4):
        assert {n: summary(member)[n] for n in NUMBERS} == {n: summary(member, "calm")[n] for n in NUMBERS}


def test_what_fails_in_the_program_fails_the_pack_and_not_the_others(sweep, monkeypatch):
    module = importlib.import_module("vaex.training.run")  # the package has a function of that name

    fit = module.fit

    def broken(pack, *args, **settings):
        if pack.recipe.model.likelihood.name == "gaussian":
            raise RuntimeError("no program")
        return fit(pack, *args, **settings)

    monkeypatch.setattr(module, "fit", broken)
    done = sweep("likelihood=gaussian,bernoulli", "seed=0,1")
    assert done.code == 1
    assert statuses() == ["failed", "failed", "completed", "completed"]
    assert "RuntimeError: no program" in summary(0)["message"]


def test_vmap_agrees_with_loop(sweep):
    words = ("objective.beta=1,4", "seed=0,1")
    assert sweep(*words, "hydra.sweep.dir=loop").code == 0
    done = sweep(*words, "hydra.launcher.strategy=vmap")
    assert done.code == 0, done.err
    assert manifest()["packs"][0]["strategy"] == "vmap"
    for member in range(4):
        ours, theirs = summary(member), summary(member, "loop")
        # Twenty steps in other orders of summation: 1e-7 a step.
        assert ours["elbo"] == pytest.approx(theirs["elbo"], rel=1e-5)
        assert ours["nll"] == pytest.approx(theirs["nll"], rel=1e-5)


def test_a_vmap_sweep_that_goes_on_keeps_its_size_and_its_numbers(sweep):
    words = ("seed=range(0,4)", "hydra.launcher.strategy=vmap")
    assert sweep(*words, "hydra.sweep.dir=calm").code == 0
    assert sweep(*words).code == 0
    for member in (1, 2):  # as a kill would leave them: trained half, and not at all finished
        Path(f"sweep/{member}/summary.json").unlink()
        for path in Path(f"sweep/{member}/checkpoint").glob("*20.*"):
            path.unlink()
    done = sweep(*words)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "4 jobs = 1 pack of 2 (varies: seed) + 2 completed already"
    assert manifest()["packs"] == [{"jobs": [0, 1, 2, 3], "strategy": "vmap", "size": 4, "probes": 0, "halvings": 0}]
    for member in range(4):
        ours, theirs = Path("sweep", str(member)), Path("calm", str(member))
        assert (ours / "metrics.jsonl").read_text() == (theirs / "metrics.jsonl").read_text()
        assert {n: summary(member)[n] for n in NUMBERS} == {n: summary(member, "calm")[n] for n in NUMBERS}
        assert summary(member)["pack_size"] == 4


def test_a_smaller_max_pack_is_heeded_when_a_sweep_goes_on(sweep):
    assert sweep("seed=range(0,4)").code == 0
    for member in range(4):
        Path(f"sweep/{member}/summary.json").unlink()
    for dry in ("true", "false"):
        done = sweep("seed=range(0,4)", "hydra.launcher.max_pack=2", f"hydra.launcher.dry_run={dry}")
        assert done.code == 0, done.err
        assert done.out.splitlines()[0] == "4 jobs = 2 packs of 2 (varies: seed)"
    assert [pack["jobs"] for pack in manifest()["packs"]] == [[0, 1], [2, 3]]


def test_two_jobs_with_the_same_overrides_are_two_runs_and_one_sample(sweep):
    done = sweep("seed=1,1")
    assert done.code == 0, done.err
    for member in range(2):
        assert Path(f"sweep/{member}/.hydra/config.yaml").exists()
        assert Path(f"sweep/{member}/train.log").exists()
    assert re.search(r"^1 +-", done.out.splitlines()[-3])  # n = 1


def test_a_batch_that_is_refused_leaves_the_earlier_ones_and_their_report(sweep):
    words = ("objective.beta=1,2", "seed=0,1", "hydra.sweeper.max_batch_size=2", "hydra.sweep.subdir=s${seed}")
    done = sweep(*words)
    refused(done, "jobs 0 and 2 share the folder")
    assert Path("sweep/multirun.yaml").exists()
    assert done.out.splitlines()[-1] == "sweep/report.html"
    assert json.loads(Path("sweep/s0/summary.json").read_text())["status"] == "completed"


def test_a_member_whose_folder_is_taken_fails_alone(sweep):
    Path("sweep").mkdir()
    with alone(Path("sweep/1")):
        done = sweep("seed=0,1", "likelihood=gaussian,bernoulli")
    assert done.code == 1
    assert statuses() == ["completed", "failed", "completed", "completed"]
    assert "in use by another process" in done.err


def test_an_error_of_a_member_has_its_traceback_in_its_log(sweep, monkeypatch):
    def fail(*_):
        raise KeyError("ink")

    monkeypatch.setattr("vaex.training.figures.draw", fail)
    done = sweep("seed=0,1")
    assert done.code == 1
    assert "Traceback" not in done.err
    log = Path("sweep/0/train.log").read_text()
    assert "Traceback" in log
    assert "KeyError: 'ink'" in log
    assert log.count("Traceback") == 1  # and not its neighbour's


def test_a_job_that_is_refused_again_says_why_now(sweep, tmp_path):
    words = ("data=array", "data.path=x.npy", "likelihood=gaussian", "seed=0,1")
    assert sweep(*words).code == 1
    assert "x.npy" in summary(0)["message"]
    np.save(tmp_path / "x.npy", np.full((9, 3), np.nan))
    assert sweep(*words, "hydra.launcher.retry=[failed]").code == 1
    assert "NaN" in summary(0)["message"]


def test_a_sweep_folder_that_is_swept_is_refused(command):
    refused(command("-m", *SMALL, "logger=none", "seed=0,1", "hydra.sweep.dir=sweep_${seed}"), "hydra.sweep.subdir=")
    assert not Path("sweep_0").exists()


def test_eight_host_devices_give_the_same_losses(sweep, tmp_path):
    """Six members sharded over eight simulated devices: their first 20 losses, as each alone has them."""
    assert sweep("seed=range(0,6)", "trainer.log_every=1", "hydra.sweep.dir=loop").code == 0
    command = [sys.executable, "-m", "experiments.train", "-m", *QUIET, "seed=range(0,6)", "trainer.log_every=1"]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "8", "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "hydra.launcher.strategy=vmap"], env=environment, check=True, capture_output=True)
    assert json.loads(Path("sweep/0/run.json").read_text())["device"]["count"] == 8

    def losses(folder):
        paths = sorted(Path(folder).glob("*/metrics.jsonl"))
        rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
        return [row["loss"] for row in rows if row["split"] == "train"]

    assert len(losses("loop")) == 6 * 20
    np.testing.assert_allclose(losses("sweep"), losses("loop"), rtol=1e-5)


def test_other_launchers_run_the_app(command, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = command(
        *("-m", *SMALL, "logger=none", "seed=0,1", "hydra.sweep.dir=sweep"),
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=1"),
    )
    assert done.code == 0, done.err
    assert [summary(i)["status"] for i in range(2)] == ["completed"] * 2
    assert done.out.splitlines()[-1] == "sweep/report.html"


def test_wandb_ids_of_a_sweep_would_merge_its_members(command, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    done = command("-m", *SMALL, "logger=wandb", "seed=0,1", "hydra.sweep.dir=sweep")
    assert done.code == 1
    assert "would merge the members of a sweep" in done.err
    assert not list(Path("sweep").glob("*/metrics.jsonl"))  # before any step
    assert statuses() == ["failed", "failed"]
