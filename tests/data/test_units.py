"""Tests that offsets keep their digits, and that numbers which are likely wrong are said loudly."""

import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array, Digits
from vaex.data import files as files_module
from vaex.likelihoods import Gaussian, Poisson
from vaex.part import canonical, from_dict, to_dict

RNG = np.random.default_rng(0)
OFFSETS = np.array([1.7e9, 5_430_000, 101_325, 0])
SPREADS = np.array([29.0, 0.2, 0.01, 1])
CENTRED = RNG.normal(size=(400, 4)) * SPREADS


def load(tmp_path, likelihood=None, name="x.npz", **settings):
    """Returns a data set of arrays, which are the settings that are arrays."""
    arrays = {key: settings.pop(key) for key in list(settings) if isinstance(settings[key], np.ndarray)}
    np.savez(tmp_path / name, **arrays)
    return Array(path=str(tmp_path / name), **settings).load(likelihood or Gaussian())


@pytest.mark.parametrize("rescale", ["standardize", "minmax"])
@pytest.mark.parametrize("suffix", ["npz", "npy", "csv", "stream", "mapped"])
def test_an_offset_costs_no_digit_whatever_the_reader(rescale, suffix, tmp_path, monkeypatch):
    x = CENTRED + OFFSETS
    path = tmp_path / f"x.{'npy' if suffix in ('stream', 'mapped') else suffix}"
    if suffix == "npz":
        np.savez(path, train=x)
    elif suffix == "csv":
        np.savetxt(path, x, delimiter=",", fmt="%.17g")
    else:
        np.save(path, x)
    if suffix == "mapped":
        monkeypatch.setattr(files_module, "LARGE", 100)
    data = Array(path=str(path), rescale=rescale, stream=suffix == "stream" or "auto").load(Gaussian())
    np.save(tmp_path / "centred.npy", CENTRED)
    centred = Array(path=str(tmp_path / "centred.npy"), rescale=rescale).load(Gaussian())
    assert data.streams == (suffix in ("stream", "mapped"))
    for split in ("train", "test"):
        # float64 holds 1.7e9 to 2.4e-7, 8e-9 of a spread of 29: at most float32's last place is rounded another way,
        # which is worth 2.4e-7 at 2 to 4.
        np.testing.assert_allclose(np.asarray(getattr(data, split)), getattr(centred, split), rtol=0, atol=2.5e-7)
    given = np.r_[np.asarray(data.train), data.test]
    back = np.sort(data.preparation.inverse(given), 0)
    np.testing.assert_allclose(back - OFFSETS, np.sort(CENTRED, 0), rtol=0, atol=1e-6 * SPREADS.max())
    assert data.preparation.log_jacobian((4,)) == pytest.approx(centred.preparation.log_jacobian((4,)), abs=1e-6)


def test_memory_and_disk_give_the_same_bits(tmp_path):
    settings = {"train": CENTRED + OFFSETS, "rescale": "standardize"}
    memory, disk = (load(tmp_path, stream=stream, **settings) for stream in (False, True))
    np.testing.assert_array_equal(memory.train, np.asarray(disk.train))
    assert memory.sha256 != ""
    assert memory.measure == disk.measure


def test_a_preparation_keeps_its_float64_on_disk_and_is_float32_on_the_device(tmp_path):
    preparation = load(tmp_path, train=CENTRED + OFFSETS, rescale="standardize").preparation
    again = from_dict(to_dict(preparation))
    assert again.shift.dtype == again.scale.dtype == np.float64
    np.testing.assert_array_equal(again.shift, preparation.shift)
    assert canonical(preparation).shift.dtype == np.float32
    levels = Digits(rescale="standardize").load(Gaussian()).preparation  # small numbers: as ever
    assert from_dict(to_dict(levels)).shift.dtype == np.float32


def test_whole_numbers_stay_whole_or_are_refused(tmp_path):
    counts = np.array([[2**24, 1], [2**24 + 1, 2], [3, 4], [5, 6]])
    with pytest.raises(VaexError, match=r"at most 2\^24 = 16777216.*holds 16777217; type likelihood=gaussian"):
        load(tmp_path, Poisson(), train=counts, test=counts)
    kept = load(tmp_path, Poisson(), train=counts[[0, 2, 3]], test=counts[[0]])
    assert kept.test.max() == 2**24
    wide = np.array([[2**53 + 1], [1]])
    with pytest.raises(VaexError, match="too large for float64 to tell from the next"):
        load(tmp_path, train=wide, test=wide)
    runs = (2**40 + np.arange(8))[:, None]
    x = load(tmp_path, train=runs, test=runs, rescale="standardize")
    np.testing.assert_array_equal(x.preparation.inverse(x.train), runs)
    noisy = {"train": runs, "test": runs, "dequantize": "uniform"}
    with pytest.raises(VaexError, match=r"data\.dequantize=uniform adds noise of one level.*data\.rescale=standardize"):
        load(tmp_path, **noisy)
    spread = load(tmp_path, rescale="standardize", **noisy)
    u = spread.preparation.inverse(spread.test) - runs
    assert ((u > 0) & (u < 1)).all()


def test_an_offset_that_dwarfs_the_spread_is_named_where_nothing_rescales(tmp_path):
    x = CENTRED + OFFSETS
    (warning,) = load(tmp_path, train=x).warnings
    assert "column 0, column 1, column 2" in warning
    assert "at 1.7e+09 +- " in warning
    assert "type data.rescale=standardize" in warning
    assert load(tmp_path, train=x, rescale="standardize").warnings == ()
    assert load(tmp_path, train=CENTRED).warnings == ()
    (tmp_path / "x.csv").write_text("time,a\n" + "".join(f"{1.7e9 + i},{i % 3}\n" for i in (3, 1, 4, 15, 9, 2, 6)))
    (warning,) = Array(path=str(tmp_path / "x.csv")).load(Gaussian()).warnings
    assert "column 0 ('time') lies far from 0 for its spread" in warning


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 / 3])
def test_a_constant_column_keeps_its_scale_and_is_named(value, tmp_path):
    x = np.c_[RNG.normal(size=(50, 1)), np.full(50, value)]
    data = load(tmp_path, train=x, rescale="standardize")
    assert data.preparation.scale[1] == 1
    assert "column 1 is constant in the training split" in data.warnings[0]
    x[::2, 1] = np.nextafter(value, 1)  # rounding of whatever made the file
    assert load(tmp_path, train=x, rescale="standardize").preparation.scale[1] == 1


GREY = RNG.uniform(0, 1, (200, 6))


@pytest.mark.parametrize(
    ("train", "other"),
    [
        (GREY, 255 * GREY[:40]),
        (255 * GREY, GREY[:40]),
        (np.round(255 * GREY), GREY[:40] > 0.5),
        (GREY, 2 * GREY[:40] - 1),
        (CENTRED, (CENTRED / SPREADS)[:40] + np.float64(9)),
        (GREY, 1000 + GREY[:1]),
        (GREY.reshape(-1, 2, 3, 1), 255 * GREY.reshape(-1, 2, 3, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["test", "validation"])
def test_a_split_on_another_scale_is_said_loudly(train, other, kind, tmp_path):
    (warning,) = load(tmp_path, **{"train": train, "test": train[::5], kind: other * 1.0}).warnings
    assert f"the {kind} split is on another scale than the training split" in warning


@pytest.mark.parametrize(
    "x",
    [
        GREY,
        RNG.standard_t(2, (300, 3)),
        RNG.poisson(0.02, (400, 200)),
        RNG.negative_binomial(0.3, 0.01, (200, 20)),
        RNG.normal(size=(12, 2)),
        RNG.lognormal(0, 2, (300, 4)),
    ],
)
def test_splits_of_one_file_are_on_one_scale(x, tmp_path):
    for seed in range(5):
        assert load(tmp_path, train=x * 1.0, validation_fraction=0.2, split_seed=seed).warnings == ()


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 28, 28), (4, 16, 20)])
def test_channels_that_come_first_are_said_loudly(shape, tmp_path):
    (warning,) = load(tmp_path, train=RNG.normal(size=(8, *shape))).warnings
    assert f"examples of shape {shape} are read as H x W x C" in warning
    assert "save x.transpose(0, 2, 3, 1)" in warning


@pytest.mark.parametrize("shape", [(28, 28, 3), (28, 28), (4, 4, 1), (3, 3, 3)])
def test_channels_that_come_last_are_no_reason_to_speak(shape, tmp_path):
    assert load(tmp_path, train=RNG.normal(size=(8, *shape))).warnings == ()


def test_the_measure_is_of_the_content_and_not_of_the_place(tmp_path):
    x = RNG.normal(size=(20, 2))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, other = load(tmp_path / "a", train=x), load(tmp_path / "b", train=x + 1e-12)
    assert first.measure != other.measure
    assert first.measure.startswith("x.npz#")
    assert load(tmp_path / "b", train=x).measure == first.measure
    split = load(tmp_path / "a", train=x, split_seed=1)  # another draw of the same data
    assert split.measure == first.measure
    assert split.sha256 != first.sha256
    np.save(tmp_path / "y.npy", x)
    np.savetxt(tmp_path / "y.csv", x, delimiter=",", fmt="%.17g")
    contents = {Array(path=str(tmp_path / name)).read().content for name in ("y.npy", "y.csv")}
    assert contents == {first.content}
    assert Array(path=str(tmp_path / "y.npy"), columns=0).read().content != first.content
    assert load(tmp_path, train=x, test=x).content != load(tmp_path, train=x, validation=x).content
