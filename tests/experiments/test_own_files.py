"""The user's own files through the command line: what was seen to give wrong numbers gives right ones, or is said."""

import json
from pathlib import Path

import numpy as np
import pytest

import vaex
from tests.experiments.conftest import SMALL

RNG = np.random.default_rng(0)
OFFSETS = np.array([1.7e9, 5_430_000, 101_325, 0])
CENTRED = np.c_[RNG.uniform(0, 100, 400), RNG.normal(0, 0.2, 400), RNG.normal(0, 0.01, 400), RNG.normal(size=400)]
OWN = ("data=array", "likelihood=gaussian")


def summary(folder: str) -> dict:
    """Returns the contents of a run's `summary.json`."""
    return json.loads((Path(folder) / "summary.json").read_text())


@pytest.fixture
def own(train):
    """Trains on the user's own file and returns how it ended, and the log."""

    def call(path, folder, *words):
        done = train(*OWN, f"data.path={path}", f"hydra.run.dir={folder}", *words)
        return done, done.out + done.err + "".join(p.read_text() for p in Path(folder).glob("*.log"))

    return call


def test_a_shift_of_the_data_changes_no_number(own, command):
    np.save("far.npy", OFFSETS + CENTRED)
    np.save("near.npy", CENTRED)
    for name in ("far", "near"):
        done, _ = own(f"{name}.npy", name, "data.rescale=standardize")
        assert done.code == 0, done.err
    far, near = summary("far"), summary("near")
    for key in ("elbo", "nll", "rate", "distortion", "mse"):
        # Equal to float32's last place in the data, 20 steps on.
        assert far[key] == pytest.approx(near[key], rel=2e-5), key
    x, model = OFFSETS + CENTRED, vaex.load("far")
    log_px, centred = model.log_prob(x[:50]), vaex.load("near").log_prob(CENTRED[:50])
    np.testing.assert_allclose(log_px, centred, rtol=1e-4)
    again = model.reconstruct(x)
    assert again.dtype == np.float64
    np.testing.assert_allclose(again - OFFSETS, vaex.load("near").reconstruct(CENTRED), atol=1e-3)  # of spreads to 29
    draws = model.sample(500)
    np.testing.assert_allclose(draws.mean(0) - OFFSETS, CENTRED.mean(0), atol=5 * 2 * 29 / 500**0.5)
    assert len(np.unique(draws[:, 0])) == 500  # float32 has one number in 128 there
    assert command("run=far", "metric=nll", "metric.nll.num_samples=8", name="evaluate").code == 0
    (entry,) = json.loads(Path("far/evaluation.json").read_text())["evaluations"]
    assert entry["data_measure"] == far["data_measure"]


def test_other_digits_behind_the_seventh_are_other_data(own):
    np.save("x.npy", OFFSETS + CENTRED)
    assert own("x.npy", "run", "data.rescale=standardize")[0].code == 0
    assert own("x.npy", "run", "data.rescale=standardize")[0].code == 0  # completed already
    np.save("x.npy", OFFSETS + CENTRED + [7, 0, 0, 0])
    done, log = own("x.npy", "run", "data.rescale=standardize")
    assert done.code == 1
    assert "was trained on other data" in log


def test_a_run_of_an_earlier_version_goes_on_where_its_numbers_were_not_rounded(own):
    for name, x, code in (("far", OFFSETS + CENTRED, 1), ("near", CENTRED, 0)):
        np.save(f"{name}.npy", x)
        assert own(f"{name}.npy", name, "data.rescale=standardize")[0].code == 0
        path = Path(name, "run.json")
        run = json.loads(path.read_text())
        run["data"] = {key: run["data"][key] for key in ("name", "num_train", "num_test", "sha256")}
        path.write_text(json.dumps(run))
        assert own(f"{name}.npy", name, "data.rescale=standardize")[0].code == code


def test_a_header_of_numbers_is_no_example(own):
    names = ",".join(str(1100 + 2 * i) for i in range(20))
    np.savetxt("spectra.csv", RNG.normal(0.5, 0.1, (60, 20)), delimiter=",", header=names, comments="")
    done, log = own("spectra.csv", "asked")
    assert (done.code, "type data.header=true" in log) == (1, True)
    done, log = own("spectra.csv", "told", "data.header=true", "data.columns=:5")
    assert (done.code, summary("told")["num_test"]) == (0, 12)
    assert summary("told")["nll"] < 10  # 5 normal numbers of scale 1: 4.6 nats and a little


def test_a_european_table_is_typed_on_the_command_line(own):
    text = "id;x;y\n" + "".join(f"n{i};{i % 7},5;{i % 3},25\n" for i in range(40))
    Path("x.csv").write_text(text)
    _, log = own("x.csv", "asked")
    assert "type data.separator=semicolon" in log
    done, _ = own("x.csv", "told", "data.separator=semicolon", "data.decimal=comma", "data.columns=[x,y]")
    assert done.code == 0
    assert vaex.load("told").sample(1).shape == (1, 2)


def test_runs_are_ranked_by_the_content_of_their_files(command):
    for path, shift in (("a/x.npy", 0), ("b/x.npy", 1), ("c/y.npy", 0)):
        Path(path).parent.mkdir()
        np.save(path, CENTRED[:, 3:] + shift)
    words = ("data.path=a/x.npy,b/x.npy,c/y.npy", "hydra.sweep.dir=sweep", "logger=none")
    done = command("-m", *SMALL, *OWN, *words)
    assert done.code == 0, done.err
    first, other, copy = (summary(f"sweep/{job}")["data_measure"] for job in range(3))
    assert first.startswith("x.npy#")
    assert first != other  # one name, other numbers: two tables
    assert copy == first.replace("x.npy", "y.npy")  # the same numbers: one table
    assert [line for line in done.out.splitlines() if line.endswith("measure:")] == [f"{first}:", f"{other}:"]


def test_what_is_likely_wrong_is_said_in_the_log(own):
    grey = RNG.uniform(0, 1, (60, 3, 12, 12))
    np.savez("scale.npz", x_train=grey, x_test=255 * grey[:20], y_train=np.ones(60))
    _, log = own("scale.npz", "scale", "encoder=conv", "encoder.hidden=8", "encoder.channels=[4]")
    assert "the test split is on another scale than the training split" in log
    assert "examples of shape (3, 12, 12) are read as H x W x C, that is 12 channels" in log
    assert "'y_train' left unused" in log


def test_images_of_8_bits_need_one_key(own):
    np.save("x.npy", RNG.integers(0, 256, (60, 4, 4), dtype=np.uint8))
    _, log = own("x.npy", "asked", "likelihood=categorical")
    assert "type data.levels=256 " in log
    done, _ = own("x.npy", "told", "likelihood=categorical", "data.levels=256")
    assert done.code == 0, done.err
    # Uniform levels cost 8 bits each
    assert summary("told")["bits_per_dim"] == pytest.approx(8, abs=1)


@pytest.mark.parametrize("words", [("data=mnist",), ("data=kmnist",)])
def test_a_folder_of_originals_that_is_none_is_refused(words, train):
    done = train(*words, "data.manual_dir=/nope")
    assert done.code == 1
    assert "data.manual_dir=/nope: /nope is no folder" in done.out + done.err
