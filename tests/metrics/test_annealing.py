"""Annealed importance sampling on models whose evidence is known, with exact transitions and with HMC."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.conjugate import LOG_PX, mean_and_4se
from vaex._check import VaexError
from vaex.likelihoods import Bce, Gaussian, Poisson
from vaex.metrics import Annealing, ais_estimate, bdmc_estimate, rate_distortion_estimate
from vaex.metrics.annealing import anneal, point_at, temperatures
from vaex.metrics.hmc import frozen_hmc, hmc, pilot
from vaex.models import VAE, decoders, encoders
from vaex.part import canonical

TABLE = {  # T: expectations of the lower and of the upper bound, one chain, linear temperatures, exact transitions
    1: (-3.822365, -1.155698),
    10: (-2.0136435, -1.7469769),
    100: (-1.8850915, -1.8584248),
    1000: (-1.8730053, -1.8703386),
}
N, LONGEST = 16_000, 1000

# z ~ N(0, 1), x|z ~ N(z, .5), x = 1.5: p_b(z) = N(3 b / (1 + 2 b), 1 / (1 + 2 b))
at_conjugate = partial(
    point_at,
    lambda z: -jnp.sum(jnp.square(1.5 - z)) - 0.5 * math.log(math.pi),
    lambda z: -0.5 * jnp.sum(jnp.square(z)) - 0.5 * math.log(2 * math.pi),
)


def exact(key, point, beta):
    """An independent draw from p_b: the perfect transition."""
    z = 3 * beta / (1 + 2 * beta) + jax.random.normal(key, point.z.shape) / jnp.sqrt(1 + 2 * beta)
    return at_conjugate(z), jnp.float32(1.0)


at_fixed_steps = frozen_hmc(at_conjugate, 2, jnp.array([0.0, 1.0]), jnp.log(jnp.array([0.9, 0.5])))


@partial(jax.jit, static_argnames="transition")
def log_weights(transition, seed, z, betas, last):
    """log w of one chain a row of z, along the first `last` steps of the temperatures."""
    key = jax.random.key(seed)
    one = lambda c, z: anneal(jax.random.fold_in(key, c), at_conjugate(z), betas, transition, last[None])  # noqa: E731
    return jax.vmap(one)(jnp.arange(len(z)), z).log_w[:, 0]


def bounds(transition, num_steps, num=N):
    """Both estimates of log p(x) of single chains, [N] each; the temperatures are padded so that one program does."""
    rng = np.random.default_rng(num_steps)
    betas = np.asarray(temperatures(num_steps, "linear"))
    prior, posterior = rng.normal(size=(num, 1)), 1 + rng.normal(size=(num, 1)) / math.sqrt(3)

    def run(seed, z, betas):
        padded = np.pad(betas, (0, LONGEST - num_steps))
        found = log_weights(transition, seed, jnp.float32(z), padded, jnp.int32(num_steps))
        return np.asarray(found, np.float64)

    return run(1, prior, betas), -run(2, posterior, betas[::-1])


@pytest.mark.parametrize(("num_steps", "expected"), TABLE.items())
def test_exact_transitions_give_the_tabulated_bounds(num_steps, expected):
    lower, upper = bounds(exact, num_steps)
    for found, value in zip((lower, upper), expected, strict=True):
        mean, band = mean_and_4se(found)
        assert abs(mean - value) < band + 1e-5, (num_steps, mean - value, band)
    gap, band = mean_and_4se(upper - lower)
    assert abs(gap - 8 / 3 / num_steps) < band


def test_hmc_brackets_the_evidence_and_its_weights_average_to_it():
    gaps = []
    for num_steps in (10, 100):
        lower, upper = bounds(at_fixed_steps, num_steps)
        (low, low_band), (high, high_band) = mean_and_4se(lower), mean_and_4se(upper)
        assert low - low_band < LOG_PX < high + high_band
        assert low + low_band < LOG_PX + 1 / num_steps  # the bands say something
        gaps.append(high - low)
        for w in (np.exp(lower - LOG_PX), np.exp(LOG_PX - upper)):  # E w = p(x) upwards, 1 / p(x) downwards
            mean, band = mean_and_4se(w)
            assert abs(mean - 1) < band < 0.1
    assert gaps[1] < 0.25 * gaps[0]


def test_a_chain_depends_on_its_own_key_alone():
    z, betas = jnp.linspace(-1, 1, 16)[:, None], jnp.pad(temperatures(40), (0, LONGEST - 40))
    whole = log_weights(at_fixed_steps, 3, z, betas, jnp.int32(40))
    first = log_weights(at_fixed_steps, 3, z[:5], betas, jnp.int32(40))
    np.testing.assert_allclose(first, whole[:5], rtol=1e-5)
    assert len(np.unique(whole)) == 16


def test_hmc_leaves_its_target_invariant():
    # b = .7: precision 1 + 1.4 scales; a step at which about a third is rejected, from exact draws
    scales, beta, num = jnp.array([0.5, 1.0, 2.0]), 0.7, 20_000
    at = partial(point_at, lambda z: -jnp.sum(jnp.square(z - 1) * scales), lambda z: -0.5 * jnp.sum(jnp.square(z)))
    precision = 1 + 2 * beta * np.asarray(scales)
    mean = 2 * beta * np.asarray(scales) / precision
    z = jnp.float32(mean + np.random.default_rng(0).normal(size=(num, 3)) / np.sqrt(precision))

    def one(key, z):
        def step(t, state):
            point, total = state
            point, acceptance = hmc(at, 3, jax.random.fold_in(key, t), point, beta, 0.92)
            return point, total + acceptance / 15

        return jax.lax.fori_loop(0, 15, step, (at(z), 0.0))

    end, acceptance = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), num), z)
    assert 0.4 < acceptance.mean() < 0.8
    centred = (np.asarray(end.z, np.float64) - mean) * np.sqrt(precision)
    for moment, expected in ((centred, 0), (centred**2, 1), (centred[:, :2] * centred[:, 1:], 0)):
        found, band = mean_and_4se(moment)
        assert np.all(np.abs(found - expected) < band), (found, band)
    assert np.abs(np.asarray(end.z - z)).min(axis=1).max() > 0.1  # they moved
    again = jax.vmap(at)(end.z)
    for kept, computed in zip(end, again, strict=True):
        np.testing.assert_allclose(kept, computed, rtol=1e-4, atol=1e-5)


def test_energies_that_are_not_finite_are_rejected():
    # log z has no value below 0, and minus infinity at it
    at = partial(point_at, lambda z: jnp.log(z[0]), lambda z: -0.5 * jnp.sum(jnp.square(z)))

    def one(key):
        start = at(jnp.array([0.3]))
        return jax.lax.fori_loop(0, 20, lambda t, p: hmc(at, 2, jax.random.fold_in(key, t), p, 1.0, 0.7)[0], start)

    end = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 4000))
    assert np.all(np.isfinite(end.z)) and np.all(end.z > 0)  # noqa: PT018
    found, band = mean_and_4se(end.z[:, 0])  # a Rayleigh variable
    assert abs(found - math.sqrt(math.pi / 2)) < band
    worse, acceptance = hmc(at, 2, jax.random.key(0), at(jnp.array([-1.0])), 1.0, 0.1)
    assert acceptance == 0
    assert worse.z == -1


def test_the_pilot_finds_the_acceptance_it_is_told():
    scales = jnp.array([1.0, 10.0, 100.0])
    at = partial(point_at, lambda z: -jnp.sum(jnp.square(z) * scales), lambda z: -0.5 * jnp.sum(jnp.square(z)))
    betas, key = temperatures(200), jax.random.key(1)
    run = jax.jit(lambda step: pilot(at, 10, key, jax.random.normal(key, (64, 3)), betas, step, 0.65))
    steps = {start: run(start) for start in (0.01, 0.1)}
    assert np.exp(steps[0.1][-1]) < 0.3 * np.exp(steps[0.1][30])
    np.testing.assert_allclose(steps[0.01][-20:].mean(), steps[0.1][-20:].mean(), atol=0.1)
    move = frozen_hmc(at, 10, betas[1:], steps[0.1])
    z = jax.random.normal(key, (2000, 3)) / jnp.sqrt(1 + 2 * scales)
    _, acceptance = jax.jit(jax.vmap(lambda k, z: move(k, at(z), jnp.float32(1.0))))(jax.random.split(key, 2000), z)
    assert acceptance.mean() == pytest.approx(0.65, abs=0.12)


@pytest.mark.parametrize("kind", ["linear", "sigmoid"])
def test_temperatures_rise_from_zero_to_the_top_exactly(kind):
    for num, top in ((1, 1.0), (10, 1.0), (5000, 3.7)):
        betas = np.asarray(temperatures(num, kind, top))
        assert betas[0] == 0
        assert betas[-1] == np.float32(top)
        assert np.all(np.diff(betas) > 0)
        np.testing.assert_allclose(betas + betas[::-1], top, rtol=1e-5)
    f = lambda t: 1 / (1 + np.exp(-4 * (2 * t - 1)))  # noqa: E731
    quarter = (f(0.25) - f(0)) / (f(1) - f(0)) if kind == "sigmoid" else 0.25
    assert float(temperatures(4, kind)[1]) == pytest.approx(quarter, rel=1e-6)


# z ~ N(0, I), x|z ~ N(W z + b, s^2 I): closed forms at every temperature
LATENTS, DIMS, SCALE = 3, 5, 0.6
W = np.cos(1.3 * np.arange(LATENTS)[:, None] + 0.7 * np.arange(DIMS)[None, :] ** 1.5)
OFFSET = np.linspace(-0.5, 0.5, DIMS)
MODEL = canonical(VAE(encoders.Linear(), decoders.Linear(), Gaussian(scale=SCALE), LATENTS, (DIMS,)))
PARAMS = {
    "encoder": {},
    "decoder": {"Dense_0": {"kernel": jnp.float32(W), "bias": jnp.float32(OFFSET)}},
    "prior": {},
    "likelihood": {},
}
SETTINGS = canonical(
    Annealing(num_temperatures=100, num_chains=4, num_leapfrog=4, num_pilot=50, target_acceptance=0.65)
)
TRACES = []


def log_evidence(x):
    """log p(x) of rows, in float64."""
    cov, r = W.T @ W + SCALE**2 * np.eye(DIMS), np.asarray(x, np.float64) - OFFSET
    quadratic = np.sum(r * np.linalg.solve(cov, r.T).T, axis=1)
    return -0.5 * (quadratic + np.linalg.slogdet(cov)[1] + DIMS * math.log(2 * math.pi))


def closed_form(x, beta):
    """log Z_b, the rate and the distortion of one x at one temperature."""
    r = np.asarray(x, np.float64) - OFFSET
    precision = np.eye(LATENTS) + beta * W @ W.T / SCALE**2
    cov = np.linalg.inv(precision)
    mean = cov @ (beta * W @ r / SCALE**2)
    rate = 0.5 * (np.trace(cov) + mean @ mean - LATENTS + np.linalg.slogdet(precision)[1])
    error = np.sum((r - mean @ W) ** 2) + np.trace(W.T @ cov @ W)
    distortion = 0.5 * error / SCALE**2 + DIMS * (math.log(SCALE) + 0.5 * math.log(2 * math.pi))
    return -rate - beta * distortion, rate, distortion


@jax.jit
def annealed(settings, index, x):
    TRACES.append(x.shape)
    one = lambda i, x: ais_estimate(MODEL, PARAMS, jax.random.key(5), i, x, settings)  # noqa: E731
    return jax.vmap(one)(index, x)


@pytest.fixture(scope="module")
def simulated():
    rng = np.random.default_rng(7)
    z = rng.normal(size=(1000, LATENTS))
    return jnp.float32(z @ W + OFFSET + SCALE * rng.normal(size=(1000, DIMS)))


def test_several_latents_the_estimate_is_close_and_not_above(simulated):
    found = annealed(SETTINGS, jnp.arange(1000), simulated)
    error = -np.asarray(found.nll, np.float64) - log_evidence(simulated)
    mean, band = mean_and_4se(error)
    assert -0.1 < mean < band
    mean, band = mean_and_4se(np.exp(error))  # unbiased, whatever the transitions and the step sizes
    assert abs(mean - 1) < band < 0.1
    assert np.all((found.ess >= 1 - 1e-5) & (found.ess <= 4 + 1e-4))
    assert 0.55 < found.acceptance.mean() < 0.85
    assert np.all((found.least_acceptance >= 0) & (found.least_acceptance <= found.acceptance + 1e-6))
    TRACES.clear()
    other = annealed(
        canonical(Annealing(100, 4, 4, 50, step_size=0.3, target_acceptance=0.8)), jnp.arange(1000), simulated
    )
    assert not TRACES  # new numbers, the same program
    assert other.acceptance.mean() > found.acceptance.mean()


def test_no_number_depends_on_the_batch(simulated):
    # At long steps chains are chaotic, and the last digit of a matrix product of another size grows; not at short ones.
    settings = canonical(Annealing(100, 4, 4, 50, target_acceptance=0.9))
    whole = annealed(settings, jnp.arange(1000), simulated)
    part = annealed(settings, jnp.arange(7, 27), simulated[7:27])
    for a, b in zip(part, whole, strict=True):
        np.testing.assert_allclose(a, b[7:27], rtol=1e-4)


def test_bidirectional_estimates_bracket_log_p_of_simulated_data():
    one = lambda i: bdmc_estimate(MODEL, PARAMS, jax.random.key(2), i, SETTINGS)  # noqa: E731
    found = jax.jit(jax.vmap(one))(jnp.arange(1000))
    log_px = log_evidence(found.x)
    lower, upper = np.asarray(found.lower, np.float64) - log_px, np.asarray(found.upper, np.float64) - log_px
    (low, low_band), (high, high_band) = mean_and_4se(lower), mean_and_4se(upper)
    assert -0.1 < low < low_band
    assert -high_band < high < 0.1
    for w in (np.exp(lower), np.exp(-upper)):
        mean, band = mean_and_4se(w)
        assert abs(mean - 1) < band < 0.1
    spread = np.cov(np.asarray(found.x).T) - (W.T @ W + SCALE**2 * np.eye(DIMS))
    assert np.abs(spread).max() < 0.6  # x is the model's


def test_what_cannot_be_simulated_is_refused():
    for likelihood, reason in ((Bce(), "no density"), (Poisson(library="observed"), "given each example's total")):
        model = VAE(encoders.Linear(), decoders.Linear(), likelihood, 1, (2,))
        with pytest.raises(VaexError, match=reason):
            bdmc_estimate(model, {}, jax.random.key(0), 0, SETTINGS)


def test_the_rate_distortion_curve_is_the_closed_form(simulated):
    x, record = simulated[3], np.array([0, 20, 40, 60, 80, 100])
    settings = canonical(Annealing(num_temperatures=100, num_chains=8, num_leapfrog=4, num_pilot=50, kind="linear"))
    one = lambda i: rate_distortion_estimate(MODEL, PARAMS, jax.random.key(4), i, x, settings, record, 2.0)  # noqa: E731
    found = jax.tree.map(lambda a: np.asarray(a, np.float64), jax.jit(jax.vmap(one))(jnp.arange(800)))
    np.testing.assert_allclose(found.beta[0], [0, 0.4, 0.8, 1.2, 1.6, 2], rtol=1e-6)
    for k, beta in enumerate(found.beta[0]):
        for name, expected in zip(("log_z", "rate", "distortion"), closed_form(x, beta), strict=True):
            mean, band = mean_and_4se(getattr(found, name)[:, k])
            bias = 0.02  # of a finite path and of weights that are normalised
            assert abs(mean - expected) < band + bias, (name, beta, mean - expected, band)
    assert np.all(np.diff(found.rate.mean(0)) > 0)
    assert np.all(np.diff(found.distortion.mean(0)) < 0)
    np.testing.assert_allclose(found.rate + found.beta * found.distortion, -found.log_z, atol=1e-4)
    np.testing.assert_allclose(closed_form(x, 1.0)[0], log_evidence(x[None]), rtol=1e-10)  # R + D at 1 is -log p(x)


def test_settings_are_checked():
    for wrong in ({"num_chains": 0}, {"kind": "cosine"}, {"step_size": 0.0}, {"target_acceptance": 1.0}):
        with pytest.raises(VaexError, match=f"Annealing.{next(iter(wrong))}"):
            Annealing(**wrong)
    with pytest.raises(VaexError, match="expected one of linear, sigmoid"):
        temperatures(3, "sigmoidal")
