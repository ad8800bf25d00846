"""What every likelihood must hold to; adding one adds one row to CASES."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.likelihoods import (
    Bce,
    Bernoulli,
    Beta,
    Categorical,
    ContinuousBernoulli,
    DiagonalGaussian,
    DiscretizedLogistic,
    Gaussian,
    Laplace,
    LogisticMixture,
    NegativeBinomial,
    OptimalGaussian,
    Poisson,
    SharedGaussian,
    StudentT,
    ZeroInflatedNegativeBinomial,
    mse,
)
from vaex.part import canonical, from_dict, to_dict
from vaex.typing import Stats

BINARY = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0], np.float32)
GREY = np.array([0.0, 0.2, 0.9, 0.5, 1.0, 0.31], np.float32)
OPEN = np.array([0.01, 0.2, 0.9, 0.5, 0.99, 0.31], np.float32)
LEVELS = np.array([0.0, 0.25, 1.0, 0.75, 0.5, 0.25], np.float32)
COUNTS = np.array([0.0, 3.0, 12.0, 1.0, 50.0, 7.0], np.float32)
REAL = np.array([-3.0, 0.2, 1.9, 0.5, 7.0, -0.31], np.float32)

# likelihood, fitting data, data outside its support
CASES = [
    (Bernoulli(), BINARY, GREY),
    (Bce(), GREY, REAL),
    (Gaussian(), REAL, np.array([np.nan], np.float32)),
    (Gaussian(scale=0.3), REAL, np.array([np.inf], np.float32)),
    (mse(), REAL, np.array([np.nan], np.float32)),
    (SharedGaussian(), REAL, np.array([np.nan], np.float32)),
    (OptimalGaussian(), REAL, np.array([np.nan], np.float32)),
    (DiagonalGaussian(), REAL, np.array([np.nan], np.float32)),
    (ContinuousBernoulli(), GREY, REAL),
    (Laplace(scale=0.3), REAL, np.array([np.nan], np.float32)),
    (Laplace(scale=None), REAL, np.array([np.inf], np.float32)),
    (StudentT(), REAL, np.array([np.nan], np.float32)),
    (StudentT(scale=0.5, df=4.0), REAL, np.array([np.nan], np.float32)),
    (Beta(), OPEN, GREY),
    (Categorical(levels=5), LEVELS, GREY),
    (DiscretizedLogistic(levels=5), LEVELS, GREY),
    (LogisticMixture(levels=5, components=3), LEVELS, GREY),
    (Poisson(), COUNTS, GREY),
    (NegativeBinomial(), COUNTS, REAL),
    (NegativeBinomial(dispersion="decoder"), COUNTS, GREY),
    (ZeroInflatedNegativeBinomial(), COUNTS, REAL),
    (ZeroInflatedNegativeBinomial(dispersion="decoder"), COUNTS, REAL),
]
BISECTED = ("continuous_bernoulli", "categorical", "discretized_logistic", "logistic_mixture")
ALL = pytest.mark.parametrize(("likelihood", "x", "outside"), CASES, ids=lambda c: getattr(c, "name", ""))


def given(likelihood, x):
    """Parameters and an asymmetric raw output."""
    stats = Stats(jnp.asarray(x), jnp.full(x.shape, 0.5))
    shape = likelihood.raw_shape(x.shape)
    raw = jnp.linspace(-1.0, 1.7, int(np.prod(shape)), dtype=jnp.float32).reshape(shape)
    return likelihood.init(jax.random.key(0), stats), raw, stats


@ALL
def test_shapes(likelihood, x, outside):
    params, raw, stats = given(likelihood, x)
    assert likelihood.log_prob(params, raw, x).shape == ()
    assert likelihood.mean(params, raw).shape == x.shape
    assert likelihood.sample(params, jax.random.key(1), raw).shape == x.shape
    assert likelihood.output_bias(stats).shape == raw.shape


@ALL
def test_no_noise_stands_for_a_pull_of_either_sign(likelihood, x, outside):
    """Under `capacity` beta is -gamma below C: a fixed scale then implies no noise, a learned one stays itself."""
    params, _, _ = given(likelihood, x)
    pulled = likelihood.implied(params, jnp.float32(-100.0), False)
    assert float(pulled["effective_beta"]) < 0
    assert float(pulled.get("observation_noise", 1.0)) > 0
    weighed = likelihood.implied(params, jnp.float32(2.0))
    assert float(weighed.get("observation_noise", 1.0)) > 0
    if "observation_noise" in pulled:
        assert float(pulled["observation_noise"]) == float(weighed["observation_noise"])


@ALL
def test_one_program_under_jit_grad_and_vmap(likelihood, x, outside):
    params, raw, _ = given(likelihood, x)
    traces = []

    @jax.jit
    def value_and_grad(likelihood, params, raw, x):
        traces.append(None)
        return jax.value_and_grad(lambda r: likelihood.log_prob(params, r, x))(raw)

    plain = likelihood.log_prob(params, raw, x)
    for _ in range(2):
        value, grad = value_and_grad(canonical(likelihood), params, raw, x)
    assert len(traces) == 1
    assert float(value) == pytest.approx(float(plain), rel=1e-6, abs=1e-6)  # a sum of terms of order one may be near 0
    assert np.all(np.isfinite(grad))
    batch = jax.vmap(lambda r: likelihood.log_prob(params, r, x))(jnp.stack([raw, raw + 1]))
    assert float(batch[0]) == pytest.approx(float(plain), rel=1e-6, abs=1e-6)


@ALL
def test_log_prob_is_a_sum_over_the_event(likelihood, x, outside):
    params, raw, _ = given(likelihood, x)
    twice = likelihood.log_prob(params, jnp.concatenate([raw, raw]), jnp.concatenate([x, x]))
    assert float(twice) == pytest.approx(2 * float(likelihood.log_prob(params, raw, x)), rel=1e-6)


@ALL
def test_samples_have_the_stated_mean(likelihood, x, outside):
    params, raw, _ = given(likelihood, x)
    keys = jax.random.split(jax.random.key(2), 20_000)
    draws = np.asarray(jax.vmap(lambda k: likelihood.sample(params, k, raw))(keys), np.float64)
    se = draws.std(0) / np.sqrt(len(draws)) + 1e-6  # the last for draws without spread (bce)
    assert np.all(np.abs(draws.mean(0) - likelihood.mean(params, raw)) < 4 * se)


@ALL
def test_output_bias_predicts_the_mean(likelihood, x, outside):
    params, _, _ = given(likelihood, x)
    low, high = {"real": (-np.inf, np.inf), "counts": (1e-3, np.inf)}.get(likelihood.support, (0.001, 0.999))
    mean = np.clip(x, low, high)
    found = likelihood.mean(params, likelihood.output_bias(Stats(jnp.asarray(x), jnp.full(x.shape, 0.5))))
    # Closed forms in float32; by bisection, the last step of it over float32's range of means.
    # A log-rate bounded at 30 has the rounding of float32 there.
    rtol = 5e-6 if likelihood.support == "counts" else 1e-6
    np.testing.assert_allclose(found, mean, rtol=rtol, atol=2e-5 if likelihood.name in BISECTED else 1e-6)


@ALL
def test_support(likelihood, x, outside):
    likelihood.check_support(x, "here")
    with pytest.raises(VaexError, match=rf"likelihood={likelihood.name} expects .* but here holds .*;"):
        likelihood.check_support(outside, "here")


@ALL
def test_made_twice_it_is_equal_and_hashes_alike(likelihood, x, outside):
    again = from_dict(to_dict(likelihood))
    assert again == likelihood
    assert hash(again) == hash(likelihood)
    assert likelihood.name in likelihood.describe()


@ALL
@pytest.mark.parametrize("size", [1e4, -1e4, 0.0])
def test_gradients_are_finite_at_extreme_outputs(likelihood, x, outside, size):
    params, raw, _ = given(likelihood, x)
    value, grad = jax.value_and_grad(lambda r: likelihood.log_prob(params, r, x))(jnp.full_like(raw, size))
    assert np.isfinite(value)
    assert np.all(np.isfinite(grad))
