"""Laplace against its closed form, which is held to scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from tests.likelihoods.grids import close, in_both, over, product
from vaex._check import VaexError
from vaex.likelihoods import Laplace
from vaex.numerics import soft_clip

GRID = product([-1e4, -2.0, 0.0, 0.3, 1e4], [-1e4, -3.0, 0.0, 0.3, 2.5, 1e4])


def exact(m, x, scale):
    return -np.abs(x - m) / scale - np.log(2 * scale)  # scipy takes the log of the density, and far out has -inf


def learned(params, m, x):
    with jax.enable_x64(True):
        return exact(m, x, np.exp(float(soft_clip(jnp.asarray(params["log_scale"])))))


@pytest.mark.parametrize("scale", [2**-10, 0.125, 1.0, 256.0])  # exact in float32, in which a scale is kept
def test_a_fixed_scale_is_scipys_and_the_closed_form_beyond(scale):
    m, x = GRID.T
    theirs = stats.laplace.logpdf(x, m, scale)
    held = np.isfinite(theirs)
    assert held.any()
    close(exact(m, x, scale)[held], theirs[held], 1e-6, 1e-6)
    oracle = lambda params, m, x: exact(m, x, scale)  # noqa: E731
    in_both(Laplace(scale=scale), {}, GRID[:, 0], GRID[:, 1], oracle, jax.enable_x64)


@pytest.mark.parametrize("log_scale", [-7.0, -1.0, 2.0, 7.0])
def test_a_learned_scale_is_the_closed_form(log_scale):
    in_both(Laplace(scale=None), {"log_scale": log_scale}, GRID[:, 0], GRID[:, 1], learned, jax.enable_x64)


def test_the_gradient_by_a_learned_scale_is_that_of_the_closed_form():
    m, x = np.array([-2.0, 0.25, 3.0]), np.array([0.5, 0.375, -1.0])  # exact in float32
    _, (by_scale, by_raw) = over(Laplace(scale=None), {"log_scale": 0.25}, m, x)
    slope = (learned({"log_scale": 0.25 + 1e-6}, m, x) - learned({"log_scale": 0.25 - 1e-6}, m, x)) / 2e-6
    np.testing.assert_allclose(by_scale, slope, rtol=1e-5, atol=1e-6)  # some roundings of float32
    slope = (learned({"log_scale": 0.25}, m + 1e-6, x) - learned({"log_scale": 0.25}, m - 1e-6, x)) / 2e-6
    np.testing.assert_allclose(by_raw, slope, rtol=1e-5, atol=1e-6)


def test_the_density_integrates_to_one(x64):
    p = jax.jit(lambda x: jnp.exp(Laplace(scale=0.5).log_prob({}, jnp.array([0.3]), x[None])))
    assert integrate.quad(lambda x: float(p(x)), -15, 15, points=[0.3])[0] == pytest.approx(1.0, abs=1e-6)


_LOG_PROB = jax.jit(lambda m, x: Laplace(scale=0.3).log_prob({}, m, x))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32))
def test_it_is_symmetric_in_x_and_m(m, x):
    assert float(_LOG_PROB(jnp.array([m]), jnp.array([x]))) == float(_LOG_PROB(jnp.array([x]), jnp.array([m])))


def test_its_scale_and_beta_are_one_knob():
    implied = Laplace(scale=0.25).implied({}, jnp.float32(4.0))
    assert {k: float(v) for k, v in implied.items()} == {"effective_beta": 1.0, "observation_noise": 1.0}
    assert (
        float(Laplace(scale=None).implied({"log_scale": jnp.float32(0.0)}, jnp.float32(4.0))["effective_beta"]) == 4.0
    )


def test_an_exact_prediction_is_not_pushed():
    grad = jax.grad(lambda m: Laplace(scale=0.5).log_prob({}, m, jnp.array([-1.0, 0.0, 3.0])))(
        jnp.array([-1.0, 0.5, 2.0])
    )
    np.testing.assert_array_equal(grad, [0.0, -2.0, 2.0])


def test_no_scale_at_all_is_refused():
    with pytest.raises(VaexError, match=r"likelihood\.scale"):
        Laplace(scale=0.0)
