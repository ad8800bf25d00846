"""DiscretizedLogistic at its extremes, on fine grids of means (tables and exact sums are in test_levels.py)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from tests.likelihoods.grids import in_both, over, product
from vaex.likelihoods import DiscretizedLogistic
from vaex.numerics import soft_clip

# Dense within a bin around 0.1, at the ends, outside, and far away
MEANS = np.concatenate([0.1 + np.linspace(0, 2 / 255, 9), [-1e4, -3.0, -1.0, 0.0, 0.51, 0.816, 0.999, 1.02, 1e4]])
RAW_LOG_SCALES = [-1e4, -7.0, -5.0, -3.0, 0.0, 3.0, 7.0, 1e4]  # the first and the last are -7 and 7


def log_scales(raw):
    with jax.enable_x64(True):
        return np.asarray(soft_clip(jnp.asarray(raw, jnp.float64)))


def oracle_at(levels):
    """log of scipy's logistic mass in float64, of whichever tail is the smaller: no small number is a difference."""

    def oracle(params, raw, x):
        k, steps = np.round(x * (levels - 1)), levels - 1
        noise = stats.logistic(raw[:, 0], np.exp(log_scales(raw[:, 1])))
        low, high = (2 * k - 1) / steps - 1, (2 * k + 1) / steps - 1
        low, high = np.where(k == 0, -np.inf, low), np.where(k == steps, np.inf, high)
        left = noise.logcdf(high) < noise.logsf(low)  # the bin lies in the left tail
        big = np.where(left, noise.logcdf(high), noise.logsf(low))
        small = np.where(left, noise.logcdf(low), noise.logsf(high))
        return big + np.log(-np.expm1(small - big))

    return oracle


@pytest.mark.parametrize("levels", [2, 17, 256, 65536])
def test_it_is_scipys_over_the_whole_grid(levels):
    ks = np.unique(np.round(np.array([0, 0.01, 0.45, 0.545, 0.55, 0.555, 0.7, 0.908, 0.99, 1]) * (levels - 1)))
    grid = product(MEANS, RAW_LOG_SCALES, ks / (levels - 1))
    likelihood = DiscretizedLogistic(levels=levels)
    in_both(likelihood, {}, grid[:, :2], grid[:, 2], oracle_at(levels), jax.enable_x64)


def test_around_its_mean_at_the_smallest_scale():
    k = np.repeat(np.arange(1.0, 255.0), 21)
    means = 2 * k / 255 - 1 + np.tile(np.linspace(-3, 3, 21), 254) / 255
    in_both(
        DiscretizedLogistic(levels=256),
        {},
        np.stack([means, np.full_like(means, -1e4)], axis=-1),
        k / 255,
        oracle_at(256),
        jax.enable_x64,
    )


@pytest.mark.parametrize("log_scale", [-1e4, -7.0, 0.0])
def test_masses_sum_to_one_wherever_the_mean_is(log_scale):
    likelihood, x = DiscretizedLogistic(levels=256), jnp.arange(256) / 255

    @jax.jit
    @jax.vmap
    def total(mean):
        raw = jnp.stack([mean, jnp.asarray(log_scale, jnp.float32)])
        return jnp.sum(jnp.exp(jax.vmap(lambda v: likelihood.log_prob({}, raw[None], v[None]))(x)))

    # The edges that neighbours share are one float, so what is left is the rounding of a float32 sum.
    np.testing.assert_allclose(total(jnp.linspace(-1.1, 1.1, 2001)), 1.0, atol=1e-6)


def test_gradients_are_those_of_the_oracle():
    grid = product([-0.9, 0.1, 0.7], [-3.0, -1.0, 0.5], [0.0, 10 / 255, 140 / 255, 1.0])
    raws, xs, step = grid[:, :2], grid[:, 2], 1e-6
    with jax.enable_x64(True):
        _, (by_raw,) = over(DiscretizedLogistic(levels=256), {}, raws, xs, jnp.float64)
    for i in range(2):
        up, down = (oracle_at(256)({}, raws + sign * step * np.eye(2)[i], xs) for sign in (1, -1))
        # central differences: 1e-16 of values up to 40, over the step
        np.testing.assert_allclose(by_raw[:, i], (up - down) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("mean", [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize("log_scale", [-1e4, -2.0])
def test_the_mean_is_exact_on_256_levels(mean, log_scale):
    raw, x = np.float32([[2 * mean - 1, log_scale]]), np.arange(256) / 255
    p = np.exp(oracle_at(256)({}, np.float64(np.repeat(raw, 256, axis=0)), x))
    found = float(DiscretizedLogistic(levels=256).mean({}, jnp.asarray(raw))[0])
    assert found == pytest.approx(p @ x, abs=3e-6)  # a running sum of 255 float32 numbers, over 255


NINE = DiscretizedLogistic(levels=9)
_DRAW = jax.jit(lambda key, raw: NINE.sample({}, key, raw))


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.floats(-1e4, 1e4, width=32), st.floats(-1e4, 1e4, width=32))
def test_samples_are_levels(mean, log_scale):
    draws = _DRAW(jax.random.key(0), jnp.tile(jnp.array([[mean, log_scale]]), (100, 1)))
    NINE.check_support(np.asarray(draws), "the draws")


def test_samples_pass_a_chi_square_test():
    raw, num = np.array([0.3, -1.5]), 40_000
    p = np.exp(oracle_at(9)({}, np.tile(raw, (9, 1)), np.arange(9) / 8))
    draws = _DRAW(jax.random.key(3), jnp.tile(jnp.asarray(raw, jnp.float32), (num, 1)))
    counts = np.bincount(np.round(np.asarray(draws) * 8).astype(int), minlength=9)
    statistic = np.sum((counts - num * p) ** 2 / (num * p))
    assert special.chdtrc(8, statistic) > 1e-3  # of a fixed key
