"""Every mistake ends, before any step, with exit status 1 and one message that has the line to type; no traceback."""

import json

import numpy as np
import pytest


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
        ("trainer.init_from=3", "trainer.init_from: expected the folder of a run, got 3"),
        ("trainer.ema_decay=true", "trainer.ema_decay: expected a number in (0, 1) or null, got True"),
        ("evaluation=null", "evaluation: expected its keys, got None"),
        ("trainer.init_from=nowhere", "expected the folder of a run, got nowhere"),
        ("encoder.activation=rleu", "did you mean 'relu'"),
    ],
)
def test_settings(train, word, message):
    refused(train(*word.split()), message)


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
