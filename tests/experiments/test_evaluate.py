"""The command `evaluate`: what it leaves beside a run, for one run or a sweep; and every mistake before it measures."""

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra

import vaex
from tests.experiments.conftest import SMALL
from tests.experiments.test_mistakes import refused
from tests.loggers.conftest import bare_wandb, offline_records
from vaex.data import Mnist, Tfds

__all__ = ["bare_wandb", "offline_records"]
QUICKLY = "optimizer.learning_rate=0.01"  # 20 steps collapse at a beta of 1000, and at 0.1 and seed 0 learn 2.5 nats
QUICK = ("metric=nll", "metric.nll.num_samples=20")


def evaluations(folder):
    return json.loads((Path(folder) / "evaluation.json").read_text())["evaluations"]


def contents(folder="."):
    """The digest of every file but logs of W&B."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with what all tests start from, trained once: a sweep, a run without a density, a diverged one."""
    import importlib
    import logging

    root = tmp_path_factory.mktemp("trained")
    words = {
        "sweep": ("-m", "objective.beta=0.1,1000", "seed=0,1", "hydra.sweep.dir=sweep", "logger=wandb", QUICKLY),
        "bce": ("likelihood=bce", "hydra.run.dir=bce", "logger=none"),
        "wide": ("latent_dim=3", "hydra.run.dir=wide", "logger=none"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("WANDB_MODE", "offline")
        for name in words:
            multirun = words[name][:1] if name == "sweep" else ()
            patch.setattr("sys.argv", ["train", *multirun, *SMALL, *words[name][len(multirun) :]])
            patch.delenv("HYDRA_FULL_ERROR", raising=False)
            GlobalHydra.instance().clear()
            importlib.import_module("experiments.train").main()
    import wandb

    wandb.teardown()  # or its process would be named in the environment that `bare_wandb` puts back, and be gone
    for handler in logging.getLogger().handlers[:]:
        if type(handler) in (logging.FileHandler, logging.StreamHandler):  # the run's, not pytest's own
            logging.getLogger().removeHandler(handler)
            handler.close()
    return root


@pytest.fixture
def evaluate(command, trained, tmp_path, monkeypatch):
    """Evaluates in a folder with a copy of what is trained, W&B offline."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    shutil.copytree(tmp_path / "sweep" / "0", tmp_path / "run")
    return lambda *words: command(*words, name="evaluate")


def test_a_record_says_what_was_measured_and_how_and_nothing_else_changes(evaluate):
    before = contents()
    done = evaluate("run=run", *QUICK, "seed=3", "wandb=false")
    assert done.code == 0, done.err
    after = contents()
    assert after.pop(Path("run/evaluation.json"))
    assert after == before
    (one,) = evaluations("run")
    expected = {
        "metric": "nll",
        "kind": "NLL",
        "version": 1,
        "headline": "nll",
        "settings": {"num_samples": 20},
        "seed": 3,
        "split": "test",
        "num_examples": 359,  # all of them
        "num_samples": 20,
        "binarization": "dynamic",
        "dequantization": "none",
        "likelihood": "bernoulli",
        "data_measure": "digits, dynamic binarization, counting measure",
        "step": 20,
    }
    assert {key: one[key] for key in expected} == expected
    arrays = max(Path("run/checkpoint").glob("*.safetensors"))
    assert one["checkpoint_sha256"] == hashlib.sha256(arrays.read_bytes()).hexdigest()
    assert one["data"] == json.loads(Path("run/run.json").read_text())["data"]
    assert "nll (359 test examples, K = 20): nll " in done.out
    summary = json.loads(Path("run/summary.json").read_text())
    # Of the same examples: 20 draws are closer than 4, and the ELBOs differ by their draws' noise.
    assert one["numbers"]["nll"] < summary["nll"] < -summary["elbo"]
    assert one["numbers"]["elbo"] == pytest.approx(summary["elbo"], abs=0.5)


def test_entries_are_only_added_and_the_same_seed_gives_the_same_numbers(evaluate):
    words = ("run=run", *QUICK, "wandb=false")
    assert evaluate(*words).code == 0
    first = evaluations("run")
    assert evaluate(*words).code == 0
    assert evaluate(*words, "seed=1").code == 0
    three = evaluations("run")
    assert three[:1] == first
    assert three[1]["numbers"] == first[0]["numbers"]
    assert three[2]["numbers"]["nll"] != first[0]["numbers"]["nll"]
    assert three[2]["numbers"]["nll"] == pytest.approx(first[0]["numbers"]["nll"], abs=0.5)  # other noise alone


def test_a_sweep_side_by_side_is_each_run_alone(evaluate):
    words = (
        "metric=[nll,information]",
        "metric.nll.num_samples=20",
        "metric.information.num_draws=100",
        "wandb=false",
    )
    found = {}
    for name in ("loop", "vmap"):
        done = evaluate("run=sweep", *words, f"strategy={name}")
        assert done.code == 0, done.err
        assert "4 runs, 1 pack" in done.err
        found[name] = [evaluations(f"sweep/{i}")[-2:] for i in range(4)]
    for i in (1, 2):
        assert evaluate(f"run=sweep/{i}", *words).code == 0
        alone = evaluations(f"sweep/{i}")[-2:]
        for name, entries in found.items():
            for one, expected in zip(entries[i], alone, strict=True):
                same = ("metric", "settings", "seed", "num_examples", "checkpoint_sha256")
                assert {k: one[k] for k in same} == {k: expected[k] for k in same}
                for key, value in expected["numbers"].items():
                    if isinstance(value, float):
                        # A loop runs the single run's program; stacked products round otherwise, and a tree that
                        # splits at a code may send it to the other side.
                        loose = 0.02 if key.startswith("prior_hole") else 2e-6
                        loose, tight = (0.0, 0.0) if name == "loop" else (loose, 1e-5)
                        assert one["numbers"][key] == pytest.approx(value, rel=tight, abs=loose), (name, key)
    assert len({entries[0]["numbers"]["nll"] for entries in found["loop"]}) == 4


def test_the_comparison_shows_what_was_evaluated(evaluate, command):
    short = {"num_temperatures": 20, "num_chains": 2, "num_leapfrog": 2, "num_pilot": 10}
    words = [f"metric.rd_curve.{key}={value}" for key, value in (short | {"num_points": 5, "num_examples": 20}).items()]
    done = evaluate("run=sweep", "metric=[nll,rd_curve,information]", QUICK[1], *words, "wandb=false", "strategy=vmap")
    assert done.code == 0, done.err
    done = command("sweep=sweep", "wandb=false", name="compare")
    assert done.code == 0, done.err
    head = done.out.splitlines()[0].split()
    assert "nll.nll" in head
    assert "information.prior_hole" in head
    assert "collapsed" in done.out
    with Path("sweep/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        by_metric = {one["metric"]: one for one in evaluations(f"sweep/{i}")}
        for key in ("nll", "ess", "bias"):
            assert float(row[f"nll.{key}"]) == by_metric["nll"]["numbers"][key]
        assert float(row["information.mutual_information"]) == pytest.approx(
            by_metric["information"]["numbers"]["mutual_information"]
        )
        assert len(by_metric["rd_curve"]["numbers"]["rate"]) == 5
        assert by_metric["rd_curve"]["num_examples"] == 20
    page = Path("sweep/report.html").read_text()
    assert "dashed: the best q(z|x)" in page
    assert "KL of each latent" in page
    assert "lower objective.beta, or let it rise: schedule@objective.beta_schedule=linear" in page
    assert "not to be trusted" in page  # 20 draws are few


def test_a_collapsed_run_says_so_in_its_summary_and_its_tags(evaluate, offline_records):
    for folder, alarm in (("sweep/2", ["collapsed"]), ("sweep/0", [])):
        summary = json.loads(Path(folder, "summary.json").read_text())
        assert summary["alarms"] == alarm, summary["rate"]
        (logged,) = Path(folder, "wandb").glob("offline-run-*")
        last = [record.run for record in offline_records(logged) if record.HasField("run")][-1]
        assert list(last.tags) == ["digits", "bernoulli", "completed", *alarm]
    assert "collapsed (no active unit" in Path("sweep/2/train.log").read_text()


def test_an_evaluation_is_a_wandb_run_of_its_own_in_the_group_of_the_sweep(evaluate, offline_records):
    done = evaluate("run=sweep", *QUICK)
    assert done.code == 0, done.err
    folders = sorted(Path("outputs/evaluations").glob("*/*/wandb/offline-run-*"))
    assert len(folders) == 4
    assert done.err.count("wandb sync ") == 4
    seen = {}
    for folder in folders:
        records = offline_records(folder)
        start = next(record.run for record in records if record.HasField("run"))
        assert start.job_type == "eval"
        config = {item.key: json.loads(item.value_json) for item in start.config.update}
        final = {
            "/".join(item.nested_key) or item.key: json.loads(item.value_json)
            for record in records
            if record.HasField("summary")
            for item in record.summary.update
        }
        assert config["metric"]["nll"]["settings"] == {"num_samples": 20}
        seen[config["run"]["id"]] = (start.run_group, final, start.run_id, start.display_name)
    for i in range(4):
        of_run = json.loads(Path(f"sweep/{i}/run.json").read_text())
        group, final, wandb_id, name = seen[of_run["id"]]
        assert group == of_run["group"]
        assert wandb_id != of_run["wandb_id"]
        assert name.endswith("eval")
        numbers = evaluations(f"sweep/{i}")[0]["numbers"]
        assert final["final/nll.nll"] == pytest.approx(numbers["nll"], rel=1e-12)
        assert final["final/nll.ess_low"] == pytest.approx(numbers["ess_low"])
    assert "final/nll.nll" in final


def test_every_wandb_run_carries_the_names_of_its_choices(evaluate, offline_records):
    """So that runs can be grouped and filtered by method, those of evaluations likewise; numbers stay nested."""
    assert evaluate("run=sweep", *QUICK).code == 0
    of_eval = sorted(Path("outputs/evaluations").glob("*/*/wandb/offline-run-*"))
    of_train = sorted(Path("sweep").glob("*/wandb/offline-run-*"))
    assert len(of_eval) == len(of_train) == 4
    betas = []
    for folder in (*of_train, *of_eval):
        start = next(record.run for record in offline_records(folder) if record.HasField("run"))
        config = {item.key: json.loads(item.value_json) for item in start.config.update}
        groups = ("data", "likelihood", "prior", "posterior", "encoder", "decoder", "objective", "optimizer")
        assert [config[group]["name"] for group in groups] == [
            *("digits", "bernoulli", "standard_normal", "diagonal_normal", "mlp", "mlp", "elbo", "adam")
        ]
        assert config["objective"]["penalty"] == {"name": "none"}
        assert config["objective"]["beta_schedule"] == {"name": "constant"}
        assert "_target_" not in str(config)
        betas.append(config["objective"]["beta"])
    assert sorted(betas) == [0.1] * 4 + [1000] * 4


def test_a_run_that_is_not_completed_is_left_out_of_its_sweep(evaluate):
    Path("sweep/1/summary.json").unlink()
    shutil.rmtree("sweep/3/checkpoint")
    done = evaluate("run=sweep", *QUICK, "wandb=false")
    assert done.code == 0
    for folder, why in (("sweep/1", "it is not completed"), ("sweep/3", "it holds no checkpoint")):
        assert f"{folder} is left out: {why}" in done.err
        assert not Path(folder, "evaluation.json").exists()
    assert len(evaluations("sweep/0")) == len(evaluations("sweep/2")) == 1


def test_the_latest_run_is_found(evaluate, command):
    assert command(*SMALL, "logger=none").code == 0
    done = evaluate("run=latest", *QUICK)
    assert done.code == 0, done.err
    (folder,) = Path("outputs/runs").glob("*/*")
    assert len(evaluations(folder)) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run=nowhere", "run=nowhere: expected the folder of a run or a sweep, which does not exist"),
        ("run=latest", "no run with a checkpoint under"),
        ("run=null", "run: expected a folder, got None; type run=latest"),
        ("run=bce metric=nll", "metric=nll: expected a model with a density, got likelihood=bce"),
        ("run=bce metric=ais", "metric=ais: expected a model with a density"),
        ("run=bce metric=rd_curve", "metric=rd_curve: expected a model with a density"),
        ("run=bce metric=bdmc", "likelihood=bce is no density"),
        ("run=bce metric=[information,nll]", "train with another likelihood, or type metric=information"),
        ("run=run metric.nll.num_samples=0", "metric.nll.num_samples: expected a whole number of at least 1, got 0"),
        ("run=run metric.nll.num_samples=many", "metric.nll.num_samples: expected a whole number"),
        ("run=run metric=ais metric.ais.num_chains=0", "metric.ais.num_chains: expected a whole number"),
        ("run=run metric=ais metric.ais.kind=cosine", "metric.ais.kind: expected one of linear, sigmoid"),
        ("run=run metric=rd_curve metric.rd_curve.num_points=1", "metric.rd_curve.num_points: expected a whole"),
        ("run=run metric.nll.samples=5", "unknown key 'metric.nll.samples'; did you mean 'metric.nll.num_samples'?"),
        ("run=run +metric.nll.k=5", "unknown key 'metric.nll.k'; metric.nll is NLL, which takes num_samples"),
        ("run=run metric=nlll", "unknown choice metric=nlll; expected one of ais, bdmc, information, nll, rd_curve"),
        ("run=run metric=[nll,fid]", "unknown choice metric=fid"),
        ("run=run metric=[]", "metric: expected at least one, got none; type metric=nll"),
        ("run=run +K=5", "unknown key 'K'"),
        ("run=run ~seed", "seed: expected a value, got none; leave out ~seed"),
        ("run=run seed=-1", "seed: expected a whole number of at least 0, got -1"),
        ("run=run split=train", "split: expected one of test, validation; got 'train'"),
        ("run=run split=validation", "split=validation: run was trained without one; type split=test"),
        ("run=run strategy=pmap", "strategy: expected one of auto, loop, vmap; got 'pmap'"),
        ("run=run wandb=3", "wandb: expected true or false, got 3; type wandb=false"),
    ],
)
def test_mistakes_in_the_command_leave_nothing(evaluate, words, message):
    before = contents()
    refused(evaluate(*words.split()), message)
    assert contents() == before


def _no_checkpoint(folder):
    shutil.rmtree(folder / "checkpoint")


def _checkpoint_of(name):
    def damage(folder):
        shutil.rmtree(folder / "checkpoint")
        shutil.copytree(folder.parent / name / "checkpoint", folder / "checkpoint")

    return damage


def _flipped_byte(folder):
    arrays = max((folder / "checkpoint").glob("*.safetensors"))
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(content)


def _status(status):
    def damage(folder):
        summary = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps(summary | {"status": status}))

    return damage


def _changed_config(folder):
    content = json.loads((folder / "run.json").read_text())
    content["config"]["data"]["split_seed"] = 1  # other rows are tested on, binarized otherwise
    (folder / "run.json").write_text(json.dumps(content))


def _changed_sha(folder):
    meta = max((folder / "checkpoint").glob("*.json"))
    content = json.loads(meta.read_text())
    content["data"]["sha256"] = "0" * 64
    meta.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_checkpoint, "run=run: it holds no checkpoint; restore its folder checkpoint/"),
        (_checkpoint_of("wide"), "is of another model than its run.json: model.latent_dim is 3 in the checkpoint"),
        (_checkpoint_of("bce"), "restore"),
        # Of the same model, and yet not this run's: its numbers would stand under another beta.
        (_checkpoint_of("sweep/2"), "is of another run than its run.json: objective.beta is 1000.0 in the checkpoint"),
        (_checkpoint_of("sweep/1"), "is of another run than its run.json: seed is 1 in the checkpoint and 0"),
        (_flipped_byte, "step_0000000020 is damaged"),
        (lambda folder: (folder / "summary.json").unlink(), "it is not completed; continue it with hydra.run.dir=run"),
        (_status("interrupted"), "its status is interrupted, not completed; continue it with hydra.run.dir=run"),
        (_status("diverged"), "its status is diverged, not completed; train again with a lower"),
        (_changed_config, "was trained on other data"),
        (_changed_sha, "was trained on other data"),
        (lambda folder: (folder / "run.json").unlink(), "cannot read run/run.json"),
        (lambda folder: (folder / "evaluation.json").write_text("{"), "run/evaluation.json is damaged"),
        (lambda folder: (folder / "evaluation.json").write_text('{"version": 9}'), "expected version 1, got 9"),
    ],
)
def test_a_folder_that_is_not_the_run_it_was_is_refused_before_anything_is_measured(
    evaluate, damage, message, monkeypatch
):
    damage(Path("run"))
    monkeypatch.setattr("experiments.evaluate._measure_pack", lambda *_: pytest.fail("measured"))
    before = contents()
    refused(evaluate("run=run", *QUICK), message)
    assert contents() == before


def test_a_data_file_that_changed_is_refused(command, tmp_path):
    import numpy as np

    x = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    words = ("data=array", "data.path=x.npy", "likelihood=gaussian", "logger=none", "hydra.run.dir=run")
    assert command(*SMALL, *words).code == 0
    x[5, 1] += 1e-3
    np.save(tmp_path / "x.npy", x)
    before = contents()
    refused(command("run=run", *QUICK, name="evaluate"), "was trained on other data", "restore them")
    assert contents() == before


def test_a_sweep_of_which_one_run_has_no_validation_split_is_refused(command):
    words = ("data.validation_fraction=0.1,0", "logger=none", "hydra.sweep.dir=sweep")
    assert command("-m", *SMALL, *words).code == 0
    before = contents()
    refused(command("run=sweep", "split=validation", *QUICK, name="evaluate"), "sweep/1 was trained without one")
    assert contents() == before
    assert command("run=sweep/0", "split=validation", *QUICK, name="evaluate").code == 0
    (one,) = evaluations("sweep/0")
    assert (one["split"], one["num_examples"]) == ("validation", 180)


def test_wandbs_environment_that_would_merge_evaluations_is_refused_before_anything_is_measured(evaluate, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "abcd1234")
    before = contents()
    refused(evaluate("run=sweep", *QUICK), "WANDB_RUN_ID=abcd1234", "unset WANDB_RUN_ID")
    assert contents() == before
    assert evaluate("run=run", *QUICK, "wandb=false").code == 0


@pytest.fixture
def of_a_file(train, command, tmp_path, monkeypatch):
    """Trains on `data.path=x.npy` in one folder, and goes to another; returns how to evaluate from there."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    monkeypatch.chdir(tmp_path / "first")
    np.save("x.npy", np.random.default_rng(0).normal(size=(90, 3)))
    done = train("data=array", "data.path=x.npy", "likelihood=gaussian", "hydra.run.dir=run")
    assert done.code == 0, done.err
    monkeypatch.chdir(tmp_path / "second")
    return lambda *words: command(
        *("run=../first/run", "metric=nll", "metric.nll.num_samples=2", "wandb=false"), *words, name="evaluate"
    )


def test_a_relative_path_is_seen_from_where_the_run_began(of_a_file, tmp_path):
    """From whatever folder it is evaluated; a file of that name in the current one is another."""
    np.save("x.npy", np.zeros((90, 3)))
    done = of_a_file()
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "first/run/run.json").read_text())["cwd"] == str(tmp_path / "first")
    assert vaex.load("../first/run").log_prob(np.zeros((1, 3)), num_samples=2).shape == (1,)


def test_a_file_that_has_moved_is_told_by_its_content(of_a_file, tmp_path):
    (tmp_path / "first" / "x.npy").rename("moved.npy")
    np.save("other.npy", np.random.default_rng(1).normal(size=(90, 3)))
    np.save("longer.npy", np.random.default_rng(0).normal(size=(100, 3)))
    missing = of_a_file()
    assert missing.code == 1
    for words in (f"{tmp_path}/first/x.npy does not exist", f"was started in {tmp_path}/first", "type data.path=FILE"):
        assert words in missing.err
    assert of_a_file("data.path=moved.npy").code == 0
    assert of_a_file(f"data.path={tmp_path}/second/moved.npy").code == 0
    other, longer = of_a_file("data.path=other.npy"), of_a_file("data.path=longer.npy")
    assert other.code == longer.code == 1
    assert "was trained on other data (sha256 " in other.err
    assert "num_train 72 there, 80 now, num_test 18 there, 20 now, sha256" in longer.err
    assert "nothing.npy does not exist" in of_a_file("data.path=nothing.npy").err
    refused = of_a_file("data.manual_dir=.")
    assert (refused.code, "the run's data are Array, which takes path" in refused.err) == (1, True)


def test_an_old_run_says_where_its_file_is_looked_for(of_a_file, tmp_path):
    path = tmp_path / "first" / "run" / "run.json"
    content = json.loads(path.read_text())
    del content["cwd"]
    path.write_text(json.dumps(content))
    done = of_a_file()
    assert done.code == 1
    assert "run.json does not say in which folder the run was started" in done.err
    assert f"it is taken from {tmp_path / 'second'}" in done.err
    assert of_a_file("data.path=../first/x.npy").code == 0


def test_other_folders_of_data_are_seen_from_there_too(tmp_path):
    for name, data in (("manual_dir", Mnist(manual_dir="here")), ("data_dir", Tfds(name="kmnist", data_dir="here"))):
        assert getattr(data.seen_from(tmp_path), name) == str(tmp_path / "here")
        assert getattr(replace(data, **{name: "/abs"}).seen_from(tmp_path), name) == "/abs"
        assert getattr(replace(data, **{name: "~/x"}).seen_from(tmp_path), name) == str(Path("~/x").expanduser())
        assert replace(data, **{name: None}).seen_from(tmp_path) == replace(data, **{name: None})
