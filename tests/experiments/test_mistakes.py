"""Every mistake ends, before any step, with exit status 1 and one message that has the line to type; no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.experiments.conftest import SMALL, Done


def refused(done, *words):
    """Asserts the form of every refusal, and that its message holds the words."""
    assert done.code == 1
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err
    assert len(done.err.strip().splitlines()) <= 12, done.err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("beta=4", "unknown key 'beta'; did you mean objective.beta=4?"),
        ("penalty=dip", "unknown key 'penalty'; did you mean penalty@objective.penalty=dip?"),
        ("objective=geco", "for example objective.target=20"),
        ("objective.estimator=dreg", "or objective=iwae"),
        ("+beta=4", "unknown key 'beta'; did you mean objective.beta=4?"),
        ("++learning_rate=1", "did you mean optimizer.learning_rate=1?"),
        ("objective.bta=4", "unknown key 'objective.bta'; did you mean 'objective.beta'"),
        ("+objective.gamma=4", "unknown key 'objective.gamma'; objective is ELBO, which takes beta"),
        ("+evaluation.samples=4", "unknown key 'evaluation.samples'"),
        ("+trainer.steps=4", "unknown key 'trainer.steps'"),
        ("likelihood=bernouli", "unknown choice likelihood=bernouli; expected one of bce, bernoulli"),
        ("likelihoods=bernoulli", "unknown key 'likelihoods'; did you mean 'likelihood'?"),
        ("schedule@objective.beta_schedule=liner", "unknown choice schedule=liner"),
        ("latent_dim=0", "latent_dim: expected a whole number of at least 1, got 0"),
        ("latent_dim=two", "latent_dim: expected a whole number"),
        ("lr=0.1", "did you mean optimizer.learning_rate=0.1?"),
        ("betta=2", "did you mean objective.beta=2?"),
        ("foo", "'foo' is no setting: expected KEY=VALUE"),
        ("~prior", "prior: expected one of its choices"),
        ("objective._target_=foo.Bar", "objective._target_: expected an import path"),
        ("objective.beta_schedule=3", "type schedule@objective.beta_schedule=linear"),
        ("optimizer.b1=1.5", "optimizer.b1: expected a number in [0, 1)"),
        ("objective.beta=1e39", "objective.beta: expected a number"),
        ("seed=0..3", "seed: expected a whole number of at least 0, got '0..3'"),
        ("seed=-1", "seed: expected a whole number of at least 0"),
        ("seed=1099511627776", "2**31"),
        ("objective.beta=abc", "objective.beta: expected a number, got 'abc'"),
        ("objective.beta=-1", "objective.beta: expected at least 0"),
        ("optimizer=adamw optimizer.decay=biases", "optimizer.decay: expected one of kernels, all; got 'biases'"),
        ("objective=geco objective.target=20 objective.max_step=0", "objective.max_step: expected a number above 0"),
        ("objective=iwae objective.num_samples=2 likelihood=optimal_gaussian data.binarize=none", "shared_gaussian"),
        ("objective=miwae objective.num_samples=1 objective.estimator=dreg likelihood=optimal_gaussian", "no draw has"),
        ("objective=info_vae objective.estimator=stl", "add objective.kl=sampled"),
        ("objective=wae_mmd objective.weight=-1", "objective.weight: expected at least 0"),
        ("objective=tc_vae objective.tc_estimator=mws", "objective.tc_estimator: expected one of stratified"),
        ("schedule@objective.beta_schedule=warmup objective.beta_schedule.then=cosine", "only a learning rate falls"),
        ("schedule@optimizer.learning_rate_schedule=cyclical optimizer.learning_rate_schedule.cycles=11", "cycles=10"),
        ("trainer.num_steps=0", "trainer.num_steps: expected a whole number of at least 1, got 0"),
        ("trainer.num_epochs=2", "trainer.num_steps=null"),
        ("trainer.monitor=fid", "trainer.monitor: expected one of elbo"),
        ("evaluation.nll_num_samples=-1", "evaluation.nll_num_samples"),
        ("data.test_fraction=0", "data.test_fraction"),
        ("data.test_fraction=0.0001", "test"),
        ("data.binarize=none", "likelihood=bernoulli expects 0 or 1"),
        ("data.rescale=standardize", "likelihood=bernoulli expects 0 or 1"),
        ("trainer.init_from=[a]", "trainer.init_from: expected the folder of a run, got ('a',)"),
        ("objective=iwae schedule@objective.beta_schedule=linear", "objective=iwae has none; type it with one of"),
        ("output_dir=null", "output_dir: expected a folder, got None; type output_dir=outputs"),
        ("output_dir=[a]", "output_dir: expected a folder, got ['a']"),
        ("trainer.ema_decay=true", "trainer.ema_decay: expected a number in (0, 1) or null, got True"),
        ("evaluation=null", "evaluation: expected its keys, got None"),
        ("trainer.init_from=nowhere", "expected the folder of a run, got nowhere"),
        ("encoder.activation=rleu", "did you mean 'relu'"),
        ("+foo=1", "unknown key 'foo'; --cfg job prints every key"),
        ("++foo.bar=1", "unknown key 'foo'; --cfg job prints every key"),
        ("hydra/launcher=submitit_slurm", "not installed; type: pip install hydra-submitit-launcher"),
        ("hydra/launcher=rq", "not installed; type: pip install hydra-rq-launcher"),
        ("hydra/sweeper=ax", "not installed; type: pip install hydra-ax-sweeper"),
        ("hydra/launcher=packd", "expected one of basic, joblib, packed; did you mean 'packed'?"),
        ("hydra.launcher=basic", "did you mean hydra/launcher=basic?"),
        (
            "hydra.launcher.strateg=loop",
            "unknown key 'hydra.launcher.strateg'; did you mean 'hydra.launcher.strategy'?",
        ),
        ("hydra.sweeper.parms=1", "did you mean 'hydra.sweeper.params'?"),
        ("hydra.swep.dir=x", "unknown key 'hydra.swep.dir'; did you mean 'hydra.sweep.dir'?"),
        ("hydra.sweeper.params.seed=0,1", "type -m seed=0,1"),
        ("experiment=digit_beta", "did you mean 'digits_beta'?"),
        ("likelihood.scale=0.5", "it is one of likelihood=gaussian, likelihood=laplace"),
        ("logger.wandb.name=x", "unknown key 'logger.wandb.name'; logger=none has no such setting"),
        ("--multirn", "--multirn is not a flag; did you mean '--multirun'?"),
        ("-M", "-M is not a flag; did you mean '-m'?"),
        ("--objective.beta", "a setting is typed KEY=VALUE: objective.beta=..."),
        ("--objective.bta=4", "unknown key 'objective.bta'; did you mean 'objective.beta'"),
        ("objective.beta=1,4", "to sweep over them type -m objective.beta=1,4"),
        ("seed=range(0,4)", "type -m 'seed=range(0,4)'"),
        ("seed=range(0,4", "as text: 'seed=\"range(0,4\"'"),
        ("seed=rang(0,4)", "did you mean 'range'?"),
        ("encoder.hidden=[8", "as a list: 'encoder.hidden=[8,8]'"),
        ("data.path=a,b.npy", "as one text 'data.path=\"a,b.npy\"'"),
        ("hydra.sweep.dir=x", "type -m, or hydra.run.dir=x"),
        ("hydra.launcher.dry_run=true", "this is a single run: type -m"),
    ],
)
def test_settings(train, word, message):
    refused(train(*word.split()), message)


# What a user's file may have wrong, and what the message names of it.
FILES = [
    ("experiment", "objective:\n  beta: 4\n", "nothing reads experiment.objective.beta: the experiment's file needs"),
    ("experiment", "# Mine\n# @package _global_\nseed: 4\n", "needs `# @package _global_` as its first line"),
    ("experiment", "# @package objective\nobjective:\n  beta: 4\n", "has the first line `# @package _global_`"),
    ("experiment", "# @package _global_\ndefaults:\n  - /likelihood@model: gaussian\n", "unknown key 'model'"),
    ("likelihood", "# @package _global_\n_target_: vaex.likelihoods.Bernoulli\n", "out of the group's file"),
    ("experiment", "# @package _global_\nhydra:\n  lancher:\n    strategy: loop\n", "did you mean 'hydra.launcher'?"),
    ("experiment", "# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: 0,1\n", "type -m, or hydra.mode"),
    ("experiment", "# @package _global_\ndefaults:\n  - likelihood: mse\n", "type `- override /likelihood: mse`"),
    ("experiment", "# @package _global_\ndefaults: likelihood\n", "defaults must be a list"),
    ("experiment", "# @package _global_\nobjective:\n\tbeta: 4\n", "mine.yaml, line 3, column 1"),
    ("likelihood", "_target_: vaex.likelihoods.Gaussian\nscale:\t- 1\n", "indent with spaces"),
    ("experiment", "# @package _global_\nobjective:\n  beta: 4\n num_samples: 2\n", "line 4, column 2"),
    ("experiment", "# @package _global_\nseed: 4\nseed: 5\n", "line 3, column 1: found duplicate key seed; keep one"),
    ("experiment", "# @package _global_\nencoder: [1, 2\n", "line 3, column 1: expected ',' or ']'"),
    ("experiment", "# @package _global_\nlogger: 'a\n", "found unexpected end of stream"),
    ("experiment", "# @package _global_\n- a\n", "In 'experiment/mine'"),
    ("experiment", b"# @package _global_\nseed: \xff\n", "mine.yaml: expected UTF-8, got byte 0xff"),
]


@pytest.mark.parametrize(("group", "content", "message"), FILES)
def test_files_of_the_user(train, tmp_path, group, content, message):
    (tmp_path / "mine" / group).mkdir(parents=True)
    path = tmp_path / "mine" / group / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(train(f"{group}=mine", "--config-dir=mine"), message)
    assert not list(tmp_path.glob("outputs/runs/*/*/metrics.jsonl"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("JAX_PLATFORMS", "cuda", "no device for JAX_PLATFORMS=cuda"),
        ("JAX_PLATFORMS", "nonsense", "'nonsense' is not in the list of known backends"),
        ("JAX_NUM_CPU_DEVICES", "x", 'Invalid value "x" for JAX flag'),
    ],
)
@pytest.mark.parametrize("words", [(), ("-m",)])
def test_a_device_that_is_not_there(tmp_path, name, value, message, words):
    """In a process of its own: JAX looks for its devices once."""
    environment = {**os.environ, name: value, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    line = [sys.executable, "-m", "experiments.train", *words, *SMALL, "logger=none"]
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    refused(Done(done.returncode, done.stdout, done.stderr), message)


def test_a_schedule_longer_than_training(train):
    done = train("schedule@objective.beta_schedule=linear", "objective.beta_schedule.steps=5000")
    refused(done, "objective.beta_schedule.steps=5000 is longer than training (20 steps)", "trainer.num_steps=5000")


@pytest.mark.parametrize(
    ("array", "likelihood", "message"),
    [
        (np.full((9, 3), np.nan), "gaussian", "NaN"),
        (np.random.default_rng(0).normal(size=(9, 3)), "bernoulli", "likelihood=bernoulli expects 0 or 1"),
        (np.random.default_rng(0).normal(size=(9, 3)), "bce", "likelihood=bce expects values in [0, 1]"),
        (np.zeros((1, 3)), "gaussian", "test"),
        (np.zeros(9), "gaussian", "reshape"),
    ],
)
def test_data(train, tmp_path, array, likelihood, message):
    np.save(tmp_path / "x.npy", array)
    refused(train("data=array", "data.path=x.npy", f"likelihood={likelihood}"), message)


def test_a_missing_file(train, tmp_path):
    refused(train("data=array", "data.path=nothing.npy", "likelihood=gaussian"), str(tmp_path / "nothing.npy"))


def test_convolutions_on_vectors(train, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(90, 3)))
    refused(train("data=array", "data.path=x.npy", "likelihood=gaussian", "encoder=conv", "~encoder.hidden"), "encoder")


def test_an_output_folder_that_cannot_be_written(train, tmp_path):
    (tmp_path / "file").write_text("no folder")
    refused(train("output_dir=file/outputs"), "cannot write to", "output_dir=")


def test_a_folder_of_another_run(train, tmp_path):
    assert train("hydra.run.dir=here").code == 0
    before = {p: p.read_bytes() for p in (tmp_path / "here").rglob("*") if p.is_file() and p.suffix != ".log"}
    refused(train("hydra.run.dir=here", "objective.beta=4"), "objective.beta=1.0 there, 4 now")
    refused(train("hydra.run.dir=here", "trainer.batch_size=17"), "trainer.batch_size=16 there, 17 now")
    after = {p: p.read_bytes() for p in (tmp_path / "here").rglob("*") if p.is_file() and p.suffix != ".log"}
    assert after == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "metadata"])
def test_a_damaged_checkpoint(train, tmp_path, damage):
    assert train("hydra.run.dir=here").code == 0
    (tmp_path / "here" / "summary.json").unlink()
    arrays = max((tmp_path / "here" / "checkpoint").glob("*.safetensors"))
    content = bytearray(arrays.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        arrays.write_bytes(content)
    elif damage == "truncate":
        arrays.write_bytes(content[:100])
    else:
        arrays.with_suffix(".json").write_text("{")
    done = train("hydra.run.dir=here")
    refused(done, "step_0000000020 is damaged", "to go on from the one before it (step_0000000010): rm ")
    # The line does what it says.
    for path in done.err.strip().splitlines()[-1].split(": rm ")[1].split():
        (tmp_path / path).unlink()
    again = train("hydra.run.dir=here")
    assert again.code == 0
    assert "continuing" in again.err
    assert json.loads((tmp_path / "here" / "summary.json").read_text())["step"] == 20


def test_a_checkpoint_of_another_model(train, tmp_path):
    assert train("hydra.run.dir=here").code == 0
    refused(train("trainer.init_from=here", "latent_dim=3"), "trainer.init_from=here is of another model", "has shape")


def test_a_deeper_model_of_the_same_shapes(train):
    deep = ("encoder.hidden=[8,8,8]", "decoder.hidden=[8,8,8]", "latent_dim=4")
    assert train(*deep, "hydra.run.dir=here").code == 0
    flat = ("encoder.hidden=[8,8]", "decoder.hidden=[8,8]", "latent_dim=4")
    refused(train(*flat, "trainer.init_from=here"), "trainer.init_from=here is of another model")


def test_a_monitor_that_cannot_be(train):
    refused(train("trainer.monitor=nll", "evaluation.nll_num_samples=0"), "use trainer.monitor=elbo")


def test_full_error_gives_the_traceback_back(train, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert train("latent_dim=0").code == 1


@pytest.mark.parametrize(
    ("name", "word", "message"),
    [
        ("compare", "sweep=[]", "sweep: expected the folders of sweeps, got none; type sweep=latest"),
        ("compare", "axis=3", "axis: expected a swept key, got 3"),
        ("compare", "group_by=[3]", "group_by: expected a swept key, got 3"),
        ("compare", "output_dir=null", "output_dir: expected a folder, got None; type output_dir=outputs"),
        ("evaluate", "run=[a,b]", "run: expected a folder, got ['a', 'b']; type run=latest"),
        ("evaluate", "output_dir=null", "output_dir: expected a folder, got None; type output_dir=outputs"),
        ("evaluate", "evaluation=null", "evaluation: expected its keys, got None"),
        ("apply", "output_dir=null", "output_dir: expected a folder, got None; type output_dir=outputs"),
    ],
)
def test_commands_that_read_refuse_wrong_types(command, name, word, message):
    refused(command(word, name=name), message)
