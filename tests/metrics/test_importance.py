"""Importance-weighted estimates on a model whose evidence is known, and their independence of how they are computed."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex.distributions import Normal
from vaex.likelihoods import Gaussian
from vaex.metrics import AIS, NLL, active_units, bits_per_dim, importance_estimate, mean_and_se, summarise
from vaex.models import VAE, decoders, encoders
from vaex.part import canonical
from vaex.typing import Stats

LOG_PX, L_1, CHI2 = -1.871671087258755, -1.974039886863432, 0.122742198453
L_K = {1: L_1, 5: -1.884980, 10: -1.878049, 50: -1.8729077, 500: -1.8717938}


class FixedPosterior:
    """q(z|x) = N(.8, .7^2), whatever the encoder says."""

    distribution = Normal

    def num_features(self, latent_dim):
        return 1

    def __call__(self, features):
        return Normal(jnp.array([0.8]), jnp.log(jnp.array([0.7])))


# x|z ~ N(z, .5): a linear decoder with weight 1 and bias 0
MODEL = VAE(encoders.Linear(), decoders.Linear(), Gaussian(scale=0.5**0.5), 1, (1,), posterior=FixedPosterior())
PARAMS = {
    "encoder": {"Dense_0": {"kernel": jnp.zeros((1, 1)), "bias": jnp.zeros(1)}},
    "decoder": {"Dense_0": {"kernel": jnp.ones((1, 1)), "bias": jnp.zeros(1)}},
    "prior": {},
    "likelihood": {},
}


def estimates(num, num_samples, chunk=None, first=0, batch=None):
    one = lambda i: importance_estimate(  # noqa: E731
        MODEL, PARAMS, jax.random.key(3), i, jnp.array([1.5]), num_samples, chunk or num_samples
    )
    index = jnp.arange(first, first + num)
    parts = [jax.jit(jax.vmap(one))(index[i : i + (batch or num)]) for i in range(0, num, batch or num)]
    return jax.tree.map(lambda *a: np.concatenate(a).astype(np.float64), *parts)


def test_the_bounds_rise_to_log_p_as_tabulated():
    found = {}
    for k, exact in L_K.items():
        log_p = -estimates(200_000 // k, k).nll
        se = log_p.std() / np.sqrt(log_p.size)
        found[k] = log_p.mean()
        assert abs(found[k] - exact) < 4 * se + 6e-6, k  # the table is good to 5e-6 from Monte Carlo, float32 to 1e-6
    assert list(found.values()) == sorted(found.values())
    assert LOG_PX - found[500] == pytest.approx(CHI2 / 1000, abs=4 * 0.02 / np.sqrt(400))


def test_rate_and_distortion_are_the_closed_forms():
    found = estimates(2000, 50)
    np.testing.assert_allclose(found.rate, 0.5 * (0.49 + 0.64 - 1 - np.log(0.49)), rtol=1e-6)
    elbo = -(found.rate + found.distortion)
    assert abs(elbo.mean() - L_1) < 4 * elbo.std() / np.sqrt(elbo.size)


def test_weights_average_to_the_evidence():
    w = np.exp(-estimates(100_000, 2).nll)  # unbiased for p(x) whatever K
    assert abs(w.mean() - np.exp(LOG_PX)) < 4 * w.std() / np.sqrt(w.size)


def test_no_number_depends_on_chunk_batch_or_neighbours():
    whole = estimates(12, 37, chunk=37)
    for other in (estimates(12, 37, chunk=5), estimates(12, 37, chunk=50), estimates(12, 37, chunk=37, batch=3)):
        for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)  # sums of 37 in another order
    part = estimates(4, 37, first=8)
    np.testing.assert_allclose(part.nll, whole.nll[8:], rtol=1e-6)


def test_effective_sample_size_is_between_one_and_k():
    ess = estimates(500, 20).ess
    assert np.all((ess >= 1 - 1e-5) & (ess <= 20 + 1e-4))
    # E w^2 / (E w)^2 = 1 + chi^2(posterior, q)
    assert estimates(20, 5000).ess.mean() / 5000 == pytest.approx(1 / (1 + CHI2), rel=0.02)  # 5000 draws: s.e. 0.5 %


def test_summary_counts_the_jacobian_once():
    estimate = estimates(50, 10)
    about = {"num_dims": 2, "is_density": True, "log_cell": 0.0, "num_samples": 10}
    base = summarise(estimate, log_jacobian=0.0, **about)
    moved = summarise(estimate, log_jacobian=1.25, **about)
    assert base["elbo"] == pytest.approx(-(base["rate"] + base["distortion"]), abs=1e-12)
    for name, sign in (("elbo", 1), ("distortion", -1), ("nll", -1), ("rate", 0)):
        assert moved[name] - base[name] == pytest.approx(sign * 1.25, abs=1e-12)
    assert base["bits_per_dim"] == pytest.approx(base["nll"] / (2 * np.log(2)))
    off = summarise(estimate, log_jacobian=0.0, **{**about, "num_samples": 0})
    no_density = summarise(estimate, log_jacobian=0.0, **{**about, "is_density": False})
    assert off["nll"] is off["ess"] is no_density["nll"] is no_density["bits_per_dim"] is None


def test_small_metrics():
    z = np.stack([np.linspace(-1, 1, 100), np.full(100, 3.0), 0.05 * np.sin(np.arange(100))], axis=1)
    assert active_units(z) == 1
    assert active_units(z[:1]) is None  # one example has no variance, and is no collapse
    assert bits_per_dim(np.log(2) * 6, 3) == pytest.approx(2.0)
    assert mean_and_se(np.array([1.0, 2.0, 3.0])) == pytest.approx((2.0, 1 / np.sqrt(3)))
    assert mean_and_se(np.array([1.0])) == (1.0, None)
    assert mean_and_se(np.array([1.0, np.inf])) == (np.inf, None)


@pytest.mark.parametrize("metric", [NLL(4), AIS(num_temperatures=2, num_chains=2, num_leapfrog=1, num_pilot=1)])
def test_estimates_work_in_a_users_own_x64_program(metric):
    model = canonical(VAE(encoders.MLP((4,)), decoders.MLP((4,)), Gaussian(), 2, (6,)))
    params, x = model.init(jax.random.key(0), Stats(jnp.zeros(6), jnp.ones(6))), jnp.ones((2, 6))
    of_batch = jax.vmap(partial(metric.example, model, params, jax.random.key(1)))
    with jax.enable_x64(True):
        assert np.isfinite(jax.jit(of_batch)(jnp.arange(2), x).nll).all()
