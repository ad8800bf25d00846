"""Tests of `data.flatten` and `data.clip`."""

from pathlib import Path

import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array, Dataset, Digits
from vaex.likelihoods import Bce, Gaussian


def load(tmp_path: Path, clip: bool = True, **arrays: np.ndarray) -> Dataset:
    """Returns the arrays as a user's file would bring them, min-max rescaled."""
    np.savez(tmp_path / "x.npz", **arrays)
    return Array(path=str(tmp_path / "x.npz"), rescale="minmax", clip=clip).load(Bce() if clip else Gaussian())


def test_flat_digits_are_the_images_row_by_row() -> None:
    images, vectors = Digits().load(Gaussian()), Digits(flatten=True).load(Gaussian())
    assert (vectors.event_shape, vectors.is_image) == ((64,), False)
    for split in ("train", "test"):
        stored = getattr(images, split)
        np.testing.assert_array_equal(getattr(vectors, split), stored.reshape(len(stored), 64))
    assert vectors.measure == images.measure  # the same numbers in another shape


def test_flat_images_are_rescaled_by_pixel_and_not_by_channel(tmp_path: Path) -> None:
    x = np.arange(24.0).reshape(6, 2, 2, 1) ** 2
    np.save(tmp_path / "x.npy", x)
    data = Array(path=str(tmp_path / "x.npy"), rescale="minmax", flatten=True).load(Gaussian())
    given = data.preparation.inverse(data.train)
    low, high = given.min(0), given.max(0)
    np.testing.assert_array_equal(data.preparation.shift, low)
    np.testing.assert_array_equal(data.preparation.scale, high - low)


def test_shapes_that_only_agree_when_flat_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=np.zeros((3, 2, 4)), test=np.zeros((3, 4, 2)))
    with pytest.raises(VaexError, match="examples of one shape"):
        Array(path=str(tmp_path / "x.npz"), flatten=True).load(Gaussian())


def test_values_outside_the_training_range_become_its_ends(tmp_path: Path) -> None:
    train = np.array([[1.0, -4.0, 7.0], [3.0, 6.0, 7.0]])
    test = np.array([[0.0, 6.0, 7.0], [2.0, 8.0, 9.0]])  # below, inside and at the end, inside, above, off a constant
    data = load(tmp_path, train=train, validation=train[:1], test=test)
    np.testing.assert_array_equal(data.preparation(data.test), [[0, 1, 0], [0.5, 1, 0]])
    np.testing.assert_array_equal(data.preparation.inverse(data.train), train)
    assert data.notes[-2:] == (
        "x.npz: data.clip=true, 0 of 3 values of the validation split clipped to the training range",
        "x.npz: data.clip=true, 3 of 6 values of the test split clipped to the training range",
    )
    assert data.measure is None  # bce; of a density it says that these are other data:
    np.savez(tmp_path / "x.npz", train=train, test=test)
    clipped = Array(path=str(tmp_path / "x.npz"), rescale="minmax", clip=True).load(Gaussian())
    assert clipped.measure == f"x.npz#{clipped.content}, clipped to the training range, Lebesgue measure"


def test_images_are_clipped_to_the_range_of_each_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(2, 30, 4, 4, 2)) * np.array([1, 10])
    data = load(tmp_path, train=train, test=3 * test)
    low, high = train.min((0, 1, 2)), train.max((0, 1, 2))
    clipped = np.clip(3 * test, low, high)
    np.testing.assert_array_equal(data.test, ((clipped - low) / (high - low)).astype(np.float32))


@pytest.mark.parametrize("seed", range(5))
def test_real_vectors_of_any_units_fit_the_unit_interval_in_one_go(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    # Ten orders of magnitude, offsets that cost float32 its digits, a constant: Bce refuses what rounds beyond 0 or 1.
    x = rng.standard_cauchy((400, 12)) * 10.0 ** rng.integers(-5, 6, 12) + 10.0 ** rng.integers(0, 6, 12)
    x[:, 3] = 0.1
    np.save(tmp_path / "x.npy", x)
    data = Array(path=str(tmp_path / "x.npy"), rescale="minmax", clip=True).load(Bce())
    prepared = np.asarray(data.preparation(data.test))
    assert prepared.min() >= 0
    assert prepared.max() <= 1


def test_bytes_stay_bytes() -> None:
    data = Digits(rescale="minmax", clip=True, flatten=True, test_fraction=0.9).load(Bce())
    assert data.test.dtype == np.uint8
    ends = data.train.min(0), data.train.max(0)
    unclipped = Digits(rescale="minmax", flatten=True, test_fraction=0.9).load(Gaussian())
    np.testing.assert_array_equal(data.test, np.clip(unclipped.test, *ends))
    assert (data.test != unclipped.test).any()  # few training digits: some pixels are darker in the test split


def test_clipping_is_refused_without_a_range_to_clip_to() -> None:
    for rescale in ("none", "standardize"):
        with pytest.raises(VaexError, match=r"type data\.rescale=minmax or data\.clip=false"):
            Digits(rescale=rescale, clip=True)


@pytest.mark.parametrize("name", ["flatten", "clip"])
def test_flags_are_true_or_false(name: str) -> None:
    data = Digits(rescale="minmax")
    object.__setattr__(data, name, "yes")  # as from a config; the constructor's types are checked in tests
    with pytest.raises(VaexError, match=rf"data\.{name}: expected true or false, got 'yes'"):
        data.__post_init__()
