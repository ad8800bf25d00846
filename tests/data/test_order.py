"""Tests of the order of batches."""

import math
import time

import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import batch_indices

SIZES = [(7, 3), (5, 5), (4, 9), (13, 1), (1, 4)]  # batches that straddle epochs, fit them, hold several


@pytest.mark.parametrize(("num_train", "batch_size"), SIZES)
def test_each_epoch_visits_each_example_exactly_once(num_train: int, batch_size: int) -> None:
    num_steps = math.lcm(num_train, batch_size) // batch_size * 3
    stream = batch_indices(3, num_train, batch_size, 0, num_steps)
    assert stream.shape == (num_steps, batch_size)
    assert stream.dtype == np.int32
    epochs = stream.reshape(-1, num_train)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(num_train), (len(epochs), 1)))


@pytest.mark.parametrize(("num_train", "batch_size"), SIZES)
@pytest.mark.parametrize("cut", [0, 1, 6, 20])
def test_a_resumed_run_sees_the_batches_it_would_have_seen(num_train: int, batch_size: int, cut: int) -> None:
    whole = batch_indices(0, num_train, batch_size, 0, 20)
    first = batch_indices(0, num_train, batch_size, 0, cut)
    rest = batch_indices(0, num_train, batch_size, cut, 20 - cut)
    np.testing.assert_array_equal(np.concatenate([first, rest]), whole)


def test_the_seed_and_the_epoch_set_the_order() -> None:
    epochs = [tuple(batch_indices(seed, 50, 50, step, 1)[0]) for seed in (0, 1, 2**31 - 1) for step in (0, 1, 2)]
    assert len(set(epochs)) == len(epochs)  # 50! orders: a repetition is no accident
    assert tuple(range(50)) not in epochs


def test_every_example_is_as_likely_to_come_first() -> None:
    first = batch_indices(11, 4, 4, 0, 4000)[:, 0]
    # 4,000 draws of 4: standard error sqrt(4000 * 1/4 * 3/4) = 27; five of them.
    assert np.abs(np.bincount(first, minlength=4) - 1000).max() < 137


def test_the_order_of_published_runs_does_not_move() -> None:
    # Recorded with NumPy 2.5. A release that draws permutations differently would change every run: then say so.
    np.testing.assert_array_equal(batch_indices(0, 6, 4, 0, 3), [[0, 5, 1, 2], [4, 3, 2, 0], [4, 1, 5, 3]])


def test_a_late_step_costs_no_more_than_an_early_one() -> None:
    start = time.perf_counter()
    batch_indices(0, 1000, 64, 10**9, 10)
    assert time.perf_counter() - start < 1  # walking through 64 million epochs would take an hour


def test_the_caller_cannot_disturb_later_calls() -> None:
    before = batch_indices(5, 8, 8, 0, 1).copy()
    batch_indices(5, 8, 8, 0, 1)[:] = 0
    np.testing.assert_array_equal(batch_indices(5, 8, 8, 0, 1), before)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seeds_that_would_wrap_are_refused(seed: int) -> None:
    with pytest.raises(VaexError, match=r"data\.seed"):
        batch_indices(seed, 10, 2, 0, 1)
