"""The continuous Bernoulli against its closed form, quadrature and symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from tests.likelihoods.grids import close, in_both, over, product
from vaex.likelihoods import ContinuousBernoulli

LOGITS = [-1e4, -300.0, -88.0, -20.0, -3.0, -1.0, -0.999, -1e-2, -1e-6, 0.0, 1e-4, 0.3, 1.0001, 7.0, 30.0, 200.0, 1e4]
XS = [0.0, 1e-6, 0.1, 0.499, 0.5, 0.83, 1.0 - 1e-6, 1.0]
CB = ContinuousBernoulli()


def exact(params, logit, x):
    """l x + log(l / (e^l - 1)) in float64: l / expm1(l) is well conditioned, and far out one exponential is nothing."""
    size, y = np.abs(logit), np.where(logit > 0, 1 - x, x)
    near = np.where(size < 40, np.where(logit == 0, 1.0, logit), 1.0)
    inner = near * x + np.log(near / np.expm1(near))
    outer = -size * y + np.log(np.maximum(size, 1.0)) - np.log1p(-np.exp(-np.maximum(size, 1.0)))
    return np.where(logit == 0, 0.0, np.where(size < 40, inner, outer))


def test_it_is_the_closed_form_over_the_whole_grid():
    grid = product(LOGITS, XS)
    in_both(CB, {}, grid[:, 0], grid[:, 1], exact, jax.enable_x64)


@pytest.mark.parametrize(
    ("mean", "log_c"),
    [(1e-4, 2.220515968406626), (0.1, 1.010338559490850), (0.3, 0.750587750880459), (0.48, 0.693680884034111)],
)
def test_its_normaliser_is_as_tabulated(x64, mean, log_c):
    logit = np.log(mean) - np.log1p(-mean)
    at_zero = float(CB.log_prob({}, jnp.array([logit]), jnp.array([0.0])))  # log C + log(1 - lambda)
    assert at_zero - np.log1p(-mean) == pytest.approx(log_c, abs=2e-9)  # the series' next term at |l| = 1


def test_half_is_uniform():
    assert float(CB.log_prob({}, jnp.zeros(3), jnp.array([0.0, 0.3, 1.0]))) == 0.0


@pytest.mark.parametrize(("param", "mean"), [(0.1, 0.330119613318719), (0.3, 0.430222501143829)])
def test_its_mean_is_as_tabulated_and_no_parameter(x64, param, mean):
    logit = jnp.array([np.log(param / (1 - param))])
    assert float(CB.mean({}, logit)[0]) == pytest.approx(mean, abs=2e-8)  # the series' next term at |l| = 1


def test_gradient_is_x_minus_the_mean():
    grid = np.float32(product(LOGITS, XS))
    _, (found,) = over(CB, {}, grid[:, 0], grid[:, 1])
    with jax.enable_x64(True):
        mean = np.asarray(CB.mean({}, jnp.asarray(np.float64(grid[:, 0]))))  # held to quadrature below
    close(found, grid[:, 1] - mean, 5e-7, 0)  # float32 near 1


def test_the_mean_has_a_finite_slope_the_variance():
    slope = jax.vmap(jax.grad(lambda raw: CB.mean({}, raw)))(jnp.float32(LOGITS))
    size = np.abs(np.where(np.abs(LOGITS) < 0.1, 1.0, LOGITS))
    # Var = 1/l^2 - 1/(4 sinh^2(l/2)), 1/12 - l^2/240 near 0
    exact = 1 / size**2 - np.exp(-size) / np.expm1(-size) ** 2
    exact = np.where(np.abs(LOGITS) < 0.1, 1 / 12 - np.square(LOGITS) / 240, exact)
    np.testing.assert_allclose(slope, exact, rtol=1e-5, atol=5e-7)  # near |l| = 1 terms of order one cancel


@pytest.mark.parametrize("u", [0.0, 1.0 - 2.0**-23])  # the least and largest that are drawn
def test_draws_from_the_ends_of_the_uniform_are_likely(u, monkeypatch):
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape, dtype: jnp.full(shape, u, dtype))
    logits = jnp.float32([-1e4, -300.0, 300.0, 1e4])
    draws = CB.sample({}, jax.random.key(0), logits)
    assert np.all(np.abs(draws - (logits > 0)) <= 16.0 / np.abs(logits))  # 23 log 2 = 15.95


@pytest.mark.parametrize("logit", [-30.0, -0.5, 0.0, 2.0, 300.0])
def test_the_density_integrates_to_one_and_to_its_mean(x64, logit):
    p = jax.jit(lambda x: jnp.exp(CB.log_prob({}, jnp.array([logit]), x[None])))
    points = {"points": [1 / abs(logit), 1 - 1 / abs(logit)]} if abs(logit) > 5 else {}
    assert integrate.quad(lambda x: float(p(x)), 0, 1, **points)[0] == pytest.approx(1.0, abs=1e-7)
    mean = integrate.quad(lambda x: x * float(p(x)), 0, 1, **points)[0]
    assert float(CB.mean({}, jnp.array([logit]))[0]) == pytest.approx(mean, abs=1e-7)


_LOG_PROB = jax.jit(lambda raw, x: CB.log_prob({}, raw, x))
_SAMPLE = jax.jit(lambda key, raw: CB.sample({}, key, raw))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.floats(-1e4, 1e4, width=32), st.floats(0, 1, width=32))
def test_flipping_both_changes_nothing_and_samples_stay_inside(logit, x):
    flipped = float(_LOG_PROB(jnp.array([-logit]), 1.0 - jnp.array([x])))
    plain = float(_LOG_PROB(jnp.array([logit]), jnp.array([x])))
    # 1 - x is rounded where x < 1/2: half an ulp of 1 times the logit
    assert plain == pytest.approx(flipped, rel=1e-5, abs=1e-6 + 6e-8 * abs(logit))
    draws = np.asarray(_SAMPLE(jax.random.key(0), jnp.full(100, logit)))
    assert np.all((draws >= 0) & (draws <= 1))


_NODES, _WEIGHTS = (jnp.asarray(a, jnp.float32) for a in np.polynomial.legendre.leggauss(64))
_MASS = jax.jit(
    lambda raw: 0.5 * _WEIGHTS @ jnp.exp(jax.vmap(lambda x: CB.log_prob({}, raw, x[None]))(0.5 + 0.5 * _NODES))
)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.floats(-50, 50, width=32))
def test_it_is_normalised_at_every_logit(logit):
    assert float(_MASS(jnp.array([logit]))) == pytest.approx(1.0, abs=2e-5)  # exponents up to 50, in float32
