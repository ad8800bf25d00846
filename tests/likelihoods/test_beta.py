"""Beta against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from tests.likelihoods.grids import in_both, over, product
from vaex._check import VaexError
from vaex.likelihoods import Beta
from vaex.numerics import soft_clip

XS = [1e-30, 1e-5, 0.001953, 0.1, 0.5, 0.62, 0.998, 1 - 2**-22]


def shapes(raw):
    """a, b in float64, with all the digits of 1 - mean."""
    with jax.enable_x64(True):
        logit = np.asarray(soft_clip(jnp.asarray(raw[..., 0]), (-15.0, 15.0)))
        c = np.exp(np.asarray(soft_clip(jnp.asarray(raw[..., 1]))))
    return special.expit(logit) * c, special.expit(-logit) * c


def exact(params, raw, x):
    a, b = shapes(raw)
    return special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)


def test_it_is_scipys_over_the_whole_grid():
    grid = product([-1e4, -15.0, -4.0, -0.5, 0.0, 0.7, 5.0, 1e4], [-1e4, -7.0, -1.0, 0.0, 2.0, 4.0, 7.0, 1e4], XS)
    in_both(Beta(), {}, grid[:, :2], grid[:, 2], exact, jax.enable_x64)


def test_gradients_are_those_of_scipys():
    grid = np.float64(np.float32(product([-3.0, -0.4, 0.0, 2.5], [-2.0, 0.0, 2.0, 5.0], [0.01, 0.3, 0.5, 0.97])))
    _, (found,) = over(Beta(), {}, grid[:, :2], grid[:, 2])
    for axis in range(2):
        step = 1e-5 * np.eye(2)[axis]
        slope = (exact({}, grid[:, :2] + step, grid[:, 2]) - exact({}, grid[:, :2] - step, grid[:, 2])) / 2e-5
        np.testing.assert_allclose(found[:, axis], slope, rtol=1e-4, atol=1e-4)  # as asked of float32 log densities


@pytest.mark.parametrize("raw", [(0.4, 2.0), (-1.0, 5.0), (0.0, np.log(2.0))])
def test_the_density_integrates_to_one_and_to_its_mean(x64, raw):
    raw = jnp.array([raw])
    p = jax.jit(lambda x: jnp.exp(Beta().log_prob({}, raw, x[None])))
    # substituting x = sin^2 t takes away what the ends may have of a singularity
    weight = lambda t: float(p(jnp.sin(t) ** 2)) * 2 * np.sin(t) * np.cos(t)  # noqa: E731
    ends = 1e-6, np.pi / 2 - 1e-6
    assert integrate.quad(weight, *ends)[0] == pytest.approx(1.0, abs=1e-5)
    mean = integrate.quad(lambda t: np.sin(t) ** 2 * weight(t), *ends)[0]
    assert float(Beta().mean({}, raw)[0]) == pytest.approx(mean, abs=1e-5)


# With x = sigmoid(t) the integrand falls off exponentially at both ends: equal steps are as good as a quadrature.
_STEP = 0.06
_T = np.arange(-36.0, 36.0, _STEP)


@jax.jit
def mass(raw):
    x, slope = jax.nn.sigmoid(_T), jax.nn.sigmoid(_T) * jax.nn.sigmoid(-_T)
    log_p = jax.vmap(lambda x: Beta().log_prob({}, raw, x[None]))(x)
    return _STEP * jnp.sum(jnp.exp(log_p) * slope)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.floats(-2, 2), st.floats(2, 6))
def test_it_is_normalised_at_every_mean_and_concentration(logit, log_c):
    with jax.enable_x64(True):
        assert float(mass(jnp.array([[logit, log_c]]))) == pytest.approx(1.0, abs=1e-8)


_LOG_PROB = jax.jit(lambda raw, x: Beta().log_prob({}, raw, x))
_SAMPLE = jax.jit(lambda key, raw: Beta().sample({}, key, raw))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.floats(-10, 10, width=32), st.floats(-7, 7, width=32), st.integers(1, 2**12 - 1))
def test_flipping_x_and_the_mean_changes_nothing(logit, log_c, cell):
    x = cell / 2**12  # 1 - x is exact
    one, other = (_LOG_PROB(jnp.array([[s * logit, log_c]]), jnp.array([y])) for s, y in ((1, x), (-1, 1 - x)))
    assert float(one) == pytest.approx(float(other), rel=1e-4, abs=1e-4)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.floats(-1e4, 1e4, width=32), st.floats(-1e4, 1e4, width=32))
def test_samples_are_strictly_inside(logit, log_c):
    draws = np.asarray(_SAMPLE(jax.random.key(0), jnp.tile(jnp.array([[logit, log_c]]), (50, 1))))
    assert np.all((draws > 0) & (draws < 1))


def test_the_ends_are_refused_with_the_fix():
    with pytest.raises(VaexError, match=r"strictly between 0 and 1.*data\.dequantize=uniform"):
        Beta().check_support(np.array([0.0, 0.3]), "here")
