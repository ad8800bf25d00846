"""Tests of rescaling: learned on the training split, remembered, undone."""

import tracemalloc
from pathlib import Path

import jax
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array, Dataset, Digits, splits
from vaex.data.moments import moments
from vaex.likelihoods import Bce, Bernoulli, Gaussian


def load(tmp_path: Path, rescale: str, **arrays: np.ndarray) -> Dataset:
    """Returns the arrays as a user's file would bring them."""
    np.savez(tmp_path / "x.npz", **arrays)
    return Array(path=str(tmp_path / "x.npz"), rescale=rescale).load(Gaussian())


def vectors(rng: np.random.Generator, n: int) -> np.ndarray:
    """Returns four dimensions of very different units, one of them constant."""
    return rng.gamma(2.0, size=(n, 4)) * [1, 1e4, 1e-3, 0] + [0, -5e4, 0, 0.1]


def test_standardize_makes_mean_zero_and_deviation_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given = vectors(rng, 500)
    data = load(tmp_path, "standardize", train=given, test=vectors(rng, 50) + 1)
    x = np.asarray(data.preparation(data.train), np.float64)
    # Rescaled in float64, then rounded to float32: 6e-8 of values of order one.
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-7)
    np.testing.assert_allclose(x.std(0), [1, 1, 1, 0], atol=1e-7)
    np.testing.assert_array_equal(data.preparation.scale[3], 1)  # constant
    # ddof 0, and of the training split alone
    np.testing.assert_allclose(data.preparation.scale[:3], given.std(0)[:3], rtol=1e-5)
    np.testing.assert_allclose(data.stats.mean, x.mean(0), atol=1e-5)
    np.testing.assert_allclose(data.stats.std, x.std(0), atol=1e-5)
    assert data.measure == f"x.npz#{data.content}, Lebesgue measure"  # the numbers are of the data as given


def test_minmax_reaches_exactly_from_zero_to_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    train = vectors(rng, 500)
    data = load(tmp_path, "minmax", train=train, test=train[:5])
    x = np.asarray(data.preparation(data.train))
    np.testing.assert_array_equal(x.min(0), 0)
    np.testing.assert_array_equal(x.max(0), [1, 1, 1, 0])  # exactly, or likelihoods on [0, 1] would refuse
    Array(path=str(tmp_path / "x.npz"), rescale="minmax").load(Bce())


@pytest.mark.parametrize("rescale", ["minmax", "standardize"])
def test_a_spread_below_what_float32_divides_by_counts_as_none(rescale: str, tmp_path: Path) -> None:
    train = np.array([[0.0, 0.0], [1e-40, 1.0]])  # 1e-40 is subnormal: XLA takes it for zero
    data = load(tmp_path, rescale, train=train, test=train)
    np.testing.assert_array_equal(data.preparation.scale, [1, 1 if rescale == "minmax" else 0.5])
    assert np.isfinite(jax.jit(lambda stored: data.preparation(stored))(data.train)).all()


@pytest.mark.parametrize("rescale", ["minmax", "standardize"])
def test_images_have_one_number_a_channel(rescale: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    train = rng.normal(size=(40, 3, 5, 2)) * [2, 30] + rng.normal(size=(3, 5, 1)) * 4
    data = load(tmp_path, rescale, train=train, test=train[:3])
    assert data.preparation.scale.shape == data.preparation.shift.shape == (2,)
    x = np.asarray(data.preparation(data.train), np.float64)
    flat = x.reshape(-1, 2)
    if rescale == "minmax":
        np.testing.assert_array_equal([flat.min(0), flat.max(0)], [[0, 0], [1, 1]])
    else:
        np.testing.assert_allclose([flat.mean(0), flat.std(0)], [[0, 0], [1, 1]], atol=1e-5)  # float32
    np.testing.assert_allclose(data.stats.mean, x.mean(0), atol=1e-5)
    np.testing.assert_allclose(data.stats.std, x.std(0), atol=1e-5)
    assert data.stats.mean.shape == (3, 5, 2)


def test_rescaling_is_undone_in_the_datas_own_units(tmp_path: Path) -> None:
    train = vectors(np.random.default_rng(3), 100)
    data = load(tmp_path, "standardize", train=train, test=train[:2])
    back = data.preparation.inverse(data.preparation(data.train))
    np.testing.assert_allclose(back, train.astype(np.float32), rtol=1e-5, atol=0)  # float32, and the shift cancels


def test_digits_are_rescaled_in_their_given_units() -> None:
    data = Digits(rescale="standardize").load(Gaussian())
    given = data.train / 16
    np.testing.assert_allclose(data.preparation.shift, [given.mean()], rtol=1e-6)  # float32
    np.testing.assert_allclose(data.preparation.scale, [given.std()], rtol=1e-6)
    assert data.notes == (
        "digits: 17 grey levels -> [0, 1], for likelihood=gaussian",
        "digits: data.rescale=standardize, learned on the training split, undone on output",
    )


def test_all_grey_levels_stay_in_the_unit_interval_under_minmax() -> None:
    # The training minimum is computed in float64 and the data in float32: both must round alike.
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal((levels / 255).astype(np.float32), levels.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("rescale", ["minmax", "standardize"])
def test_rescaled_data_are_refused_by_a_likelihood_of_binary_data(rescale: str) -> None:
    # Where the user asked for a rescaling, `binarize: auto` does not overrule it.
    with pytest.raises(VaexError, match=r"likelihood=bernoulli expects 0 or 1.*data\.rescale=none"):
        Digits(rescale=rescale).load(Bernoulli())


def test_test_values_outside_the_training_range_are_refused_and_never_clipped(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=np.array([[1.0], [3]]), test=np.array([[2.0], [5]]))
    data = Array(path=str(tmp_path / "x.npz"), rescale="minmax")
    np.testing.assert_array_equal(data.load(Gaussian()).preparation(data.load(Gaussian()).test), [[0.5], [2]])
    with pytest.raises(VaexError, match=r"test split after data\.rescale=minmax holds 2 .*nothing is clipped"):
        data.load(Bce())


def test_moments_over_chunks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "_CHUNK", 7)  # chunks of two rows, and a last one of one
    train = (1e4 + np.random.default_rng(4).normal(size=(31, 3))).astype(np.float32)
    found = moments(train, 2.0)
    given = train.astype(np.float64) / 2
    # float64 throughout. The mean is 1e4 deviations away: sums of squares in one pass would lose eight digits of 16.
    np.testing.assert_allclose(found.mean, given.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.var, given.var(0), rtol=1e-12)
    np.testing.assert_array_equal([found.low, found.high], [given.min(0), given.max(0)])


def test_no_float_copy_of_the_whole_training_split_is_made() -> None:
    train = np.zeros((20_000, 28, 28, 1), np.uint8)
    tracemalloc.start()
    moments(train, 255.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # bytes; in float32 the split would be 63e6, in float64 125e6
