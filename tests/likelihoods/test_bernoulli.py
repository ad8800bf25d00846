"""Bernoulli against scipy and exact sums."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, log_expit

from vaex.likelihoods import Bce, Bernoulli

LOGITS = np.array([-1e4, -88.0, -30.0, -5.0, -1e-3, 0.0, 0.3, 7.0, 17.0, 89.0, 1e4])


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_log_prob_over_extreme_logits(x):
    exact = log_expit(np.where(x == 1, LOGITS, -LOGITS))
    found = np.array([Bernoulli().log_prob({}, jnp.float32([logit]), jnp.float32([x])) for logit in LOGITS])
    np.testing.assert_allclose(found, exact, rtol=3e-7, atol=1e-38)  # some roundings of float32, relative everywhere
    moderate = np.abs(LOGITS) < 10
    np.testing.assert_allclose(found[moderate], stats.bernoulli.logpmf(x, expit(LOGITS[moderate])), rtol=1e-5)


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_gradient_is_x_minus_the_mean(x):
    grad = jax.grad(lambda logit: Bernoulli().log_prob({}, logit, jnp.full(LOGITS.shape, x)))(jnp.float32(LOGITS))
    np.testing.assert_allclose(grad, x - expit(LOGITS), atol=3e-7)  # some roundings of float32


def test_masses_of_all_binary_vectors_sum_to_one():
    raw = jnp.linspace(-3.0, 2.0, 8)
    every = jnp.asarray(list(itertools.product([0.0, 1.0], repeat=8)))
    log_p = jax.vmap(lambda x: Bernoulli().log_prob({}, raw, x))(every)
    assert float(jnp.sum(jnp.exp(log_p))) == pytest.approx(1.0, abs=1e-5)  # 256 terms of float32


def test_bce_is_bernoulli_on_binary_data_and_bounded_by_the_entropy_on_grey():
    raw, x = jnp.array([-2.0, 0.5, 3.0]), jnp.array([0.0, 1.0, 1.0])
    assert float(Bce().log_prob({}, raw, x)) == pytest.approx(float(Bernoulli().log_prob({}, raw, x)), rel=1e-6)
    grey = jnp.array([0.2, 0.5, 0.9])
    entropy = float(-jnp.sum(grey * jnp.log(grey) + (1 - grey) * jnp.log(1 - grey)))
    best = Bce().log_prob({}, jnp.log(grey / (1 - grey)), grey)
    assert -float(best) == pytest.approx(entropy, rel=1e-6)  # the minimum of the loss is the entropy, not 0
    assert not Bce.is_density
    assert "no likelihood" in Bce().describe()


@pytest.mark.parametrize("size", [16, 50, 784])
def test_many_pixels_share_logarithms_and_lose_nothing(size):
    rng = np.random.default_rng(size)
    raw = np.float32(rng.normal(0.0, 8.0, size))
    raw[:5] = [-1e4, -88.0, 1e4, 89.0, 0.0]
    x = np.float32(rng.random(size) < 0.5)
    exact = log_expit(np.where(x == 1, raw, -raw).astype(np.float64))
    found = float(Bernoulli().log_prob({}, jnp.asarray(raw), jnp.asarray(x)))
    # each factor 1 + e^-|l| is rounded once: 6e-8 a pixel; and the sums as any of float32
    assert found == pytest.approx(exact.sum(), abs=6e-8 * size + 3e-7 * abs(exact).sum())
    grad = jax.grad(lambda raw: Bernoulli().log_prob({}, raw, jnp.asarray(x)))(jnp.asarray(raw))
    np.testing.assert_allclose(grad, x - expit(raw.astype(np.float64)), atol=3e-7)
    # confident and right: log p is a sum of terms far below float32's spacing at 1
    sure = Bernoulli().log_prob({}, jnp.full(size, 30.0), jnp.ones(size))
    assert -6e-8 * size <= float(sure) <= 0
