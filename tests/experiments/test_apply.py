"""The command `apply`: a finished model over a file; every kind of output holds what `vaex.load` returns."""

import csv
import importlib
import json
import logging
import os
import shutil
import signal
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra

import vaex
from tests.experiments.conftest import SMALL
from tests.experiments.test_mistakes import refused
from vaex.data import Array
from vaex.data.opened import open_rows
from vaex.evaluation.apply import Asked
from vaex.evaluation.apply import apply as applied

ROWS = 1203  # more than two blocks, and no multiple of any
ALL = "what=[codes,reconstructions,samples,log_prob,ess]"
K = 30  # scored 50 at once, where as many as possible would be 83


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run on rescaled real numbers, and a sweep on images in {0, 1}."""
    root = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    np.save(root / "x.npy", rng.normal([2, -1, 0, 5, 1], [3, 1, 0.1, 1, 1], (ROWS, 5)).astype(np.float32))
    np.save(root / "images.npy", 255 * rng.integers(0, 2, (60, 4, 4, 1), np.uint8))
    real = ("data.path=x.npy", "likelihood=gaussian", "data.rescale=standardize", "hydra.run.dir=run")
    images = ("-m", "seed=0,1", "hydra.sweep.dir=sweep", "data.path=images.npy", "data.levels=256")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for words in (real, images):
            patch.setattr("sys.argv", ["train", *words, *SMALL, "logger=none", "data=array"])
            patch.delenv("HYDRA_FULL_ERROR", raising=False)
            GlobalHydra.instance().clear()
            importlib.import_module("experiments.train").main()
    for handler in logging.getLogger().handlers[:]:
        if type(handler) in (logging.FileHandler, logging.StreamHandler):  # the run's, not pytest's own
            logging.getLogger().removeHandler(handler)
            handler.close()
    return root


@pytest.fixture
def apply(command, trained, tmp_path):
    """Applies in a folder with a copy of what is trained."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return lambda *words: command(*words, name="apply")


@pytest.fixture(scope="module")
def expected(trained):
    """What the library says of the whole file at once."""
    model, x = vaex.load(trained / "run"), np.load(trained / "x.npy")
    log_prob, ess = model.log_prob_and_ess(x, K, seed=3)
    return {
        "codes": model.compress(x),
        "reconstructions": model.reconstruct(x),
        "samples": model.sample(len(x), seed=3),
        "log_prob": log_prob,
        "ess": ess,
    }


def table_of(columns):
    """Arrays by name, from a table's columns."""
    names = {"code": "codes", "reconstruction": "reconstructions", "sample": "samples"}
    found = {}
    for column, values in columns.items():
        name, _, place = column.rpartition("_")
        if name in names:
            found.setdefault(names[name], []).append(values)
            assert int(place) == len(found[names[name]]) - 1
        else:
            found[column] = values
    return {k: np.stack(v, axis=1) if isinstance(v, list) else v for k, v in found.items()}


def read(path):
    """Arrays by name, whatever the file."""
    if path.endswith(".npz"):
        with np.load(path) as file:
            return dict(file)
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        return table_of({name: table[name].to_numpy() for name in table.column_names})
    with Path(path).open() as file:
        head, *rows = csv.reader(file)
    values = np.array([[float(cell) for cell in row] for row in rows]).T
    return table_of(dict(zip(head, values, strict=True)))


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet"])
def test_a_file_holds_what_the_library_returns(apply, expected, kind):
    """Bit for bit, although the library saw the whole file and the command 500 rows at a time."""
    done = apply("run=run", "data.path=x.npy", ALL, f"out=y.{kind}", f"nll_num_samples={K}", "seed=3")
    assert done.code == 0, done.err
    found = read(f"y.{kind}")
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == (np.float64 if kind == "csv" else array.dtype)
    assert f"y.{kind}: codes ({ROWS} rows), reconstructions ({ROWS} rows)" in done.out
    assert f"mean log_prob {np.mean(expected['log_prob'], dtype=np.float64):.4g}" in done.out
    assert not list(Path().glob(".y.*"))  # nothing temporary


def test_one_array_goes_into_a_npy(apply, expected):
    done = apply("run=run", "data.path=x.npy", "what=codes", "out=z.npy")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load("z.npy"), expected["codes"])


def test_blocks_do_not_change_a_bit(apply, expected, monkeypatch):
    """100 rows at a time, of which device calls take 100 or 50."""
    from vaex.evaluation import apply as module

    monkeypatch.setattr(module, "BATCH", 100)
    monkeypatch.setattr(importlib.import_module("vaex.loaded")._in_batches, "__defaults__", (100,))
    words = ("run=run", "data.path=x.npy", "what=[samples,log_prob]", f"nll_num_samples={K}", "seed=3")
    assert apply(*words, "out=y.npz").code == 0
    for name, array in read("y.npz").items():
        np.testing.assert_array_equal(array, expected[name])


def test_the_means_are_the_runs_own(apply, command):
    """Without a file the run's own test split: its mean log p(x) is minus the NLL, up to the noise of other draws."""
    done = apply("run=run", "what=[log_prob,ess]", "out=y.csv")
    assert done.code == 0, done.err
    found = read("y.csv")
    assert command("run=run", "metric=nll", "metric.nll.num_samples=500", "wandb=false", name="evaluate").code == 0
    numbers = json.loads(Path("run/evaluation.json").read_text())["evaluations"][0]["numbers"]
    # The variance of an example's log of a mean of K weights is 1/ESS - 1/K; five standard deviations of a difference.
    noise = np.sqrt(2 * np.sum(1 / found["ess"] - 1 / 500)) / len(found["ess"])
    assert -found["log_prob"].mean() == pytest.approx(numbers["nll"], abs=5 * noise)
    assert found["ess"].mean() == pytest.approx(numbers["ess"], rel=0.05)
    assert apply("run=sweep/0", "what=codes", "out=z.npy").code == 0
    assert len(np.load("z.npy")) == 12


def test_any_number_of_samples_needs_no_file(apply):
    done = apply("run=sweep/0", "what=samples", "num_samples=700", "out=s.npy", "seed=1")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load("s.npy"), vaex.load("sweep/0").sample(700, seed=1))
    words = ("run=run", "data.path=x.npy", "what=[codes,samples]", "num_samples=7", "out=y.npz")
    assert apply(*words).code == 0
    assert {name: array.shape for name, array in read("y.npz").items()} == {"codes": (ROWS, 2), "samples": (7, 5)}


@pytest.mark.parametrize("name", ["x.csv", "semicolon.csv", "x.npz", "several.npz", "fortran.npy", "double.npy"])
def test_every_kind_of_input_gives_the_same_codes(apply, expected, name):
    x = np.load("x.npy")
    if name == "x.csv":
        lines = [",".join(map(repr, row)) for row in x.astype(np.float64).tolist()]
        Path(name).write_text("\n".join(["a,b,c,d,e", *lines]))
    elif name == "semicolon.csv":
        lines = [";".join(["7", *map(repr, row)]).replace(".", ",") for row in x.astype(np.float64).tolist()]
        Path(name).write_text("\n".join(["id;a;b;c;d;e", *lines]))
    elif name == "several.npz":
        np.savez(name, train=x[:3], test=x)
    elif name == "x.npz":
        np.savez(name, anything=x)
    else:
        np.save(name, np.asfortranarray(x) if name.startswith("fortran") else x.astype(np.float64))
    words = ("split=test",) if name == "several.npz" else ()
    if name == "semicolon.csv":
        words = ("data.separator=semicolon", "data.decimal=comma", "data.columns='1:'")
    done = apply("run=run", f"data.path={name}", "what=codes", "out=z.npy", *words)
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load("z.npy"), expected["codes"])


def test_images_keep_their_shape_and_are_columns_in_a_table(apply):
    x = np.load("images.npy") / np.float32(255)  # data.levels=256, as the run's own file
    expected = vaex.load("sweep/0").reconstruct(x)
    assert apply("run=sweep/0", "data.path=images.npy", "what=reconstructions", "out=r.npy").code == 0
    np.testing.assert_array_equal(np.load("r.npy"), expected)
    assert apply("run=sweep/0", "data.path=images.npy", "what=reconstructions", "out=r.csv").code == 0
    np.testing.assert_array_equal(read("r.csv")["reconstructions"], expected.reshape(60, 16))
    flat = open_rows(Path("images.npy"), reader=Array(levels=256, flatten=True))
    np.testing.assert_array_equal(flat[7:9], x[7:9].reshape(2, 16))


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_memory_does_not_grow_with_the_file(trained, tmp_path, monkeypatch, kind):
    """Input and output of 1 MB and more pass in blocks of 10 kB; more than that piles up until Python collects."""
    monkeypatch.setattr("vaex.evaluation.sinks._ROW_GROUP", 2**12)
    model, x, asked = vaex.load(trained / "run"), np.load(trained / "x.npy"), Asked(("codes", "reconstructions"))

    for times in (1, 40):  # the first for imports and programs
        np.save(tmp_path / "x.npy", np.tile(x, (times, 1)))
        tracemalloc.start()
        applied(model, open_rows(tmp_path / "x.npy"), asked, tmp_path / f"y.{kind}")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 0.7e6 < min((tmp_path / name).stat().st_size for name in ("x.npy", f"y.{kind}")) / 1.3


@pytest.mark.parametrize(
    "row",  # the words, and what the message holds
    [
        (
            "run=sweep out=z.npz",
            "is a sweep, and a file needs one model; type one of run=sweep/0 (seed=0), run=sweep/1 (seed=1)",
        ),
        ("run=nowhere out=z.npz", "run=nowhere: expected the folder of a run"),
        ("run=null out=z.npz", "run: expected a folder, got None; type run=latest"),
        ("out=z.npz", "no run with a checkpoint under"),
        (
            "run=run what=code out=z.npz",
            "what: expected one of codes, reconstructions, samples, log_prob, ess; got 'code'",
        ),
        ("run=run what=[] out=z.npz", "what: expected some of codes"),
        ("run=run what=null out=z.npz", "what: expected some of codes"),
        ("run=run what=[codes,codes] out=z.npz", "what: expected each once"),
        ("run=run data.path=x.npy", "out: expected a file"),
        (
            "run=run data.path=x.npy out=z.txt",
            "out=z.txt: expected a file ending in .npz, .csv, .parquet, .npy, got '.txt'",
        ),
        ("run=run data.path=x.npy out=run", "out: expected a file"),
        ("run=run data.path=x.npy out=no/z.npz", "there is no folder no; type mkdir -p no"),
        ("run=run data.path=x.npy out=x.npy", "out=x.npy is there already; type overwrite=true"),
        ("run=run data.path=x.npy out=x.npy overwrite=true", "out=x.npy is the file that is read"),
        ("run=run data.path=x.npy out=z.npz overwrite=3", "overwrite: expected true or false, got 3"),
        ("run=run data.path=x.npy what=[codes,log_prob] out=z.npy", ".npy holds one array, not codes, log_prob"),
        ("run=run data.path=no.npy out=z.npz", "data.path=no.npy", "does not exist"),
        ("run=run data.path=x.npy split=test out=z.npz", "split=test: x.npy holds one array"),
        ("run=run data.path=two.npz out=z.npz", "two.npz holds 'a', 'b'; type split=NAME"),
        ("run=run data.path=two.npz split=c out=z.npz", "split: expected one of a, b; got 'c'"),
        ("run=run split=validation out=z.npz", "split=validation: the run was trained without one"),
        ("run=run data.path=four.npy out=z.npz", "four.npy: expected N x 5 (5 columns)", "got N x 4 (4 columns)"),
        ("run=run data.path=line.npy out=z.npz", "line.npy: expected N x D"),
        (
            "run=run data.path=hole.npy out=z.npz",
            "hole.npy, rows 500 to 999: expected finite numbers",
            "first at row 42",
        ),
        ("run=sweep/0 data.path=columns.npy out=z.npz", "expected N x 4 x 4 x 1", "save x.reshape(-1, 4, 4, 1)"),
        (
            "run=sweep/0 data.path=grey.npy out=z.npz",
            "grey.npy, rows 0 to 59: the run's likelihood=bernoulli takes 0 or 1",
            "x > 0.5",
        ),
        ("run=sweep/0 data.path=half.npy out=z.npz", "data.levels=256 expects whole numbers 0 to 255, but half.npy"),
        ("run=run data.path=x.npy data.columns=[0,1] out=z.npz", "expected N x 5 (5 columns)", "got N x 2"),
        ("run=run data.path=x.npy data.header=maybe out=z.npz", "data.header: expected one of auto, True, False"),
        ("run=run what=samples out=z.npz", "num_samples: how many samples? type num_samples=1000"),
        (
            "run=run data.path=x.npy what=[codes,samples] num_samples=7 out=z.csv",
            "num_samples=7: .csv has one row for each",
        ),
        ("run=run data.path=x.npy num_samples=7 out=z.npz", "num_samples=7 is of samples"),
        (
            "run=run data.path=x.npy what=log_prob nll_num_samples=0 out=z.npz",
            "nll_num_samples: expected a whole number",
        ),
        ("run=run data.path=x.npy seed=-1 out=z.npz", "seed: expected a whole number of at least 0"),
        ("run=run path=x.npy out=z.npz", "unknown key 'path'; did you mean data.path=x.npy?"),
        ("run=run +data.paht=x.npy out=z.npz", "unknown key 'data.paht'; did you mean 'data.path'?"),
        ("run=run ~seed out=z.npz", "seed: expected a value, got none; leave out ~seed"),
    ],
    ids=lambda row: row[0],
)
def test_mistakes_are_refused_and_leave_nothing(apply, row):
    words, *messages = row
    np.savez("two.npz", a=np.ones((3, 5)), b=np.ones((3, 5)))
    np.save("four.npy", np.ones((3, 4)))
    np.save("line.npy", np.ones(5))
    hole = np.load("x.npy")
    hole[542, 1] = np.nan
    np.save("hole.npy", hole)
    np.save("columns.npy", np.ones((3, 16)))
    np.save("grey.npy", np.full((60, 4, 4, 1), 128))
    np.save("half.npy", np.full((60, 4, 4, 1), 0.5))
    before = sorted(Path().rglob("*"))
    refused(apply(*words.split()), *messages)
    assert sorted(Path().rglob("*")) == before


def test_an_unfinished_run_is_refused(apply):
    Path("run/summary.json").unlink()
    refused(apply("run=run", "data.path=x.npy", "out=z.npz"), "it is not completed; continue it with hydra.run.dir=run")


def test_a_loss_that_is_no_density_has_no_log_prob(apply):
    for meta in Path("sweep/0/checkpoint").glob("*.json"):
        content = json.loads(meta.read_text())
        content["recipe"]["model"]["likelihood"] = {"_target_": "vaex.likelihoods.Bce"}
        meta.write_text(json.dumps(content))
    words = ("run=sweep/0", "data.path=images.npy", "out=z.npz")
    refused(apply(*words, "what=[codes,log_prob]"), "log_prob: likelihood=bce is no density")
    assert apply(*words, "what=codes").code == 0


def test_too_few_effective_draws_are_said(apply):
    done = apply("run=run", "data.path=x.npy", "what=log_prob", "nll_num_samples=5", "out=z.npy")
    assert done.code == 0
    assert "100.0% of the rows have an effective sample size below 10 of 5 draws; type nll_num_samples=50;" in done.err


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet", "npy"])
def test_a_stopped_command_leaves_the_file_that_was_there(apply, monkeypatch, kind):
    from vaex.evaluation import apply as module

    Path(f"z.{kind}").write_text("before")
    fill = module._filled

    def stopped(x, size):
        os.kill(os.getpid(), signal.SIGTERM)
        return fill(x, size)

    monkeypatch.setattr(module, "_filled", stopped)
    before = sorted(Path().glob("*"))
    done = apply("run=run", "data.path=x.npy", "what=codes", f"out=z.{kind}", "overwrite=true")
    assert (done.code, Path(f"z.{kind}").read_text()) == (143, "before")
    assert f"stopped; z.{kind} was not written" in done.err
    assert sorted(Path().glob("*")) == before


def test_a_full_disk_is_one_message(apply, monkeypatch):
    def full(self, block):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vaex.evaluation.sinks._Npz.write", full)
    refused(apply("run=run", "data.path=x.npy", "out=z.npz"), "out=z.npz: cannot be written: No space left on device")
    assert not list(Path().glob("*z.npz*"))


def test_an_archive_is_one_that_everybody_reads(apply):
    assert apply("run=run", "data.path=x.npy", "what=[codes,log_prob]", "nll_num_samples=4", "out=z.npz").code == 0
    with zipfile.ZipFile("z.npz") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["codes.npy", "log_prob.npy"]
