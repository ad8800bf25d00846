"""LogisticMixture against NumPy in float64, at its extremes, and behind every decoder."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from tests.likelihoods.grids import close, in_both
from vaex.likelihoods import Categorical, DiscretizedLogistic, LogisticMixture
from vaex.models import decoders
from vaex.numerics import soft_clip
from vaex.typing import Stats


def log_scales(raw):
    with jax.enable_x64(True):
        return np.asarray(soft_clip(jnp.asarray(raw, jnp.float64)))


def reference(raw, x, components, levels):
    """log P of pixels [N, C] from raw [N, n], in float64, with the bins' edges as whole numbers of half bins."""
    raw, k, steps = raw.reshape(len(x), components, -1), np.round(x * (levels - 1)), levels - 1
    u, channels = 2 * k / steps - 1, x.shape[1]
    totals = special.log_softmax(raw[:, :, 0], axis=1)
    for c in range(channels):
        mean = raw[:, :, 1 + c].copy()
        for j in range(c):
            slope = np.tanh(raw[:, :, 1 + 2 * channels + c * (c - 1) // 2 + j])
            mean += slope * u[:, j, None]
        half = np.exp(-log_scales(raw[:, :, 1 + channels + c])) / steps
        high, low = (half * (2 * k[:, c, None] - steps + side - steps * mean) for side in (1, -1))
        inner = special.log_expit(high) + special.log_expit(-low) + np.log(-np.expm1(-2 * half))
        at = k[:, c, None]
        totals += np.where(at == 0, special.log_expit(high), np.where(at == steps, special.log_expit(-low), inner))
    return special.logsumexp(totals, axis=1)


def raws_of(num, channels, components, seed=0):
    """Moderate outputs, and outputs that are extreme in some of their numbers."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(num, components, 1 + 2 * channels + channels * (channels - 1) // 2))
    extreme = rng.choice([-1e4, -7.0, 7.0, 1e4], size=raw.shape)
    return np.where(rng.random(raw.shape) < rng.choice([0.0, 0.1, 0.5], size=(num, 1, 1)), extreme, raw).reshape(
        num, -1
    )


def test_one_channel_is_the_reference_over_the_whole_grid():
    raws = raws_of(3000, 1, 3)
    xs = np.random.default_rng(1).integers(0, 256, 3000) / 255
    xs[:200], xs[200:400] = 0.0, 1.0
    likelihood = LogisticMixture(levels=256, components=3)

    def oracle(params, raw, x):
        return reference(raw, x[:, None], 3, 256)

    in_both(likelihood, {}, raws, xs, oracle, jax.enable_x64)


def test_three_channels_are_the_reference_over_the_whole_grid():
    likelihood, raws = LogisticMixture(levels=256, components=3), raws_of(3000, 3, 3)
    xs = np.random.default_rng(1).integers(0, 256, (3000, 3)) / 255

    def one(raw, x):
        return likelihood.log_prob({}, raw[None, None], x[None, None])

    both = jax.vmap(jax.value_and_grad(one))
    with jax.enable_x64(True):
        close(np.asarray(jax.jit(both)(jnp.asarray(raws), jnp.asarray(xs))[0]), reference(raws, xs, 3, 256), 1e-6, 1e-6)
    raws, xs = np.float32(raws), np.float32(xs)
    found, grads = jax.jit(both)(raws, xs)
    assert np.all(np.isfinite(grads))
    close(np.asarray(found), reference(np.float64(raws), np.float64(xs), 3, 256), 1e-5, 1e-4)


def test_gradients_are_those_of_the_reference():
    likelihood, step = LogisticMixture(levels=16, components=2), 1e-6
    raw = np.random.default_rng(2).normal(size=20)
    x = np.array([[3, 0, 15]]) / 15
    with jax.enable_x64(True):
        found = jax.jit(jax.grad(lambda r: likelihood.log_prob({}, r[None, None], x[None])))(jnp.asarray(raw))
    up, down = (reference(raw + sign * step * np.eye(20), np.tile(x, (20, 1)), 2, 16) for sign in (1, -1))
    # central differences: 1e-16 of values of about 10, over the step
    np.testing.assert_allclose(found, (up - down) / (2 * step), rtol=1e-6, atol=1e-8)


SMALL = LogisticMixture(levels=9, components=2)
_MASSES = jax.jit(lambda raw: jnp.exp(jax.vmap(lambda x: SMALL.log_prob({}, raw[None], x[None]))(jnp.arange(9.0) / 8)))
_DRAWS = jax.jit(lambda key, raw: SMALL.sample({}, key, jnp.tile(raw, (100, 1))))
_NUMBER = st.floats(-1e4, 1e4, width=32) | st.floats(-8, 8, width=32)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(_NUMBER, min_size=6, max_size=6))
def test_masses_sum_to_one_are_symmetric_and_samples_are_levels(raw):
    raw = jnp.asarray(raw, jnp.float32)
    found = _MASSES(raw)
    assert float(found.sum()) == pytest.approx(1.0, abs=2e-6)  # nine terms of float32
    flipped = raw * jnp.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0])  # both means
    np.testing.assert_allclose(_MASSES(flipped)[::-1], found, rtol=1e-5, atol=1e-30)
    swapped = jnp.concatenate([raw[3:], raw[:3]])  # the components
    np.testing.assert_allclose(_MASSES(swapped), found, rtol=1e-5, atol=1e-30)
    SMALL.check_support(np.asarray(_DRAWS(jax.random.key(0), raw)), "the draws")


def test_all_triples_of_float64_sum_to_one(x64):
    likelihood = LogisticMixture(levels=4, components=2)
    every = jnp.asarray(list(itertools.product(range(4), repeat=3))) / 3
    total = jax.jit(
        lambda raw: jnp.sum(jnp.exp(jax.vmap(lambda x: likelihood.log_prob({}, raw, x[None, None]))(every)))
    )
    for raw in raws_of(20, 3, 2):
        assert float(total(jnp.asarray(raw)[None, None])) == pytest.approx(1.0, abs=1e-12)


def test_the_mean_of_three_channels_is_near_that_of_samples_and_its_first_is_exact():
    likelihood, num = LogisticMixture(levels=256, components=2), 20_000
    # Scales of e^-2 or less around means within [-.4, .4]: little is clipped, where the formula is exact.
    raw = np.random.default_rng(5).uniform(-0.4, 0.4, size=(2, 10))
    raw[:, 4:7] -= 2.5
    raw = jnp.asarray(raw.reshape(1, 1, 20), jnp.float32)
    draws = jax.jit(jax.vmap(lambda key: likelihood.sample({}, key, raw)))(jax.random.split(jax.random.key(0), num))
    gap = np.abs(np.float64(draws)[:, 0, 0].mean(0) - likelihood.mean({}, raw)[0, 0])
    se = np.float64(draws)[:, 0, 0].std(0) / np.sqrt(num)
    assert gap[0] < 4 * se[0]
    assert np.all(gap[1:] < 4 * se[1:] + 2e-3)  # half a level: what clipping may change


CONV, MLP = decoders.Conv(channels=(4,), hidden=4), decoders.MLP(hidden=(4,))


@pytest.mark.parametrize(
    ("likelihood", "decoder", "shape"),
    [
        (LogisticMixture(components=2), CONV, (5, 6, 3)),
        (LogisticMixture(components=2), MLP, (5, 6, 3)),
        (LogisticMixture(components=2), MLP, (10,)),
        (Categorical(), CONV, (5, 6, 3)),
        (DiscretizedLogistic(), CONV, (5, 6, 3)),
    ],
    ids=["mixture-conv", "mixture-mlp", "mixture-vectors", "categorical-conv", "logistic-conv"],
)
def test_every_decoder_emits_it_and_starts_at_the_datas_mean(likelihood, decoder, shape):
    likelihood = likelihood.at_levels(17)
    # one mean for a channel, which is all that a convolution's bias can tell apart
    mean = np.broadcast_to(np.linspace(0.2, 0.7, shape[-1] if len(shape) == 3 else 1), shape).astype(np.float32)
    bias = likelihood.output_bias(Stats(mean, np.full(shape, 0.2, np.float32)))
    raw_shape, z = likelihood.raw_shape(shape), jnp.zeros(3)

    @jax.jit
    def first(key):
        params = decoder.init(key, z, raw_shape, bias)
        return decoder.apply(params, z, raw_shape)  # at z = 0 every layer but the last emits 0

    raw = first(jax.random.key(0))
    assert raw.shape == raw_shape
    found = likelihood.mean({}, raw)
    np.testing.assert_allclose(found, mean, atol=3e-5)  # 2e-5 as in the contract, and an average of floats
    x = np.round(mean * 16) / 16
    assert np.isfinite(likelihood.log_prob({}, raw, x))
