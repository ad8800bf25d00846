"""Training splits that stay on disk: the same numbers, read batch by batch."""

import jax
import numpy as np
import pytest

from tests.training.conftest import same
from vaex._check import VaexError
from vaex.data import Array, Digits, batch_indices
from vaex.data import files as files_module
from vaex.data.rows import Rows, is_mapped
from vaex.likelihoods import Bernoulli, Gaussian, OptimalGaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO
from vaex.training import Recipe
from vaex.training.feed import Batches, Feed
from vaex.training.train import train_pack


def test_rows_index_as_the_array_they_stand_for(tmp_path):
    x = np.arange(120, dtype=np.float64).reshape(20, 2, 3)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    order = np.array([3, 1, 19, 7])
    rows = Rows(mapped, dtype=np.float32).take(order)
    assert is_mapped(mapped)
    assert rows.shape == (4, 2, 3)
    assert rows.dtype == np.float32
    assert rows.nbytes == 4 * 6 * 4
    for index in (slice(1, 3), np.array([2, 0]), 3):
        np.testing.assert_array_equal(rows[index], x[order][index].astype(np.float32))
    np.testing.assert_array_equal(rows.take(np.array([2, 3]))[:], x[[19, 7]])
    np.testing.assert_array_equal(rows.reshape(-1, 6)[:], x[order].reshape(4, 6))


@pytest.mark.parametrize("start", [0, 7])
def test_blocks_are_the_batches_of_training_wherever_they_begin(start):
    x = np.arange(50, dtype=np.float32).reshape(25, 2)
    feed = Feed(Rows(x), 3, 4, 40)
    expected = x[batch_indices(3, 25, 4, 0, 40)]
    for first, count in ((start, 5), (start + 5, 3), (2, 4)):  # goes on, and starts anew elsewhere
        block = feed.block(first, count, 6)
        assert block.shape == (6, 4, 2)
        np.testing.assert_array_equal(block[:count], expected[first : first + count])
    assert len(Batches(Rows(x), 3, 4, 40)) == 40


@pytest.mark.parametrize("likelihood", [Bernoulli(), OptimalGaussian()], ids=lambda v: v.name)
def test_members_of_a_pack_train_to_the_same_bits_from_disk(likelihood):
    results = []
    for stream in (False, True):
        data = Digits(stream=stream, seed=5).load(likelihood)
        assert data.streams is stream
        net = {"hidden": (8,)}
        model = VAE(
            encoder=encoders.MLP(**net),
            decoder=decoders.MLP(**net),
            likelihood=likelihood.at_levels(data.levels),
            latent_dim=2,
            event_shape=data.event_shape,
        )
        recipes = [Recipe(model, ELBO(), seed=seed, num_steps=130, eval_every=70, log_every=13) for seed in (0, 1)]
        results.append(train_pack(recipes, data, devices=jax.devices()[:1]))
    for memory, disk in zip(*results, strict=True):
        assert same(memory.params, disk.params)
        assert memory.history == disk.history


def test_a_large_file_stays_on_disk_and_gives_the_numbers_of_a_small_one(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(3.0, 2.0, (200, 5))
    np.save(tmp_path / "x.npy", x)
    about = {"path": str(tmp_path / "x.npy"), "rescale": "standardize", "validation_fraction": 0.1}
    small = Array(**about).load(Gaussian())
    monkeypatch.setattr(files_module, "LARGE", 100)
    large = Array(**about).load(Gaussian())
    assert (small.streams, large.streams) == (False, True)
    assert any("read from disk" in note for note in large.notes)
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(np.asarray(getattr(small, split)), np.asarray(getattr(large, split)))
    assert small.measure == large.measure
    assert same(small.preparation, large.preparation)
    assert not Array(**about, stream=False).load(Gaussian()).streams
    bad = x.copy()
    bad[150, 3] = np.nan
    np.save(tmp_path / "x.npy", bad)
    with pytest.raises(VaexError, match="1 of 1000 is NaN or infinite"):
        Array(**about).load(Gaussian())


@pytest.mark.parametrize(
    "settings", [{"binarize": "static"}, {"binarize": "threshold"}, {"rescale": "minmax", "clip": True}]
)
def test_what_would_rewrite_the_training_split_is_refused(settings):
    with pytest.raises(VaexError, match=r"type data\.stream=false"):
        Digits(stream=True, **settings).load(Gaussian())


def test_stream_is_a_flag():
    with pytest.raises(VaexError, match=r"data\.stream: expected one of auto, True, False; got 'yes'"):
        Digits(stream="yes")
