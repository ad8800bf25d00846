"""Tests of binarization and of what it makes of names, notes and measures."""

from pathlib import Path

import jax
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array, Digits
from vaex.likelihoods import Bce, Bernoulli, Gaussian


def test_auto_prepares_the_digits_for_a_likelihood_of_binary_data() -> None:
    data = Digits(validation_fraction=0.1).load(Bernoulli())
    assert data.notes == ("digits: 17 grey levels -> dynamic, for likelihood=bernoulli",)
    assert data.measure == "digits, dynamic binarization, counting measure"
    assert data.log_cell == 0.0
    assert data.preparation.dynamic
    assert data.preparation.binary
    assert len(np.unique(data.train)) == 17  # grey, drawn afresh inside the step
    assert data.validation is not None
    for part in (data.validation, data.test):
        assert part.dtype == np.uint8
        assert set(np.unique(data.preparation(part))) == {0.0, 1.0}


def test_auto_leaves_grey_values_to_the_others() -> None:
    data = Digits().load(Gaussian())
    assert data.notes == ("digits: 17 grey levels -> [0, 1], for likelihood=gaussian",)
    assert data.measure == "digits in [0, 1], Lebesgue measure"
    assert data.log_cell is None
    assert not data.preparation.dynamic
    assert not data.preparation.binary
    assert len(np.unique(data.test)) == 17


def test_what_is_no_density_has_no_measure() -> None:
    data = Digits().load(Bce())
    assert data.measure is None
    assert data.log_cell is None
    assert len(np.unique(data.train)) == 17


def test_binarized_data_under_a_density_on_the_line_say_so() -> None:
    data = Digits(binarize="threshold").load(Gaussian())
    assert data.measure == "digits, threshold binarization, Lebesgue measure"
    assert data.log_cell is None  # the log of a density: bits per dimension would mean nothing


def test_threshold_cuts_at_one_half() -> None:
    grey, binary = (Digits(binarize=how).load(Gaussian()) for how in ("none", "threshold"))
    for before, after in ((grey.train, binary.train), (grey.test, binary.test)):
        np.testing.assert_array_equal(after, np.where(before >= 8, 16, 0))


def test_static_draws_once_with_the_grey_values_as_probabilities() -> None:
    grey, binary = Digits().load(Gaussian()), Digits(binarize="static").load(Bernoulli())
    assert not binary.preparation.dynamic
    given = grey.preparation(grey.train)
    x = binary.preparation(binary.train)
    assert set(np.unique(x)) == {0.0, 1.0}
    # Pixels of one level g: the mean of n draws has standard error sqrt(g (1 - g) / n); five of them, 0 at the ends.
    for level in np.unique(given):
        drawn = x[given == level]
        assert abs(drawn.mean() - level) <= 5 * np.sqrt(level * (1 - level) / drawn.size)


@pytest.mark.parametrize("binarize", ["static", "dynamic"])
def test_what_is_drawn_once_is_set_by_the_split_seed_alone(binarize: str, tmp_path: Path) -> None:
    path = tmp_path / "half.npz"
    np.savez(path, train=np.full((40, 5), 0.5), test=np.full((40, 5), 0.5))

    def load(**options: int) -> tuple[np.ndarray, np.ndarray]:
        data = Array(path=str(path), binarize=binarize, **options).load(Bernoulli())
        return data.train, data.test

    np.testing.assert_array_equal(load(seed=0), load(seed=1))
    train, test = load(split_seed=0)
    assert (load(split_seed=1)[1] != test).any()
    assert (train != test).any()  # 200 fair draws: two purposes, two streams


def test_draws_of_the_test_split_are_the_same_whether_training_is_drawn_or_not() -> None:
    static, dynamic = (Digits(binarize=how).load(Bernoulli()).test for how in ("static", "dynamic"))
    np.testing.assert_array_equal(static, dynamic)


def test_stats_under_dynamic_binarization_are_those_of_the_draws() -> None:
    data = Digits().load(Bernoulli())
    keys = jax.random.split(jax.random.key(0), 50)
    x = np.concatenate([data.preparation(data.train, key) for key in keys])
    # 71,900 draws a pixel: standard error of mean and std at most 0.0019; five of them.
    np.testing.assert_allclose(data.stats.mean, x.mean(0), atol=0.01)
    np.testing.assert_allclose(data.stats.std, x.std(0), atol=0.01)


def test_auto_never_touches_the_users_file(tmp_path: Path) -> None:
    binary = np.random.default_rng(0).integers(0, 2, (30, 4)).astype(np.float64)
    np.save(tmp_path / "binary.npy", binary)
    np.save(tmp_path / "grey.npy", binary / 2)
    data = Array(path=str(tmp_path / "binary.npy"), binarize="auto").load(Bernoulli())
    assert not data.preparation.dynamic
    assert data.preparation.binary
    assert data.notes == ()
    assert data.measure == f"binary.npy#{data.content}, counting measure"
    assert data.log_cell == 0.0
    with pytest.raises(VaexError, match=r"bernoulli expects 0 or 1, but grey\.npy, training split holds 0\.5"):
        Array(path=str(tmp_path / "grey.npy"), binarize="auto").load(Bernoulli())


@pytest.mark.parametrize("binarize", ["static", "dynamic", "threshold"])
@pytest.mark.parametrize("value", [-0.1, 1.5])
@pytest.mark.parametrize("split", ["train", "test"])
def test_values_that_are_no_probabilities_are_refused(binarize: str, value: float, split: str, tmp_path: Path) -> None:
    arrays = {"train": np.full((5, 2), 0.5), "test": np.full((5, 2), 0.5)}
    arrays[split][3, 1] = value
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(VaexError, match=rf"data\.binarize={binarize} expects values in \[0, 1\].*data\.binarize=none"):
        Array(path=str(tmp_path / "x.npz"), binarize=binarize).load(Bernoulli())


def test_real_numbers_are_refused_by_a_likelihood_of_binary_data_in_every_split(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=np.ones((5, 2)), test=np.ones((5, 2)), validation=np.full((5, 2), 0.25))
    with pytest.raises(VaexError, match=r"validation split holds 0\.25"):
        Array(path=str(tmp_path / "x.npz")).load(Bernoulli())
