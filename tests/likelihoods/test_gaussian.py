"""Normal likelihoods against scipy and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from vaex._check import VaexError
from vaex.likelihoods import DiagonalGaussian, Gaussian, OptimalGaussian, SharedGaussian, mse
from vaex.numerics import soft_clip

X = np.array([-1e4, -3.0, 0.0, 1e-3, 2.5, 1e4])
MU = np.array([1e4, -2.0, 0.0, 0.0, 2.0, 1e4])


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 300.0])
def test_fixed_scale_is_scipys(x64, scale):
    found = Gaussian(scale=scale).log_prob({}, jnp.asarray(MU), jnp.asarray(X))
    exact = stats.norm.logpdf(X, MU, scale).sum()
    assert float(found) == pytest.approx(exact, rel=1e-6)  # the scale is a float32 leaf: relative 6e-8, squared


@pytest.mark.parametrize("scale", [0.1, 1.0, 300.0])
def test_fixed_scale_in_float32(scale):
    x, mu = np.float32(X[1:-1]), np.float32(MU[1:-1])
    exact = stats.norm.logpdf(np.float64(x), np.float64(mu), scale)
    for i in range(len(x)):
        found = float(Gaussian(scale=scale).log_prob({}, mu[i : i + 1], x[i : i + 1]))
        assert found == pytest.approx(exact[i], abs=1e-5 + 1e-6 * abs(exact[i]))


@pytest.mark.parametrize("raw", [-9.0, -2.0, 0.7, 12.0])
def test_learned_scales_are_scipys_at_the_bounded_scale(x64, raw):
    scale = np.exp(float(soft_clip(jnp.asarray(raw))))
    exact = stats.norm.logpdf(X, MU, scale).sum()
    shared = SharedGaussian().log_prob({"log_scale": jnp.asarray(raw)}, jnp.asarray(MU), jnp.asarray(X))
    both = jnp.stack([jnp.asarray(MU), jnp.full(MU.shape, raw)], axis=-1)
    assert float(shared) == pytest.approx(exact, rel=1e-12)
    assert float(DiagonalGaussian().log_prob({}, both, jnp.asarray(X))) == pytest.approx(exact, rel=1e-12)


def test_the_density_integrates_to_one(x64):
    density = lambda x: float(jnp.exp(Gaussian(scale=0.7).log_prob({}, jnp.array([0.3]), jnp.array([x]))))  # noqa: E731
    assert integrate.quad(density, -8, 8)[0] == pytest.approx(1.0, abs=1e-6)  # the scale is float32


def test_soft_bounds_are_smooth_and_hold():
    raw = jnp.float32([-1e4, -50.0, -7.0, 0.0, 7.0, 50.0, 1e4])
    bounded = np.asarray(soft_clip(raw))
    assert np.all(np.abs(bounded) <= 7.0 + 2e-6)  # two roundings of float32 at 14
    assert np.all(np.diff(bounded) >= 0)
    np.testing.assert_allclose(soft_clip(jnp.float32([-3.0, -1.0, 0.0, 2.0])), [-3.0, -1.0, 0.0, 2.0], atol=2e-2)
    assert np.all(np.isfinite(jax.vmap(jax.grad(soft_clip))(raw)))


def test_mse_is_the_squared_error_plus_a_constant():
    x, mu = np.float32([0.3, -0.7, 2.0]), np.float32([0.1, 0.4, -1.0])
    minus = -float(mse().log_prob({}, mu, x))
    assert minus == pytest.approx(((x - mu) ** 2).sum() + 1.5 * np.log(np.pi), rel=1e-6)
    assert "alias mse" in mse().describe()
    assert "0.5 * SSE" in Gaussian().describe()


@pytest.mark.parametrize(("error", "nll"), [(0.01, -0.883646559789), (0.02, -0.537072969509)])
def test_optimal_scale_has_the_closed_form_nll(error, nll):
    x = jnp.zeros(1000)
    raw = jnp.sqrt(error) * jnp.where(jnp.arange(1000) % 2 == 0, 1.0, -1.0)
    likelihood = OptimalGaussian()
    params = likelihood.with_statistic({}, likelihood.statistic({}, raw, x))
    assert -float(likelihood.log_prob(params, raw, x)) / 1000 == pytest.approx(nll, abs=1e-6)


def test_optimal_scale_has_exactly_the_gradient_of_the_log_mse():
    likelihood = OptimalGaussian()
    x = jax.random.normal(jax.random.key(0), (4, 6))
    raws = jax.random.normal(jax.random.key(1), (4, 3, 6))  # 4 examples, K = 3
    weights = jnp.array([1.0, 1.0, 1.0, 0.0])  # the last is padding

    def one(raw, x, w):
        params = likelihood.at_batch({"log_scale": jnp.float32(9.0)}, raw, x, w)
        return -w * jnp.mean(jax.vmap(lambda r: likelihood.log_prob(params, r, x))(raw))

    nll = lambda raws: jnp.sum(jax.vmap(one, axis_name="batch")(raws, x, weights))  # noqa: E731
    log_mse = lambda raws: 0.5 * 18 * jnp.log(jnp.mean(jnp.square(x[:3, None] - raws[:3])))  # noqa: E731
    np.testing.assert_allclose(jax.grad(nll)(raws), jax.grad(log_mse)(raws), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(VaexError, match=r"likelihood\.scale: expected a number above 0"):
        Gaussian(scale=scale)
