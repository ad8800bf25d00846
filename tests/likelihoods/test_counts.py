"""Counts against scipy, exact fractions and numpyro; all at the extremes that a model meets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from tests.likelihoods.grids import close, in_both, over, product
from vaex._check import VaexError
from vaex.likelihoods import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial
from vaex.numerics import stirling_error
from vaex.optimizers import AdamW
from vaex.typing import Stats

COUNTS = [0.0, 1.0, 2.0, 7.0, 30.0, 150.0, 1000.0, 9999.0, 1e4]
LOG_RATES = np.log([1e-6, 1e-3, 0.3, 1.0, 7.3, 150.0, 9000.0, 1e6])
LOG_RS = np.log([1e-4, 1e-2, 0.5, 1.0, 12.0, 3e3, 1e6])


def poisson(params, log_mu, x):
    return stats.poisson.logpmf(x, np.exp(log_mu))


def longdouble_ratio(x, r):
    """log G(x + r) - log G(r) - log x!, one product at a time in 80 bits: sum of log((r + i) / (1 + i))."""
    i = np.arange(int(x), dtype=np.longdouble)
    return np.sum(np.log((np.longdouble(r) + i) / (1 + i)))


def negative_binomial(log_mu, log_r, x):
    """In 80 bits, with no lgamma: scipy's own cancels at large r."""
    mu, r = np.exp(np.longdouble(log_mu)), np.exp(np.longdouble(log_r))
    ratio = np.array([longdouble_ratio(k, size) for k, size in zip(x, r, strict=True)])
    return np.float64(ratio - r * np.log1p(mu / r) - x * np.log1p(r / mu))


def test_poisson_is_scipys():
    grid = product(LOG_RATES, COUNTS)
    in_both(Poisson(), {}, grid[:, 0], grid[:, 1], poisson, jax.enable_x64)


def test_negative_binomial_is_exact_over_the_whole_grid():
    grid = product(LOG_RATES, LOG_RS, COUNTS)
    oracle = lambda params, raw, x: negative_binomial(raw[:, 0], raw[:, 1], x)  # noqa: E731
    in_both(NegativeBinomial(dispersion="decoder"), {}, grid[:, :2], grid[:, 2], oracle, jax.enable_x64)
    moderate = (grid[:, 1] < 5) & (grid[:, 2] < 200)  # where scipy has its digits
    r = np.exp(grid[moderate, 1])
    known = stats.nbinom.logpmf(grid[moderate, 2], r, r / (r + np.exp(grid[moderate, 0])))
    close(negative_binomial(*grid[moderate].T), known, 1e-8, 1e-8)


def test_zero_inflation_is_a_mixture_over_the_whole_grid():
    grid = product(LOG_RATES[1::2], [-1e4, -3.0, 0.0, 5.0, 1e4], LOG_RS[::2], COUNTS[::2])

    def oracle(params, raw, x):
        log_mu, logit, log_r = raw.T
        counted = special.log_expit(-logit) + negative_binomial(log_mu, log_r, x)
        return np.where(x > 0, counted, np.logaddexp(special.log_expit(logit), counted))

    likelihood = ZeroInflatedNegativeBinomial(dispersion="decoder")
    in_both(likelihood, {}, grid[:, :3], grid[:, 3], oracle, jax.enable_x64)


def test_zero_inflation_is_numpyros():
    from numpyro.distributions import ZeroInflatedNegativeBinomial2

    x, mu, r, logit = jnp.array([0.0, 3.0, 40.0]), 5.0, 2.0, -1.0
    known = ZeroInflatedNegativeBinomial2(mu, r, gate=jax.nn.sigmoid(logit)).log_prob(x)
    raw = jnp.stack([jnp.full(3, np.log(mu)), jnp.full(3, logit)], axis=-1)
    found = ZeroInflatedNegativeBinomial().log_prob({"log_dispersion": jnp.log(r)}, raw, x)
    assert float(found) == pytest.approx(float(jnp.sum(known)), rel=1e-5)


def test_a_shared_dispersion_has_finite_and_right_gradients():
    grid = product(LOG_RATES, COUNTS)
    for log_r in LOG_RS:
        params = {"log_dispersion": np.float64(log_r)}
        _, grads = over(NegativeBinomial(), params, grid[:, 0], grid[:, 1])
        assert all(np.all(np.isfinite(g)) for g in grads)
    with jax.enable_x64(True):
        found = over(NegativeBinomial(), {"log_dispersion": 0.7}, grid[:, 0], grid[:, 1], jnp.float64)[1]
        step = 1e-5
        up, down = (negative_binomial(grid[:, 0], np.full(len(grid), 0.7 + s), grid[:, 1]) for s in (step, -step))
        close(found[0], (up - down) / (2 * step), 1e-5, 1e-5)
        # d log p / d log mu = r (x - mu) / (r + mu)
        r, mu = np.exp(0.7), np.exp(grid[:, 0])
        close(found[1], r * (grid[:, 1] - mu) / (r + mu), 1e-6, 1e-6)


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial(), ZeroInflatedNegativeBinomial()])
def test_masses_sum_to_one_and_to_the_mean(likelihood):
    raw = jnp.log(jnp.full(likelihood.raw_shape((1,)), 6.0))
    params = {} if isinstance(likelihood, Poisson) else {"log_dispersion": jnp.float32(0.7)}
    k = jnp.arange(400.0)
    p = np.exp(np.asarray(jax.vmap(lambda x: likelihood.log_prob(params, raw, x[None]))(k), np.float64))
    assert p.sum() == pytest.approx(1.0, abs=1e-5)  # float32
    assert (p * np.asarray(k)).sum() == pytest.approx(float(likelihood.mean(params, raw)[0]), rel=1e-5)


def test_as_r_grows_it_is_poisson():
    x, log_mu = jnp.array([0.0, 3.0, 12.0]), jnp.array([1.0, 1.5, 2.0])
    found = NegativeBinomial().log_prob({"log_dispersion": jnp.log(1e8)}, log_mu, x)
    assert float(found) == pytest.approx(float(Poisson().log_prob({}, log_mu, x)), rel=1e-5)


_NB = jax.jit(lambda raw, x: NegativeBinomial(dispersion="decoder").log_prob({}, raw, x))
_SAMPLE = jax.jit(lambda key, raw: NegativeBinomial(dispersion="decoder").sample({}, key, raw))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.floats(-20, 14, width=32), st.floats(-10, 14, width=32), st.integers(0, 10_000))
def test_a_mass_is_at_most_one_and_samples_are_counts(log_mu, log_r, x):
    raw = jnp.array([[log_mu, log_r]])
    value = float(_NB(raw, jnp.array([float(x)])))
    assert np.isfinite(value)
    assert value <= 1e-6
    draws = np.asarray(_SAMPLE(jax.random.key(1), jnp.tile(jnp.array([[min(log_mu, 9.0), max(log_r, 0.0)]]), (20, 1))))
    assert np.all((draws >= 0) & (draws == np.round(draws)))


_MASSES = jax.jit(
    jax.vmap(lambda raw, k: NegativeBinomial(dispersion="decoder").log_prob({}, raw[None], k[None]), in_axes=(None, 0))
)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.floats(-14, 5, width=32), st.floats(0, 14, width=32))
def test_masses_sum_to_one(log_mu, log_r):
    # mu <= 150 and r >= 1: above 8191 lies at most e^-50 of the mass
    log_p = np.asarray(_MASSES(jnp.array([log_mu, log_r]), jnp.arange(8192.0)), np.float64)
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=5e-5)  # float32, the tolerance of the grid at log p near -5


STATS = Stats(jnp.array([2.0, 0.0, 6.0]), jnp.array([2.0, 0.0, 5.0]))


@pytest.mark.parametrize("kind", [Poisson, NegativeBinomial, ZeroInflatedNegativeBinomial])
def test_with_a_library_size_the_means_share_each_examples_total(kind):
    likelihood = kind(library="observed")
    params = likelihood.init(jax.random.key(0), STATS)
    raw = likelihood.output_bias(STATS)
    x = jnp.array([10.0, 3.0, 27.0])
    mu = np.exp(np.asarray(likelihood.log_mean(params, raw, x), np.float64))
    np.testing.assert_allclose(mu, 40 * np.array([2, 1e-3, 6]) / 8.001, rtol=1e-5)
    typical = np.asarray(likelihood.mean(params, raw))
    given_x = np.asarray(likelihood.mean_given(params, raw, x))
    np.testing.assert_allclose(given_x / typical, 40 / 8, rtol=1e-5)
    assert likelihood.condition == ", given each example's total"
    assert kind().condition == ""
    # what nothing trains
    grad = jax.grad(lambda p: jnp.sum(likelihood.mean(p, raw)))(params)
    assert float(grad["log_library"]) == 0.0
    # an example without a count is still scored, with finite gradients
    value, by_raw = jax.value_and_grad(lambda r: likelihood.log_prob(params, r, jnp.zeros(3)))(raw)
    assert np.isfinite(float(value))
    assert np.all(np.isfinite(by_raw))


@pytest.mark.parametrize("kind", [Poisson, NegativeBinomial, ZeroInflatedNegativeBinomial])
def test_weight_decay_does_not_move_the_mean_total_of_generation(kind):
    likelihood = kind(library="observed")
    params = likelihood.init(jax.random.key(0), STATS)
    none = jax.tree.map(jnp.zeros_like, params)  # it has no gradient, and is decayed all the same
    decayed, _ = AdamW(weight_decay=100.0, decay="all").update(none, AdamW(decay="all").init(params), params, 0, 1)
    assert float(decayed["log_library"]) != float(params["log_library"])
    each = jax.vmap(lambda x: likelihood.statistic(decayed, STATS.mean, x))(jnp.array([[2.0, 0.0, 7.0], [2, 0, 5]]))
    measured = likelihood.with_statistic(decayed, jax.tree.map(jnp.sum, each))
    assert float(measured["log_library"]) == pytest.approx(np.log(8.0), rel=1e-6)  # float32
    assert measured.keys() == params.keys()
    assert kind().statistic({}, STATS.mean, STATS.mean) == ()
    assert kind().with_statistic({}, ()) == {}


def test_a_library_size_only_rescales_the_plain_density():
    raw, x = jnp.array([0.1, -0.4, 1.2]), jnp.array([10.0, 3.0, 27.0])
    shifted = jax.nn.log_softmax(raw) + jnp.log(40.0)
    found = Poisson(library="observed").log_prob({"log_library": jnp.float32(0.0)}, raw, x)
    assert float(found) == pytest.approx(float(Poisson().log_prob({}, shifted, x)), rel=1e-5)


@pytest.mark.parametrize("dispersion", ["shared", "feature", "decoder"])
def test_where_the_dispersion_lives(dispersion):
    likelihood = NegativeBinomial(dispersion=dispersion)
    params, raw = likelihood.init(jax.random.key(0), STATS), likelihood.output_bias(STATS)
    assert raw.shape == likelihood.raw_shape((3,))
    shapes = {k: v.shape for k, v in params.items()}
    assert shapes == {"shared": {"log_dispersion": ()}, "feature": {"log_dispersion": (3,)}, "decoder": {}}[dispersion]
    # starts at the data's: r = sum mu^2 / sum (var - mu)
    start = np.exp(np.asarray(likelihood.log_dispersion(params, raw)))
    np.testing.assert_allclose(start, 40 / 21, rtol=1e-5)


@pytest.mark.parametrize(("mean", "std"), [([0.1, 0.05], [0.3, 0.2]), ([5.0, 3.0], [1.0, 1.0]), ([0.0], [0.0])])
def test_data_without_more_spread_than_a_poissons_start_near_one(mean, std):
    params = NegativeBinomial().init(jax.random.key(0), Stats(jnp.array(mean), jnp.array(std)))
    assert float(params["log_dispersion"]) == pytest.approx(np.log(100.0), rel=1e-6)


@pytest.mark.parametrize("a", [0.3, 7.999, 8.0, 8.001, 500.0])
def test_what_stirling_leaves_out_has_the_right_gradient_also_where_its_forms_meet(x64, a):
    exact = special.digamma(a) - np.log(a) + 0.5 / a
    # float64's digits of digamma, and the series' next term at 8: the slope of 1/(1188 a^9)
    assert float(jax.grad(stirling_error)(jnp.asarray(a))) == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("x", [[0.5, 1.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_what_is_no_count_is_refused(x):
    with pytest.raises(VaexError, match=r"likelihood=poisson expects whole numbers of at least 0"):
        Poisson().check_support(np.array(x), "here")


def test_a_choice_that_does_not_exist_is_refused():
    with pytest.raises(VaexError, match=r"likelihood\.library"):
        Poisson(library="latent")
    with pytest.raises(VaexError, match=r"likelihood\.dispersion"):
        NegativeBinomial(dispersion="gene")


def test_encoders_are_shown_logarithms():
    np.testing.assert_allclose(Poisson().encoder_view(jnp.array([0.0, 9.0])), [0.0, np.log(10)], rtol=1e-6)
