"""Folders of an earlier version: they resume, evaluate, compare and load, and say so where they cannot go on."""

import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import vaex
from tests.experiments.conftest import SMALL
from vaex.training import earlier, evaluations

CONF = Path(__file__).resolve().parents[2] / "conf"
KEYS = json.loads((Path(__file__).parent / "format_1.json").read_text())  # that each part took then


def make_old(folder, step=None):
    """Makes a run's folder what format 1 would have left, with its last step `step`."""
    path = folder / "run.json"
    run = json.loads(path.read_text())
    run.pop("format", None)
    run["config"] = without_new(run["config"])
    path.write_text(json.dumps(run))
    for path in (folder / "checkpoint").glob("*.json"):
        meta = json.loads(path.read_text())
        for key in ("matmul_precision", "evaluation_precision"):
            meta["recipe"].pop(key, None)
        path.write_text(json.dumps(meta))
        if step is not None and int(path.stem.split("_")[1]) > step:
            path.unlink()
            path.with_suffix(".safetensors").unlink()
    if step is not None:
        (folder / "summary.json").unlink()


def without_new(node, name=""):
    if not isinstance(node, dict):
        return node
    name = node.get("_target_", "").rpartition(".")[2] or name
    kept = {
        key: value for key, value in node.items() if name not in KEYS or key in (*KEYS[name], "_target_") or slot(value)
    }
    return {key: without_new(value, key) for key, value in kept.items()}


def slot(value):
    return isinstance(value, dict) and "_target_" in value


def test_every_new_key_has_the_value_that_was():
    """The one table: whoever adds a key to a part that was there before adds its line."""
    lacking = []

    def walk(node, name=""):
        name = node.get("_target_", "").rpartition(".")[2] or name
        known = {*KEYS[name], *earlier.VALUES.get(name, {}), "_target_", "defaults"} if name in KEYS else set(node)
        lacking.extend(f"{name}.{key}" for key, value in node.items() if key not in known and not slot(value))
        for key, value in node.items():
            if isinstance(value, dict):
                walk(value, key)

    for path in sorted(CONF.rglob("*.yaml")):
        group = path.relative_to(CONF).parts[0]
        if group not in ("experiment", "hydra", "metric", "logger", "evaluate.yaml", "compare.yaml"):
            walk(OmegaConf.to_container(OmegaConf.load(path), resolve=False))
    assert lacking == []


def test_an_old_run_goes_on_evaluates_and_loads(train, command, tmp_path):
    """It ends in the bits of a run that was left alone; an explicit value that was is no other setting."""
    alone, old = tmp_path / "alone", tmp_path / "old"
    for folder in (alone, old):
        assert train(f"hydra.run.dir={folder}").code == 0
    make_old(old, step=10)
    x = np.zeros((2, 8, 8, 1))
    vaex.load(old).log_prob(x, num_samples=2)
    done = train(f"hydra.run.dir={old}", "trainer.matmul_precision=default")
    assert done.code == 0, done.err
    assert "continuing" in done.err
    last = "checkpoint/step_0000000020.safetensors"
    assert (alone / last).read_bytes() == (old / last).read_bytes()
    assert json.loads((old / "run.json").read_text())["format"] == earlier.FORMAT
    make_old(old)
    nll = (f"run={old}", "metric=nll", "metric.nll.num_samples=4", "wandb=false")
    done = command(*nll, name="evaluate")
    assert done.code == 0, done.err
    (entry,) = evaluations.read(old)
    assert entry["matmul_precision"] == "highest"
    assert np.isfinite(vaex.load(old).log_prob(x, num_samples=2)).all()
    assert "completed already" in train(f"hydra.run.dir={old}").err
    refused = train(f"hydra.run.dir={old}", "trainer.matmul_precision=highest")
    assert refused.code == 1
    assert "trainer.matmul_precision=default there, highest now" in refused.err
    assert "type trainer.matmul_precision=default to go on as it began" in refused.err


def test_an_old_run_that_would_train_otherwise_is_refused(train, command, tmp_path):
    """Total correlation next to beta = 4: not resumed, naming the change; evaluated, compared and loaded."""
    words = ("hydra.run.dir=run", "penalty@objective.penalty=total_correlation", "objective.beta=4")
    assert train(*words).code == 0
    folder = tmp_path / "run"
    make_old(folder)
    assert "completed already" in train(*words).err  # there is nothing left to train
    assert command("run=run", "metric=nll", "metric.nll.num_samples=4", "wandb=false", name="evaluate").code == 0
    make_old(folder, step=10)
    refused = train(*words)
    assert refused.code == 1
    assert "now trains to other numbers: the weights of the total-correlation penalty are now times" in refused.err
    assert "choose a new folder" in refused.err
    assert "Traceback" not in refused.err
    assert np.isfinite(vaex.load(folder).log_prob(np.zeros((1, 8, 8, 1)), num_samples=2)).all()


def test_an_old_sweep_goes_on_and_compares(command, tmp_path):
    words = ("-m", *SMALL, "logger=none", "seed=0,1", "hydra.sweep.dir=sweep")
    assert command(*words).code == 0
    sweep = tmp_path / "sweep"
    content = json.loads((sweep / "sweep.json").read_text())
    assert content.pop("format") == earlier.FORMAT
    content["jobs"][1]["status"] = "interrupted"
    (sweep / "sweep.json").write_text(json.dumps(content))
    make_old(sweep / "0")
    make_old(sweep / "1", step=10)
    done = command(*words, "trainer.matmul_precision=default")
    assert done.code == 0, done.err
    assert "1 completed already" in done.out
    assert command("sweep=sweep", "wandb=false", name="compare").code == 0
    assert command(*words, "trainer.matmul_precision=highest").code == 1


CONSTANT = {"_target_": "vaex.schedules.Constant"}
TC = {"_target_": "vaex.objectives.penalties.TotalCorrelation", "mutual_information": 1.0, "dimension_wise_kl": 1}

NONE = {"_target_": "vaex.objectives.penalties.NoPenalty"}


def objective(name, penalty=None, **settings):
    own = {"_target_": f"vaex.objectives.{name}", "penalty": penalty or {**TC, "total_correlation": 6.0}, **settings}
    return {"objective": {"beta": 1.0, "beta_schedule": CONSTANT, **own}}


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        (objective("ELBO"), False),
        (objective("ELBO", beta=4.0), True),
        (objective("ELBO", beta=4.0, penalty={**TC, "total_correlation": 1.0}), False),
        (objective("ELBO", beta=4.0, penalty={"_target_": "vaex.objectives.penalties.MMD"}), False),
        (objective("ELBO", beta_schedule={"_target_": "vaex.schedules.Linear"}), True),
        (objective("GECO"), True),
        (objective("TargetRate"), True),
        (objective("PIControl"), True),
        ({"objective": {"_target_": "vaex.objectives.tc_vae", "total_correlation": 6.0}}, False),
        ({"objective": {"_target_": "vaex.objectives.PIWAE"}}, True),
        ({"optimizer": {"learning_rate_schedule": {"_target_": "vaex.schedules.Cyclical"}}}, True),
        (objective("ELBO", penalty=NONE, beta_schedule={"_target_": "vaex.schedules.Stages"}), True),
        (objective("ELBO", penalty=NONE, beta_schedule={"_target_": "vaex.schedules.Cyclical"}), False),
    ],
)
def test_which_configs_train_to_other_numbers(config, changed):
    def refused(run):
        try:
            earlier.refuse_changed("folder", run)
        except vaex.VaexError:
            return True
        return False

    assert refused({"config": config}) == changed
    assert not refused({"config": config, "format": earlier.FORMAT})


def test_what_is_somebody_elses_is_neither_filled_nor_imported():
    config = {"optimizer": {"_target_": "mypkg.AdamW"}, "trainer": {"_target_": "vaex.training.Trainer"}}
    filled = earlier.config_of({"config": config})
    assert filled["optimizer"] == {"_target_": "mypkg.AdamW"}
    assert filled["trainer"]["matmul_precision"] == "default"
    assert earlier.config_of({"config": config, "format": earlier.FORMAT}) == config


def test_an_old_entry_counts_as_what_its_device_did():
    old = {"version": 1, "settings": {}, "seed": 0, "split": "test", "num_examples": 3}
    new = {**old, "matmul_precision": "highest"}
    assert evaluations.how({**old, "device": "cpu: cpu"}) == evaluations.how(new)
    assert evaluations.how({**old, "device": "gpu: NVIDIA H100"}) != evaluations.how(new)
