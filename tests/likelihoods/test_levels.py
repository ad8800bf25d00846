"""Likelihoods of levels: exact sums, tables, and NumPy written anew."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from tests.likelihoods.grids import close, in_both, over, product
from vaex._check import VaexError
from vaex.likelihoods import Categorical, DiscretizedLogistic, LogisticMixture
from vaex.numerics import soft_clip

DL = DiscretizedLogistic(levels=256)
ALL = np.arange(256) / 255


def unclipped(log_scale):
    """The raw output whose bounded value is this, by Newton; the bounds themselves are never reached."""
    with jax.enable_x64(True):
        raw = log_scale
        for _ in range(8):
            raw = raw - (float(soft_clip(jnp.asarray(raw, jnp.float64))) - log_scale)
    return raw


def logistic(mean, log_scale, x, levels):
    """log mass in float64, in tails by whichever side keeps the digits."""
    h, u, s = 1 / (levels - 1), 2 * x - 1, np.exp(log_scale)
    high, low = (u + h - mean) / s, (u - h - mean) / s
    inner = special.log_expit(high) + special.log_expit(-low) + np.log(-np.expm1(-2 * h / s))
    return np.where(x <= 0, special.log_expit(high), np.where(x >= 1, special.log_expit(-low), inner))


def bounded(raw):
    with jax.enable_x64(True):
        return np.asarray(soft_clip(jnp.asarray(raw, jnp.float64)))


def test_log_masses_are_as_tabulated(x64):
    raw = jnp.array([[0.1, unclipped(-3.0)]])
    known = {0: -22.0153238, 127: -4.1688335, 140: -3.23531469, 255: -17.99821643}
    for k, expected in known.items():
        assert float(DL.log_prob({}, raw, jnp.array([k / 255]))) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("log_scale", [-1e4, -7.0, -3.0, 0.0, 2.0, 7.0, 1e4])
@pytest.mark.parametrize("mean", [-1.0, 0.1, 0.999, 30.0])
def test_masses_sum_to_one(mean, log_scale):
    raws = np.tile([[mean, log_scale]], (256, 1))
    with jax.enable_x64(True):
        values, _ = over(DL, {}, raws, ALL, jnp.float64)
    assert np.exp(values).sum() == pytest.approx(1.0, abs=1e-12)
    values, _ = over(DL, {}, raws, ALL)
    assert np.exp(values).sum() == pytest.approx(1.0, abs=2e-5)  # float32 differences over e^-7


def test_it_is_the_difference_of_two_sigmoids_where_float64_has_its_digits(x64):
    grid = product([-0.7, 0.1, 0.8], [-3.0, -1.0, 1.0], ALL[1:-1:17])
    h, u, s = 1 / 255, 2 * grid[:, 2] - 1, np.exp(bounded(grid[:, 1]))
    naive = special.expit((u + h - grid[:, 0]) / s) - special.expit((u - h - grid[:, 0]) / s)
    seen = naive > 1e-8
    found, _ = over(DL, {}, grid[:, :2], grid[:, 2], jnp.float64)
    close(found[seen], np.log(naive[seen]), 1e-7, 1e-7)


def test_it_is_right_over_the_whole_grid():
    grid = product([-1e4, -1.0, 0.1, 0.7, 3.0, 1e4], [-1e4, -7.0, -3.0, 0.0, 7.0, 1e4], ALL[[0, 1, 100, 140, 254, 255]])

    def oracle(params, raw, x):
        return logistic(raw[:, 0], bounded(raw[:, 1]), np.round(x * 255) / 255, 256)

    found, grads = over(DL, {}, grid[:, :2], grid[:, 2])
    rounded = np.float64(np.float32(grid))
    scale = np.exp(bounded(rounded[:, 1]))
    # A level minus a mean has the rounding of float32 at 1; divided by the scale it is what float32 cannot do better.
    slack = 2e-7 * (1 + np.abs(rounded[:, 0])) / scale
    exact = oracle({}, rounded[:, :2], rounded[:, 2])
    assert np.all(np.abs(found - exact) <= 1e-5 + 1e-4 * np.abs(exact) + slack * (np.abs(exact) > 1e-3))
    assert all(np.all(np.isfinite(g)) for g in grads)
    with jax.enable_x64(True):
        found, _ = over(DL, {}, grid[:, :2], grid[:, 2], jnp.float64)
    close(found, oracle({}, grid[:, :2], grid[:, 2]), 1e-6, 1e-6)


@pytest.mark.parametrize("likelihood", [DiscretizedLogistic(levels=17), LogisticMixture(levels=17, components=3)])
def test_the_mean_is_that_of_the_masses(likelihood):
    raw = jnp.asarray(np.random.default_rng(0).normal(size=likelihood.raw_shape((1,))), jnp.float32)
    x = jnp.arange(17) / 16
    p = np.exp(np.asarray(jax.vmap(lambda v: likelihood.log_prob({}, raw, v[None]))(x), np.float64))
    assert p.sum() == pytest.approx(1.0, abs=1e-5)
    assert float(likelihood.mean({}, raw)[0]) == pytest.approx((p * np.asarray(x)).sum(), abs=2e-6)


@pytest.mark.parametrize("likelihood", [DiscretizedLogistic(levels=5), LogisticMixture(levels=5, components=2)])
def test_samples_have_the_masses(likelihood):
    raw = jnp.asarray(np.random.default_rng(1).normal(size=likelihood.raw_shape((1,))), jnp.float32)
    x = jnp.arange(5) / 4
    p = np.exp(np.asarray(jax.vmap(lambda v: likelihood.log_prob({}, raw, v[None]))(x), np.float64))
    num = 20_000
    draws = jax.vmap(lambda k: likelihood.sample({}, k, raw))(jax.random.split(jax.random.key(2), num))
    counts = np.bincount(np.round(np.asarray(draws)[:, 0] * 4).astype(int), minlength=5)
    assert np.all(np.abs(counts / num - p) < 4 * np.sqrt(p * (1 - p) / num) + 1e-5)


def test_categorical_is_scipys_log_softmax():
    levels = 7
    raws = np.random.default_rng(0).normal(size=(40, levels)) * 10 ** np.linspace(-3, 4, 40)[:, None]
    k = np.arange(40) % levels

    def oracle(params, raw, x):
        return np.take_along_axis(special.log_softmax(raw, axis=-1), np.round(x * 6).astype(int)[:, None], axis=1)[:, 0]

    in_both(Categorical(levels=levels), {}, raws, k / 6, oracle, jax.enable_x64)


def test_one_component_of_one_channel_is_the_discretized_logistic():
    mixture, plain = LogisticMixture(levels=256, components=1), DL
    raw, x = jnp.array([[0.3, -2.0], [-0.5, 0.4], [0.9, -7.0]]), jnp.array([100.0, 0.0, 255.0]) / 255
    shown = jnp.concatenate([jnp.zeros((3, 1)), raw], axis=-1)  # its weight
    found = float(mixture.log_prob({}, shown, x))
    assert found == pytest.approx(float(plain.log_prob({}, raw, x)), rel=1e-6)
    np.testing.assert_allclose(mixture.mean({}, shown), plain.mean({}, raw), rtol=1e-6)


MIX = LogisticMixture(levels=4, components=2)


def mixture_numpy(raw, x):
    """One pixel of three channels, in float64 and loops."""
    u = 2 * x - 1
    per = raw.reshape(2, 10)
    weights = special.log_softmax(per[:, 0])
    totals = []
    for i in range(2):
        means, scales, slopes = per[i, 1:4], bounded(per[i, 4:7]), np.tanh(per[i, 7:])
        shifted = [means[0], means[1] + slopes[0] * u[0], means[2] + slopes[1] * u[0] + slopes[2] * u[1]]
        totals.append(weights[i] + sum(float(logistic(m, s, v, 4)) for m, s, v in zip(shifted, scales, x, strict=True)))
    return special.logsumexp(totals)


def test_channels_depend_on_the_earlier_ones_and_all_triples_sum_to_one():
    assert MIX.raw_shape((1, 1, 3)) == (1, 1, 20)
    raw = np.random.default_rng(3).normal(size=(1, 1, 20))
    every = np.array(list(itertools.product(range(4), repeat=3))) / 3
    log_p = jax.jit(jax.vmap(lambda x: MIX.log_prob({}, jnp.asarray(raw, jnp.float32), x[None, None])))
    found = np.asarray(log_p(jnp.asarray(every, jnp.float32)), np.float64)
    close(found, np.array([mixture_numpy(np.float64(np.float32(raw[0, 0])), x) for x in every]), 1e-5, 1e-4)
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-5)


def test_samples_of_three_channels_have_the_masses():
    raw = jnp.asarray(np.random.default_rng(3).normal(size=(1, 1, 20)), jnp.float32)
    every = np.array(list(itertools.product(range(4), repeat=3))) / 3
    p = np.exp(jax.vmap(lambda x: MIX.log_prob({}, raw, x[None, None]))(jnp.asarray(every, jnp.float32)))
    num = 20_000
    draws = jax.vmap(lambda k: MIX.sample({}, k, raw))(jax.random.split(jax.random.key(4), num))
    index = np.round(np.asarray(draws)[:, 0, 0] * 3).astype(int) @ [16, 4, 1]
    counts = np.bincount(index, minlength=64) / num
    # of 64 cells: five standard errors, and one count
    assert np.all(np.abs(counts - p) < 5 * np.sqrt(np.asarray(p) / num) + 1 / num)


@pytest.mark.parametrize("shape", [(3, 4, 3), (3, 4, 1), (5,)])
def test_shapes_of_images_and_vectors(shape):
    likelihood = LogisticMixture(levels=256)
    raw = jnp.zeros(likelihood.raw_shape(shape))
    assert likelihood.mean({}, raw).shape == shape
    assert likelihood.sample({}, jax.random.key(0), raw).shape == shape


_LOG_PROB = jax.jit(lambda raw, x: DL.log_prob({}, raw, x))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.floats(-2, 2, width=32), st.floats(-7, 7, width=32), st.integers(0, 255))
def test_flipping_level_and_mean_changes_nothing(mean, log_scale, k):
    one = float(_LOG_PROB(jnp.array([[mean, log_scale]]), jnp.array([k / 255])))
    other = float(_LOG_PROB(jnp.array([[-mean, log_scale]]), jnp.array([(255 - k) / 255])))
    assert one == pytest.approx(other, rel=1e-4, abs=3e-4)  # float32 differences over e^-7, as above


def test_the_number_of_levels_comes_from_the_data_or_is_asked_for():
    assert Categorical().at_levels(17) == Categorical(levels=17)
    assert Categorical(levels=5).at_levels(None) == Categorical(levels=5)
    with pytest.raises(VaexError, match=r"likelihood\.levels=L for"):
        Categorical().at_levels(None)
    with pytest.raises(VaexError, match=r"expected the 17 levels of the data, got 256"):
        Categorical(levels=256).at_levels(17)
    with pytest.raises(VaexError, match=r"type likelihood\.levels=256"):
        Categorical().raw_shape((3,))
    with pytest.raises(VaexError, match=r"likelihood\.levels"):
        Categorical(levels=1)
    with pytest.raises(VaexError, match=r"expects levels k / 16.*use data\.levels=17"):
        Categorical(levels=17).check_support(np.array([0.0, 0.03]), "here")
    Categorical(levels=256).check_support(np.float32(ALL), "here")
