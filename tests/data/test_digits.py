"""Tests of the bundled digits, and of the splits on them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from vaex._check import VaexError
from vaex.data import Digits, digits
from vaex.likelihoods import Bernoulli, Gaussian


def rows(array: np.ndarray | None) -> list[bytes]:
    """Returns the examples as a sorted list, to compare sets of examples."""
    return [] if array is None else sorted(row.tobytes() for row in array)


def test_they_are_scikit_learns() -> None:
    raw = Digits().read()
    np.testing.assert_array_equal(raw.train[..., 0], load_digits().images)
    assert raw.train.dtype == np.uint8
    assert raw.train.shape == (1797, 8, 8, 1)
    assert raw.levels == 1 + raw.train.max() == 17
    assert raw.test is None


def test_they_are_the_same_where_scikit_learn_keeps_its_file_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Digits().read().train
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    np.testing.assert_array_equal(Digits().read().train, usual)


def test_default_split() -> None:
    data = Digits().load(Gaussian())
    assert data.train.shape == (1438, 8, 8, 1)
    assert data.test.shape == (359, 8, 8, 1)
    assert data.validation is None
    assert data.event_shape == (8, 8, 1)
    assert data.is_image
    # The mean pixel of the whole set is 4.8842 of 16; a split must hold the same kind of digits (se of 359: 0.02).
    for part in (data.train, data.test):
        assert part.mean() == pytest.approx(4.8842, abs=0.1)


@pytest.mark.parametrize("fractions", [(0.2, 0.0), (0.2, 0.1), (0.5, 0.4), (0.001, 0.001)])
def test_splits_are_disjoint_and_complete(fractions: tuple[float, float]) -> None:
    test_fraction, validation_fraction = fractions
    data = Digits(test_fraction=test_fraction, validation_fraction=validation_fraction).load(Gaussian())
    parts = rows(data.train) + rows(data.validation) + rows(data.test)
    assert sorted(parts) == rows(Digits().read().train)
    assert len(data.test) == round(1797 * test_fraction)
    assert len(rows(data.validation)) == round(1797 * validation_fraction)


def test_split_seed_moves_the_split_and_seed_does_not() -> None:
    def test_split(**options: object) -> np.ndarray:
        return Digits(**options).load(Bernoulli()).test

    np.testing.assert_array_equal(test_split(seed=0), test_split(seed=7))
    assert rows(test_split(split_seed=0)) != rows(test_split(split_seed=1))


@pytest.mark.parametrize("binarize", ["none", "static", "dynamic", "threshold"])
def test_the_test_split_does_not_move_with_the_validation_split(binarize: str) -> None:
    alone, beside = (
        Digits(binarize=binarize, validation_fraction=fraction).load(Gaussian()).test for fraction in (0.0, 0.3)
    )
    np.testing.assert_array_equal(alone, beside)


def test_stats_are_of_the_prepared_training_split() -> None:
    data = Digits().load(Gaussian())
    x = np.asarray(data.preparation(data.train), np.float64)
    assert data.stats.mean.dtype == data.stats.std.dtype == np.float32
    # Stored in float32: 6e-8 relative.
    np.testing.assert_allclose(data.stats.mean, x.mean(0), rtol=1e-7)
    np.testing.assert_allclose(data.stats.std, x.std(0), rtol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_fraction": 0.0001}, r"at least one test example.*type data\.test_fraction=0\.00056 or more"),
        ({"test_fraction": 0.0}, "at least one test example"),
        ({"validation_fraction": 0.0001}, "at least one validation example"),
        ({"test_fraction": 0.6, "validation_fraction": 0.4}, "at least one training example"),
    ],
)
def test_a_split_without_an_example_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(VaexError, match=message):
        Digits(**options).load(Gaussian())


def test_the_smallest_fraction_that_the_message_names_is_accepted() -> None:
    assert len(Digits(test_fraction=0.00056).load(Gaussian()).test) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_fraction": 1.0}, r"data\.test_fraction: expected a number in \[0, 1\)"),
        ({"test_fraction": -0.1}, r"data\.test_fraction"),
        ({"test_fraction": float("nan")}, r"data\.test_fraction"),
        ({"validation_fraction": float("inf")}, r"data\.validation_fraction"),
        ({"seed": -1}, r"data\.seed"),
        ({"seed": 2**31}, r"data\.seed"),
        ({"split_seed": 2**40}, r"data\.split_seed"),
        ({"binarize": "dynamc"}, r"data\.binarize.*did you mean 'dynamic'"),
        ({"rescale": "zscore"}, r"data\.rescale: expected one of none, minmax, standardize"),
        ({"binarize": "static", "rescale": "minmax"}, r"data\.binarize=static.*data\.rescale=none"),
    ],
)
def test_options_that_mean_nothing_are_refused_at_once(options: dict[str, object], message: str) -> None:
    with pytest.raises(VaexError, match=message):
        Digits(**options)


def test_seeds_at_the_ends_of_their_range_work() -> None:
    assert Digits(seed=2**31 - 1, split_seed=2**31 - 1).load(Bernoulli()).seed == 2**31 - 1


def in_a_new_process(code: str) -> str:
    """Returns what `code` prints where no test has imported anything and no type checker is switched on."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_values_of_another_type_are_refused_and_whole_numbers_are_fractions_too() -> None:
    code = """
from vaex._check import VaexError
from vaex.data import Array, Counts, Digits, Patches, Tfds
wrong = [dict(validation_fraction=True), dict(test_fraction="0.2"), dict(split_seed=0.5), dict(seed=None),
         dict(rescale=None), dict(binarize=1), dict(test_fraction=1)]
for options in wrong:
    try:
        Digits(**options)
    except VaexError as error:
        assert f"data.{next(iter(options))}" in str(error)
    else:
        raise AssertionError(options)
others = [(Counts, dict(num_examples=2.5)), (Counts, dict(num_factors=None)), (Counts, dict(dispersion="2")),
          (Counts, dict(library=True)), (Tfds, dict(name=7)), (Tfds, dict(size=2.5)), (Tfds, dict(grey=None)),
          (Patches, dict(size="8"))]
for cls, options in others:
    try:
        cls(**options)
    except VaexError as error:
        assert f"data.{next(iter(options))}" in str(error)
    else:
        raise AssertionError(options)
try:
    Array(path=7).read()
except VaexError as error:
    assert "got 7; type data=array data.path=FILE" in str(error)
Digits(validation_fraction=0)
print("all")
"""
    assert in_a_new_process(code) == "all"


def test_heavy_packages_stay_unimported(tmp_path: Path) -> None:
    # Each costs a second or more at the start of every command; a prepared MNIST needs none of them either.
    code = f"""
import json
import sys
from pathlib import Path
import numpy as np
from vaex.data import Digits, Mnist, Tfds
from vaex.likelihoods import Bernoulli
folder = Path({str(tmp_path)!r}, "mnist", "3.0.1")
folder.mkdir(parents=True)
for split in ("train", "test"):
    np.save(folder / f"vaex-{{split}}.npy", np.zeros((2, 28, 28, 1), np.uint8))
splits = [dict(name=split, shardLengths=["2"]) for split in ("train", "test")]
(folder / "dataset_info.json").write_text(json.dumps(dict(splits=splits)))
Digits().load(Bernoulli())
assert len(Mnist(data_dir={str(tmp_path)!r}).load(Bernoulli()).train) == 2
assert len(Tfds(name="mnist", data_dir={str(tmp_path)!r}).load(Bernoulli()).train) == 2
heavy = ("tensorflow_datasets", "sklearn", "PIL", "pandas", "requests", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""
    assert in_a_new_process(code) == "[]"
