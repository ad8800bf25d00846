"""Dequantization, levels and counts: what the model sees, what the user gets, and what bits mean."""

import jax
import numpy as np
import pytest
from scipy import stats

from vaex._check import VaexError
from vaex.data import Array, Digits
from vaex.likelihoods import Beta, Categorical, Gaussian, Poisson
from vaex.metrics import bits_per_dim

KEY = jax.random.key(0)


def test_levels_are_spread_over_their_cells_and_nothing_touches_the_ends() -> None:
    data = Digits().load(Beta())
    assert data.notes == ("digits: 17 grey levels -> uniform dequantization, for likelihood=beta",)
    assert data.measure == "digits, uniform dequantization, Lebesgue measure"
    assert data.log_cell == -np.log(17)
    assert data.train.dtype == np.uint8  # drawn afresh inside the step
    x = np.asarray(data.preparation(data.train, KEY), np.float64)
    for prepared in (x, np.asarray(data.preparation(data.test), np.float64)):
        assert prepared.min() > 0
        assert prepared.max() < 1
    np.testing.assert_array_equal(np.floor(x * 17), data.train)  # each in its own cell
    noise = (x * 17 - data.train).ravel()
    assert stats.kstest(noise, "uniform").pvalue > 1e-3
    again = np.asarray(data.preparation(data.train, jax.random.key(1)))
    assert not np.array_equal(again, x)
    # the moments are those of the draws: 1e5 values, and a standard error of a cell's width over 300
    np.testing.assert_allclose(data.stats.mean.mean(), x.mean(), atol=1e-3)
    np.testing.assert_allclose(np.square(data.stats.std).mean(), x.var(0).mean(), rtol=1e-2)


def test_what_is_scored_is_spread_once_from_the_split_seed() -> None:
    one, same, other = Digits().load(Beta()), Digits(seed=5).load(Beta()), Digits(split_seed=1).load(Beta())
    np.testing.assert_array_equal(one.test, same.test)
    assert one.test.dtype == np.float32
    assert not np.array_equal(one.test[:20], other.test[:20])


def test_whole_numbers_of_a_file_are_spread_too_and_others_are_refused(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.arange(200.0).reshape(50, 4))
    data = Array(path=str(tmp_path / "x.npy"), dequantize="uniform").load(Gaussian())
    x = np.asarray(data.preparation(data.train, KEY))
    np.testing.assert_array_equal(np.floor(x), data.train)
    assert data.log_cell == 0.0  # cells of width 1
    np.save(tmp_path / "y.npy", np.arange(200.0).reshape(50, 4) / 3)
    with pytest.raises(VaexError, match=r"data\.dequantize=uniform expects whole numbers.*data\.dequantize=none"):
        Array(path=str(tmp_path / "y.npy"), dequantize="uniform").load(Gaussian())
    with pytest.raises(VaexError, match=r"leaves none"):
        Digits(dequantize="uniform", binarize="static")


def test_bits_of_a_density_of_spread_levels() -> None:
    # (nll / D + log 256) / log 2: a uniform density on [0, 1] has 8 bits
    assert bits_per_dim(0.0, 10, -np.log(256)) == pytest.approx(8.0)
    assert bits_per_dim(10 * np.log(2), 10) == pytest.approx(1.0)


def test_grey_levels_are_counts_to_a_model_of_counts_and_grey_values_to_the_user() -> None:
    data = Digits().load(Poisson())
    assert data.notes == ("digits: 17 grey levels -> counts 0 to 16, for likelihood=poisson",)
    np.testing.assert_array_equal(data.preparation(data.test), data.test)
    given = data.preparation.given(data.test)
    np.testing.assert_array_equal(data.preparation.forward(given), data.test)
    np.testing.assert_allclose(data.preparation.inverse(np.float32(data.test)), given)
    np.testing.assert_allclose(data.stats.mean, data.train.mean(0), rtol=1e-6)


def test_probabilities_of_the_same_levels_share_a_measure() -> None:
    counts, levels = Digits().load(Poisson()), Digits().load(Categorical())
    assert counts.measure == levels.measure == "digits, 17 grey levels, counting measure"
    assert (levels.levels, Digits().load(Gaussian()).measure) == (17, "digits in [0, 1], Lebesgue measure")
    conditional = Digits().load(Poisson(library="observed"))
    assert conditional.measure == "digits, 17 grey levels, given each example's total, counting measure"
    with pytest.raises(VaexError, match="expected the 17 levels of the data, got 256"):
        Digits().load(Categorical(levels=256))


def test_whole_numbers_of_a_file_are_levels_once_rescaled(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.tile(np.arange(5.0), (40, 1)).T.reshape(50, 4))
    path = str(tmp_path / "x.npy")
    with pytest.raises(VaexError, match=r"type data\.levels=5 "):
        Array(path=path).load(Categorical(levels=5))
    data = Array(path=path, rescale="minmax").load(Categorical(levels=5))
    assert set(np.unique(np.asarray(data.preparation(data.train)))) <= {0.0, 0.25, 0.5, 0.75, 1.0}
