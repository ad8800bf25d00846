"""Tests of the patches of the bundled photographs."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from vaex._check import VaexError
from vaex.data import Patches, patches
from vaex.likelihoods import Gaussian


@pytest.mark.parametrize("size", [8, 16, 7, 427])
def test_the_patches_tile_the_photographs_exactly(size: int) -> None:
    raw = Patches(size=size).read()
    rows, columns = 427 // size, 640 // size
    assert raw.train.shape == (2 * rows * columns, size, size, 3)
    assert raw.train.dtype == np.uint8
    assert raw.levels == 256
    for photograph, own in zip(load_sample_images().images, np.split(raw.train, 2), strict=True):
        strips = [np.concatenate(list(own[row * columns : (row + 1) * columns]), axis=1) for row in range(rows)]
        np.testing.assert_array_equal(np.concatenate(strips), photograph[: rows * size, : columns * size])


def test_they_are_the_same_where_scikit_learn_keeps_its_files_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Patches().read().train
    monkeypatch.setattr(patches, "find_spec", lambda name: None)
    np.testing.assert_array_equal(Patches().read().train, usual)


def test_no_pixel_is_in_two_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every pixel of a made-up photograph has a colour of its own, and so says where it went.
    number = np.arange(427 * 640).reshape(427, 640)
    photograph = np.stack([number >> 16, number >> 8 & 255, number & 255], -1).astype(np.uint8)
    monkeypatch.setattr(patches, "photographs", lambda: [photograph])
    data = Patches(validation_fraction=0.1).load(Gaussian())
    assert data.validation is not None
    parts = [data.train, data.validation, data.test]
    assert [len(part) for part in parts] == [2968, 424, 848]
    seen = np.concatenate([part.reshape(-1, 3).astype(int) @ [65536, 256, 1] for part in parts])
    assert len(seen) == len(np.unique(seen)) == 424 * 640


def test_the_size_shows_in_the_measure() -> None:
    assert Patches().load(Gaussian()).measure == "patches in [0, 1], Lebesgue measure"
    assert Patches(size=16).load(Gaussian()).measure == "patches (size=16) in [0, 1], Lebesgue measure"


def test_sizes_that_fit_no_patch_are_refused() -> None:
    with pytest.raises(VaexError, match=r"data\.size: expected at most 427.*got 428"):
        Patches(size=428).read()
    with pytest.raises(VaexError, match=r"data\.size: expected a whole number of at least 1, got 0"):
        Patches(size=0)
