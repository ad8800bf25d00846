"""Categorical: normalisation, symmetry, gradients and starting points (scipy's log-softmax is in test_levels.py)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from tests.likelihoods.grids import over
from vaex.likelihoods import Categorical
from vaex.typing import Stats

CAT = Categorical(levels=7)
LEVELS = np.arange(7) / 6
LOGITS = st.lists(st.floats(-1e4, 1e4, width=32), min_size=7, max_size=7)


@jax.jit
def masses(logits):
    return jnp.exp(jax.vmap(lambda x: CAT.log_prob({}, logits[None], x[None]))(jnp.asarray(LEVELS, jnp.float32)))


_SAMPLE = jax.jit(lambda key, raw: CAT.sample({}, key, raw))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(LOGITS)
def test_masses_sum_to_one_follow_the_order_of_the_logits_and_samples_are_levels(logits):
    logits = jnp.asarray(logits, jnp.float32)
    found = masses(logits)
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-6)  # seven terms of float32
    np.testing.assert_allclose(masses(logits[::-1]), found[::-1], rtol=1e-5, atol=1e-30)  # exp of a rounded logarithm
    CAT.check_support(np.asarray(_SAMPLE(jax.random.key(0), jnp.tile(logits, (50, 1)))), "the draws")


def test_gradient_is_the_level_minus_the_masses():
    raws = np.random.default_rng(0).normal(size=(7, 7)) * 3
    _, (by_raw,) = over(CAT, {}, raws, LEVELS)
    np.testing.assert_allclose(by_raw, np.eye(7) - special.softmax(raws, axis=-1), atol=5e-7)  # float32 near 1


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_first_prediction_is_the_datas_mean_and_the_flattest(levels):
    likelihood, mean = Categorical(levels=levels), np.float32([0.0, 1e-3, 0.1, 0.5, 0.73, 0.999, 1.0])
    raw = likelihood.output_bias(Stats(mean, np.full(7, 0.3)))
    found = likelihood.mean({}, raw)
    np.testing.assert_allclose(found, np.clip(mean, 1e-3, 1 - 1e-3), atol=2e-5)  # a step of bisection in float32
    # Of all distributions with one mean the flattest has logits linear in the level; at 1/2 it is uniform.
    np.testing.assert_allclose(np.diff(raw, n=2), 0.0, atol=1e-6 * np.abs(raw).max())
    np.testing.assert_allclose(jax.nn.softmax(raw[3]), 1 / levels, rtol=1e-5)
