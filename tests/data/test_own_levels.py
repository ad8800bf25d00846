"""Tests of grey levels, sparse matrices and Keras' names in the user's own file."""

import jax
import numpy as np
import pytest
from scipy import sparse

from vaex._check import VaexError
from vaex.data import Array
from vaex.data import files as files_module
from vaex.likelihoods import Bernoulli, Beta, Categorical, ContinuousBernoulli, DiscretizedLogistic, Gaussian, Poisson
from vaex.loaded import LoadedModel
from vaex.models import VAE, decoders, encoders

GREY = np.random.default_rng(0).integers(0, 256, (40, 4, 4))
GREY[0, 0] = [0, 255, 0, 255]


def load(tmp_path, x, likelihood=None, **settings):
    """Returns the data set of an array."""
    np.save(tmp_path / "x.npy", x)
    return Array(path=str(tmp_path / "x.npy"), **settings).load(likelihood or Gaussian())


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("stream", [False, True])
def test_whole_numbers_are_levels(dtype, stream, tmp_path):
    data = load(tmp_path, GREY.astype(dtype), levels=256, stream=stream)
    assert (data.levels, data.train.dtype, data.event_shape) == (256, np.uint8, (4, 4, 1))
    x = np.asarray(data.preparation(np.asarray(data.train)))
    np.testing.assert_array_equal(x, np.asarray(data.train).astype(np.float32) / np.float32(255))
    assert data.measure == f"x.npy#{data.content} in [0, 1], Lebesgue measure"
    probabilities = load(tmp_path, GREY.astype(dtype), Categorical(), levels=256)
    assert probabilities.measure == f"x.npy#{data.content}, 256 grey levels, counting measure"
    assert probabilities.log_cell == 0.0


def test_sixteen_bits_are_levels_too(tmp_path):
    x = np.array([[0, 65535], [256, 257]], np.uint16).repeat(3, 0)
    data = load(tmp_path, x, levels=65536)
    assert data.train.dtype == np.uint16
    assert set(np.asarray(data.preparation(x)).ravel()) == set(np.float32([0, 1, 256 / 65535, 257 / 65535]))


def follow(tmp_path, x, likelihood):
    """Returns the settings that the messages name, one after the other, until the file is accepted."""
    settings = {}
    for _ in range(4):
        try:
            load(tmp_path, x, likelihood, **settings)
            return settings
        except VaexError as error:
            words = str(error).partition("type ")[2].partition(" where")[0].split()
        settings |= {key.removeprefix("data."): value for key, value in (word.split("=") for word in words)}
        settings["levels"] = int(settings["levels"])
    raise AssertionError(f"the advice goes in circles: {settings}")


@pytest.mark.parametrize(
    ("likelihood", "settings"),
    [
        (Gaussian(), {}),
        (Poisson(), {}),
        (Bernoulli(), {"levels": 256, "binarize": "dynamic"}),
        (Categorical(), {"levels": 256}),
        (DiscretizedLogistic(), {"levels": 256}),
        (ContinuousBernoulli(), {"levels": 256}),
        (Beta(), {"levels": 256, "dequantize": "uniform"}),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_the_advice_for_images_of_8_bits_ends_in_a_run(likelihood, settings, dtype, tmp_path):
    assert follow(tmp_path, GREY.astype(dtype), likelihood) == settings


def test_levels_are_binarized_and_spread_as_those_of_the_named_sets(tmp_path):
    binary = load(tmp_path, GREY, Bernoulli(), levels=256, binarize="dynamic")
    assert set(np.unique(np.asarray(binary.preparation(binary.test)))) == {0, 1}
    draw = np.asarray(binary.preparation(jax.numpy.asarray(binary.train), jax.random.key(0)))
    assert set(np.unique(draw)) == {0, 1}
    assert load(tmp_path, GREY, Bernoulli(), levels=256, binarize="auto").binarization == "dynamic"
    spread = load(tmp_path, GREY, levels=256, dequantize="uniform")
    assert spread.log_cell == -np.log(256)
    assert spread.levels is None
    counts = load(tmp_path, GREY, Poisson(), levels=256)
    np.testing.assert_array_equal(counts.preparation(counts.test), counts.test)


@pytest.mark.parametrize(
    ("x", "levels", "message"),
    [
        (GREY, 200, r"data\.levels=200 expects whole numbers 0 to 199, but x\.npy holds \d+; type data\.levels=256"),
        (GREY - 1, 256, r"holds -1; leave data\.levels out for real numbers"),
        (GREY + 0.5, 256, r"holds \d+\.5; leave data\.levels out"),
        (GREY / 255, 256, r"values that are k / 255 already need no data\.levels \(likelihood\.levels=256"),
        (GREY, 1, r"data\.levels: expected a whole number of at least 2, got 1"),
        (GREY, 2**20, r"data\.levels: expected at most 65536"),
    ],
)
def test_what_is_no_level_is_refused(x, levels, message, tmp_path):
    with pytest.raises(VaexError, match=message):
        load(tmp_path, x, levels=levels)


def test_levels_that_are_mostly_out_of_reach_are_said_loudly(tmp_path):
    (warning,) = load(tmp_path, GREY // 16, levels=256).warnings
    assert "the largest value is 15, so that no x is above 0.0588; type data.levels=16 if that is white" in warning
    assert load(tmp_path, GREY, levels=256).warnings == ()
    with pytest.raises(VaexError, match=r"data\.dequantize=uniform: beside 65536 levels"):
        Array(path="x.npy", levels=65536, dequantize="uniform")
    (note,) = load(tmp_path, GREY.astype(np.uint8)).notes
    assert "data.levels=256 gives grey levels as k / 255" in note


@pytest.mark.parametrize("third", ["x_val", "x_valid", "validation"])
def test_keras_names_are_splits_and_labels_are_left_out(third, tmp_path):
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2], **{third: x[:3]})
    raw = Array(path=str(tmp_path / "x.npz")).read()
    assert [len(np.asarray(split)) for split in (raw.train, raw.test, raw.validation)] == [6, 2, 3]
    assert raw.notes == ("x.npz: 'y_train', 'y_test' left unused",)
    np.savez(tmp_path / "x.npz", x_train=x, train=x)
    with pytest.raises(VaexError, match=r"'x_train' .*each once, found 'x_train', 'train'"):
        Array(path=str(tmp_path / "x.npz")).read()


COUNTS = np.random.default_rng(1).poisson(0.3, (50, 12))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("large", [False, True])
def test_a_sparse_matrix_is_the_array_it_stands_for(kind, large, tmp_path, monkeypatch):
    if large:
        monkeypatch.setattr(files_module, "LARGE", 100)
    sparse.save_npz(tmp_path / "x.npz", sparse.coo_array(COUNTS).asformat(kind))
    data = Array(path=str(tmp_path / "x.npz"), validation_fraction=0.1).load(Poisson())
    np.save(tmp_path / "x.npy", COUNTS)
    dense = Array(path=str(tmp_path / "x.npy"), validation_fraction=0.1).load(Poisson())
    assert data.streams == large
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(np.asarray(getattr(data, split)), getattr(dense, split))
    assert data.content == dense.content
    assert "a sparse matrix of 50 x 12" in data.notes[0]
    picked = Array(path=str(tmp_path / "x.npz"), columns=(3, 0)).load(Poisson())
    assert picked.event_shape == (2,)


def test_a_sparse_matrix_with_a_fault_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    np.savez(path, format=b"csr", shape=np.array([3, 3]), data=np.ones(2))
    with pytest.raises(VaexError, match="expected a sparse matrix N x D as scipy"):
        Array(path=str(path)).read()
    bad = sparse.csr_array(np.array([[1.0, np.nan], [0, 1]]))
    sparse.save_npz(path, bad)
    for large in (2**30, 1):
        monkeypatch.setattr(files_module, "LARGE", large)
        with pytest.raises(VaexError, match="NaN or infinite"):
            Array(path=str(path)).read()
    wide = sparse.csr_array((2**20, 2**20), dtype=np.float32)
    sparse.save_npz(path, wide)
    with pytest.raises(VaexError, match=r"GiB of it would be in memory.*type data\.stream=true and a smaller"):
        Array(path=str(path)).read()


def test_a_loaded_model_refuses_levels_where_it_was_given_fractions(tmp_path):
    data = load(tmp_path, GREY, levels=256)
    model = VAE(
        *(encoders.MLP(hidden=(4,)), decoders.MLP(hidden=(4,)), Gaussian()), latent_dim=2, event_shape=data.event_shape
    )
    params = model.init(jax.random.key(0), data.stats)
    loaded = LoadedModel(model, params, data.preparation, 0, tmp_path)
    assert loaded.compress(GREY / 255).shape == (40, 2)
    with pytest.raises(VaexError, match=r"expected grey values k / 255 in \[0, 1\], got whole numbers.*divide by 255"):
        loaded.compress(GREY.astype(np.float32))
