"""One run through the command line: its files, its numbers, and the model that is loaded back."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import vaex
from tests.experiments.conftest import SMALL
from vaex import VaexError
from vaex.training import figures
from vaex.training.labels import labelled
from vaex.training.streams import stream

SUMMARY = {
    *(
        "status",
        "message",
        "alarms",
        "step",
        "seed",
        "beta",
        "elbo",
        "elbo_se",
        "rate",
        "distortion",
        "objective",
        "nll",
        "nll_se",
    ),
    *("nll_num_samples", "ess", "mse", "bits_per_dim", "active_units", "likelihood", "data_measure", "num_test"),
    *("num_parameters", "train_seconds", "compile_seconds", "steps_per_second", "config_overrides", "monitor"),
    *("validation", "latent_dim", "pack_size", "effective_beta", "observation_noise", "decomposition"),
    *("mutual_information", "total_correlation", "dimension_wise_kl"),
    *("mutual_information_se", "total_correlation_se", "dimension_wise_kl_se"),
}


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture
def run(train, tmp_path):
    """Trains in a folder of a name, and returns its summary."""

    def call(name, *words):
        done = train(f"hydra.run.dir={name}", *words)
        assert done.code == 0, done.err
        return summary_of(tmp_path / name)

    return call


def test_a_traversal_says_which_latent_and_its_kl(run, tmp_path, monkeypatch):
    """The rows' mean KLs sum to the rate of the test split, which has a closed form; the words are in the picture."""
    seen = []

    def noted(image, columns, rows, title):
        seen.append((image.size, columns, rows, title))
        return labelled(image, columns, rows, title)

    monkeypatch.setattr("vaex.training.figures.labelled", noted)
    summary = run("three", "latent_dim=3", "optimizer.learning_rate=0.01")
    ((size, columns, rows, title),) = seen
    assert (columns[0], columns[-1], len(columns)) == ("-3.0", "+3.0", 10)
    assert sorted(row[0] for row in rows) == ["z0", "z1", "z2"]
    kls = [float(row[1].removesuffix(" nats")) for row in rows]
    assert kls == sorted(kls, reverse=True)
    assert sum(kls) == pytest.approx(summary["rate"], abs=3 * 0.005)  # two decimals each
    assert title == ["3 of 3 latents, by mean KL on the test split;", "the others at the first image's code"]
    picture = np.asarray(Image.open(tmp_path / "three/figures/traversal.png"))
    beside, above = picture[-size[1] :, : -size[0]], picture[: -size[1]]
    for band in (*np.split(beside, 3), above):
        assert band.max() == 255
        assert 0.02 < (band == 0).mean() < 0.3  # black on white


@pytest.mark.parametrize(
    ("latent_dim", "kl", "first", "title"),
    [
        (50, [2.5, 0.004] + [0.0] * 8, ["z7", "2.50 nats"], "10 of 50 latents, by mean KL on the test split;"),
        (1, [0.0], ["z7", "0.00 nats"], "the only latent"),
        (2, None, ["z7"], "2 of 2 latents, by the variance of its mean;"),
    ],
)
def test_a_traversal_says_how_many_of_how_many(latent_dim, kl, first, title):
    order = np.arange(7, 7 + min(latent_dim, 10))
    _, rows, lines = figures._words(order, None if kl is None else np.array(kl), latent_dim)
    assert (rows[0], lines[0], len(rows)) == (first, title, min(latent_dim, 10))
    if latent_dim == 50:
        assert [row[1] for row in rows[1:3]] == ["<0.01 nats", "0.00 nats"]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_words_stand_around_a_picture_and_leave_it_as_it_was(mode):
    grid = Image.effect_noise((60, 40), 50).convert(mode)
    whole = labelled(grid, ["-1", "+1"], [["z0", "1.00 nats"], ["z1", "0.50 nats"]], ["a title that is wider than all"])
    assert whole.mode == mode
    left, top = 8 + 6 * len("1.00 nats"), 4 + 12 + 12 + 4
    assert whole.size == (max(left + 60, 8 + 6 * len("a title that is wider than all")), top + 40)
    assert whole.crop((left, top, left + 60, top + 40)).tobytes() == grid.tobytes()


def test_a_run_leaves_what_the_interface_says(train, tmp_path):
    done = train()
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "outputs" / "runs").glob("*/*")
    for name in (".hydra/config.yaml", "train.log", "run.json", "metrics.jsonl", "summary.json"):
        assert (folder / name).exists(), name
    for name in ("reconstructions", "samples", "traversal"):
        assert np.asarray(Image.open(folder / "figures" / f"{name}.png")).std() > 0
    facts = json.loads((folder / "run.json").read_text())
    assert {"id", "wandb_id", "command", "versions", "device", "git_commit"} <= set(facts)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(r["step"], r["split"]) for r in rows] == [
        *((5, "train"), (10, "train"), (10, "test"), (15, "train"), (20, "train"), (20, "test"))
    ]
    for row in rows:
        assert list(row)[:7] == ["step", "split", "loss", "elbo", "rate", "distortion", "beta"]
    summary = summary_of(folder)
    assert set(summary) == SUMMARY
    assert (summary["status"], summary["step"], summary["num_test"]) == ("completed", 20, 359)
    assert summary["elbo"] == pytest.approx(-(summary["rate"] + summary["distortion"]), rel=1e-12)
    assert summary["nll"] < -summary["elbo"]
    assert summary["bits_per_dim"] == pytest.approx(summary["nll"] / (64 * np.log(2)))
    assert summary["monitor"] == {"name": "elbo", "split": "test", "value": summary["elbo"]}
    assert "digits: 17 grey levels -> dynamic, for likelihood=bernoulli" in done.err
    assert "64 numbers -> 2 (32.0:1)" in done.err


def test_the_loaded_model_agrees_with_the_summary(run, tmp_path, monkeypatch):
    summary = run("here", "evaluation.nll_num_samples=200", "trainer.num_steps=200")
    model = vaex.load(tmp_path / "here")
    from vaex.data import Digits
    from vaex.likelihoods import Bernoulli

    data = Digits().load(Bernoulli())
    x = np.asarray(data.preparation(data.test))
    log_p = model.log_prob(x, num_samples=200, seed=5)
    # Both are 200-sample estimates of the same examples: they differ by their Monte Carlo error alone.
    again = model.log_prob(x, num_samples=200, seed=6)
    error = np.std(log_p - again) / np.sqrt(len(x))
    assert abs(-log_p.mean() - summary["nll"]) < 4 * error
    z = model.compress(x)
    assert z.shape == (359, 2)
    np.testing.assert_allclose(model.encode(x).mean, z)
    np.testing.assert_allclose(model.decompress(z), model.reconstruct(x))
    assert np.mean((model.reconstruct(x) - x) ** 2) == pytest.approx(summary["mse"], rel=1e-5)
    assert np.sum(np.var(z, axis=0) > 0.01) == summary["active_units"]
    assert model.reconstruct(x[:3, :, :, 0]).shape == (3, 8, 8, 1)  # images without a channel axis are taken
    assert set(np.unique(model.sample(50))) == {0.0, 1.0}
    assert np.array_equal(model.sample(5, seed=1), model.sample(5, seed=1))
    with pytest.raises(VaexError, match="likelihood=bernoulli expects 0 or 1"):
        model.log_prob(0.5 * x)
    with pytest.raises(VaexError, match=r"expected examples of shape \(N, 8, 8, 1\)"):
        model.compress(x[:, :4])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VaexError, match="no run with a checkpoint"):
        vaex.load("latest")
    with pytest.raises(VaexError, match="which does not exist"):
        vaex.load("nowhere")


@pytest.mark.parametrize("rescale", ["standardize", "minmax"])
def test_numbers_are_of_the_data_as_given(command, tmp_path, rescale):
    """A linear-Gaussian model of rescaled data is a density of the data as given: checked against the exact one."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(400, 2)) @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(400, 3))) * [1, 10, 0.1] + [
        0,
        5,
        -3,
    ]
    np.savez(tmp_path / "x.npz", train=x, test=x[:100])
    words = (
        "data=array data.path=x.npz likelihood=gaussian likelihood.scale=0.5 encoder=linear decoder=linear latent_dim=2"
    )
    small = "trainer.num_steps=300 optimizer.learning_rate=0.02 trainer.log_every=100 logger=none hydra.run.dir=here"
    done = command(*words.split(), *small.split(), f"data.rescale={rescale}")
    assert done.code == 0, done.err
    model, summary = vaex.load(tmp_path / "here"), summary_of(tmp_path / "here")
    w, b = (np.asarray(model.params["decoder"]["Dense_0"][n], np.float64) for n in ("kernel", "bias"))
    shift, scale = (np.asarray(v, np.float64) for v in (model.preparation.shift, model.preparation.scale))
    # x = shift + scale (W^T z + b + .5 eps)
    cov = np.diag(scale) @ (w.T @ w + 0.25 * np.eye(3)) @ np.diag(scale)
    centred = x[:100] - (shift + scale * b)
    maha = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(cov), centred)
    exact = -0.5 * (maha + np.linalg.slogdet(cov)[1] + 3 * np.log(2 * np.pi))
    found = model.log_prob(x[:100], num_samples=2000)
    # An importance-weighted estimate lies below by about chi^2 / 2K, and scatters by sqrt(chi^2 / K).
    np.testing.assert_allclose(found, exact, atol=0.2)
    assert np.mean(found - exact) == pytest.approx(0.0, abs=0.02)
    assert summary["nll"] == pytest.approx(-exact.mean(), abs=0.05)
    rows = [json.loads(line) for line in (tmp_path / "here" / "metrics.jsonl").read_text().splitlines()]
    last = [r for r in rows if r["split"] == "test"][-1]
    assert last["elbo"] == pytest.approx(summary["elbo"], abs=0.3)  # one draw against 500
    assert summary["mse"] == pytest.approx(np.mean((model.reconstruct(x[:100]) - x[:100]) ** 2), rel=1e-4)
    assert np.abs(model.sample(4000).mean(0) - (shift + scale * b)).max() < 4 * np.sqrt(np.diag(cov) / 4000).max()


def test_bce_is_no_likelihood_and_says_so(run, train, tmp_path):
    done = train("hydra.run.dir=here", "likelihood=bce")
    assert "no likelihood" in done.err
    summary = summary_of(tmp_path / "here")
    assert summary["nll"] is summary["bits_per_dim"] is summary["data_measure"] is summary["ess"] is None
    assert summary["elbo"] is not None
    with pytest.raises(VaexError, match="no density"):
        vaex.load(tmp_path / "here").log_prob(np.zeros((1, 8, 8, 1)))


def test_mse_says_which_gaussian_it_is(train):
    assert "alias mse, with scale sqrt(1/2)" in train("likelihood=mse").err


@pytest.mark.parametrize(
    "likelihood", ["gaussian", "shared_gaussian", "optimal_gaussian", "diagonal_gaussian", "mse", "bce"]
)
def test_every_likelihood_trains_on_grey_digits(run, likelihood):
    summary = run("here", f"likelihood={likelihood}", "trainer.num_steps=200", "optimizer.learning_rate=0.01")
    assert summary["status"] == "completed"
    rows = Path("here/metrics.jsonl").read_text().splitlines()
    tests = [json.loads(r)["objective"] for r in rows if '"test"' in r]
    assert tests[-1] < tests[0]


@pytest.mark.parametrize("network", ["linear", "conv"])
def test_other_networks_train(command, network):
    words = [w for w in SMALL if ".hidden" not in w]
    done = command(*words, "logger=none", f"encoder={network}", f"decoder={network}")
    assert done.code == 0, done.err


def test_a_validation_split_is_what_is_monitored(run):
    summary = run("here", "data.validation_fraction=0.1", "trainer.monitor=nll")
    assert summary["monitor"]["split"] == "validation"
    assert summary["monitor"]["value"] != summary["nll"]
    splits = {json.loads(r)["split"] for r in Path("here/metrics.jsonl").read_text().splitlines()}
    assert splits == {"train", "validation", "test"}


BATCH = ("likelihood=optimal_gaussian", "data.binarize=none")


@pytest.mark.parametrize(
    "words",
    [
        ("objective=iwae", "objective.num_samples=1", "objective.estimator=dreg", *BATCH),
        ("objective=info_vae", "objective.num_samples=2", "objective.kl=sampled", "objective.chunk=1"),
        ("objective=geco", "objective.target=20", "objective.max_step=null"),
    ],
    ids=lambda words: words[0],
)
def test_what_was_refused_too_late_trains(run, words):
    assert run("here", *words)["status"] == "completed"


def test_stages_of_beta_end_in_the_objective(run, tmp_path):
    """The last step's loss has the weights of `objective`, and the summary's beta is the one that was typed."""
    summary = run("here", "schedule@objective.beta_schedule=stages", "objective.beta=4")
    rows = [json.loads(line) for line in (tmp_path / "here" / "metrics.jsonl").read_text().splitlines()]
    for last in [row for row in rows if row["step"] == 20]:
        assert last["loss"] == pytest.approx(last["objective"], rel=1e-6)  # float32
        assert last["loss"] == pytest.approx(last["distortion"] + 4.0 * last["rate"], rel=1e-6)
    assert summary["beta"] == pytest.approx(4.0, rel=1e-6)


def test_a_learning_rate_warms_up_and_then_falls(run):
    rate = "optimizer.learning_rate_schedule"
    warm = (f"schedule@{rate}=warmup", f"{rate}.steps=1", "optimizer=sgd")
    # The first step of a warm-up has the rate 0, so that nothing depends on its size.
    small, large = (run(f"of{lr}", *warm, "trainer.num_steps=1", f"optimizer.learning_rate={lr}") for lr in (0.1, 0.2))
    assert small["elbo"] == large["elbo"]
    assert run("then", *warm, f"{rate}.then=cosine", "trainer.num_steps=10")["elbo"] > small["elbo"]


def test_without_an_nll_the_distortion_keeps_sixteen_draws(run):
    summary = run("here", "evaluation.nll_num_samples=0")
    assert summary["nll"] is None
    assert summary["nll_num_samples"] == 0
    assert summary["elbo"] is not None


def test_a_diverging_run_exits_1_and_keeps_its_last_good_numbers(train, tmp_path):
    done = train("hydra.run.dir=here", "likelihood=gaussian", "optimizer=sgd", "optimizer.learning_rate=1e12")
    assert done.code == 1
    assert "not finite at step" in done.err
    summary = summary_of(tmp_path / "here")
    assert summary["status"] == "diverged"
    assert summary["step"] < 20
    assert vaex.load(tmp_path / "here").step == summary["step"]


def test_a_warm_start_begins_where_the_other_run_ended(run, tmp_path):
    first = run("first", "trainer.num_steps=200", "optimizer.learning_rate=0.01")
    second = run("second", "trainer.init_from=first", "optimizer.learning_rate=1e-9", "trainer.num_steps=1")
    assert second["rate"] == pytest.approx(first["rate"], rel=1e-3)


def test_an_exception_in_a_run_leaves_its_summary(train, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("figures failed")

    monkeypatch.setattr("vaex.training.figures.draw", fail)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    with pytest.raises(RuntimeError, match="figures failed"):
        train("hydra.run.dir=here")
    summary = summary_of(tmp_path / "here")
    assert summary["status"] == "failed"
    assert "figures failed" in summary["message"]


def test_precision_and_epochs(run):
    summary = run("here", "trainer.precision=bfloat16", "trainer.num_steps=null", "trainer.num_epochs=0.5")
    assert summary["step"] == -(-1438 * 0.5 // 16)


def test_a_probability_has_no_jacobian(command, tmp_path):
    """The same 0/1 data stored as 0 and 255, rescaled, are the same data to a Bernoulli."""
    bits = (np.random.default_rng(0).random((200, 6)) < 0.3).astype(np.float32)
    np.save(tmp_path / "a.npy", bits)
    np.save(tmp_path / "b.npy", 255 * bits)
    numbers = []
    for name, rescale in (("a", "none"), ("b", "minmax")):
        words = f"data=array data.path={name}.npy data.rescale={rescale} logger=none hydra.run.dir={name}"
        assert command(*SMALL, *words.split()).code == 0
        numbers.append([summary_of(tmp_path / name)[n] for n in ("elbo", "nll", "bits_per_dim")])
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6)


def test_sampling_and_scoring_share_no_noise():
    of_sample = jax.random.split(stream(0, "sample"), 3)
    of_score = [jax.random.fold_in(stream(0, "log_prob"), i) for i in range(3)]
    keys = {tuple(jax.random.key_data(key).tolist()) for key in (*of_sample, *of_score)}
    assert len(keys) == 6


def test_the_optimal_scale_is_frozen_at_what_training_sees(run):
    """On data binarized afresh, a scale measured on the grey levels would be far too small for the test split."""
    words = ("likelihood=optimal_gaussian", "data.binarize=dynamic", "trainer.num_steps=200", "trainer.batch_size=256")
    summary = run("here", *words)
    last = [json.loads(r) for r in Path("here/metrics.jsonl").read_text().splitlines() if '"train"' in r][-1]
    # Both are over hundreds of images of standard deviation 4 nats, from the same distribution.
    assert summary["elbo"] == pytest.approx(last["elbo"], abs=2.0)


def test_both_precisions_reach_programs_and_files(train, command, monkeypatch, tmp_path):
    """Training multiplies as asked, everything reported as asked for it; run.json and each entry say so."""
    from vaex.training.members import Loop

    called, call = set(), Loop.__call__

    def noted(self, function, *args, **settings):
        called.add((function.__name__, settings.get("products", "highest")))
        return call(self, function, *args, **settings)

    monkeypatch.setattr(Loop, "__call__", noted)
    words = ("trainer.matmul_precision=bfloat16", "evaluation.matmul_precision=tf32", "likelihood=optimal_gaussian")
    done = train(*words, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert (
        "trainer.matmul_precision=bfloat16, evaluation.matmul_precision=tf32: a CPU multiplies float32 in" in done.err
    )
    training = {("init_state", "highest"), ("run_steps", "bfloat16")}
    assert training < called
    assert {products for _, products in called - training} == {"tf32"}
    config = json.loads((tmp_path / "run/run.json").read_text())["config"]
    assert config["trainer"]["matmul_precision"] == "bfloat16"
    assert config["evaluation"]["matmul_precision"] == "tf32"

    called.clear()
    nll = ("run=run", "metric=nll", "metric.nll.num_samples=4", "wandb=false")
    assert command(*nll, name="evaluate").code == 0
    assert called == {("over_examples", "highest")}
    assert command(*nll, "evaluation.matmul_precision=bfloat16", name="evaluate").code == 0
    assert called == {("over_examples", "highest"), ("over_examples", "bfloat16")}
    entries = json.loads((tmp_path / "run/evaluation.json").read_text())["evaluations"]
    assert [one["matmul_precision"] for one in entries] == ["highest", "bfloat16"]
    for word, name in (("evaluation.matmul_precision=tf23", "evaluate"), ("+evaluation.beta=1", "evaluate")):
        refused = command(*nll, word, name=name)
        assert refused.code == 1
        assert word.split("=")[0].lstrip("+") in refused.err
        assert "Traceback" not in refused.err


def test_a_refused_precision_ends_before_the_first_step(train, monkeypatch, tmp_path):
    from vaex.training import precision

    monkeypatch.setitem(precision.PRECISIONS, "tf32", "TF32_TF32_F32")
    precision.check_device.cache_clear()
    done = train("trainer.matmul_precision=tf32", "hydra.run.dir=run")
    assert done.code == 1
    assert "type trainer.matmul_precision=default" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run/metrics.jsonl").exists()
    precision.check_device.cache_clear()


def test_precision_splits_packs(command):
    dry = ("logger=none", "hydra.launcher.dry_run=true")
    done = command("-m", "trainer.matmul_precision=default,highest", "seed=0,1", *dry)
    assert "4 jobs = 2 packs of 2 (varies: seed; split by trainer.matmul_precision)" in done.out
    done = command("-m", "evaluation.matmul_precision=default,highest", *dry)
    assert "2 jobs = 2 packs of 1" in done.out


@pytest.fixture
def jax_setting():
    """Sets one of JAX's own settings in all threads, as its environment variable would."""
    before = {}

    def set_(name, value):
        before.setdefault(name, getattr(jax.config, name))
        jax.config.update(name, value)

    yield set_
    for name, value in before.items():
        jax.config.update(name, value)


def test_x64_changes_no_number(train, command, jax_setting, tmp_path):
    """JAX_ENABLE_X64=1: training, its numbers, an NLL and a loaded model, to the bit."""
    measured = ("metric=nll", "metric.nll.num_samples=5", "wandb=false")
    x, found = np.zeros((3, 8, 8, 1)), []
    for wide in (False, True):
        jax_setting("jax_enable_x64", wide)
        folder = tmp_path / f"run{wide}"
        done = train(f"hydra.run.dir={folder}")
        assert done.code == 0, done.err
        assert ("JAX_ENABLE_X64 does not count here" in done.err) == wide
        done = command(f"run={folder}", *measured, name="evaluate")
        assert done.code == 0, done.err
        summary = json.loads((folder / "summary.json").read_text())
        entries = json.loads((folder / "evaluation.json").read_text())["evaluations"]
        about_time = ("train_seconds", "compile_seconds", "steps_per_second", "config_overrides")
        model = vaex.load(folder)
        found.append(
            (
                {key: value for key, value in summary.items() if key not in about_time},
                [one["numbers"] for one in entries],
                model.log_prob(x, num_samples=5).tolist(),
                model.sample(3).tolist(),
                model.decompress(model.compress(x)).tolist(),
            )
        )
    assert found[0] == found[1]


def test_nans_are_debugged_where_there_are_some(train, command, jax_setting, tmp_path):
    """JAX_DEBUG_NANS=1: a healthy run goes through; of one that diverges the operation and its place are named."""
    jax_setting("jax_debug_nans", True)
    done = train("hydra.run.dir=run", "trainer.num_steps=15")  # the last call is shorter than its program
    assert done.code == 0, done.err
    nll = ("run=run", "metric=nll", "metric.nll.num_samples=5", "wandb=false")
    assert command(*nll, name="evaluate").code == 0
    done = train("hydra.run.dir=wild", "optimizer=sgd", "optimizer.learning_rate=1e30")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "invalid value (nan) encountered in dot_general" in done.err
    assert "mlp.py:" in done.err
    assert "optimizer.learning_rate" in done.err
    assert json.loads((tmp_path / "wild/summary.json").read_text())["status"] == "failed"
