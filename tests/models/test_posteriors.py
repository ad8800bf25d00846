"""The mean-field posterior and the standard normal prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaex.distributions import kl_divergence
from vaex.models.posteriors import DiagonalNormal
from vaex.models.priors import StandardNormal
from vaex.typing import Stats


def test_half_of_the_features_are_means_and_half_bounded_log_scales():
    posterior = DiagonalNormal()
    assert posterior.num_features(3) == 6
    q = posterior(jnp.array([1.0, -2.0, 0.5, 0.3, 1e4, -1e4]))
    np.testing.assert_array_equal(q.mean, [1.0, -2.0, 0.5])
    np.testing.assert_allclose(q.log_scale, [0.3, 7.0, -7.0], atol=2e-3)  # bent by 1e-3 seven units from its bounds
    np.testing.assert_allclose(q.variance, np.exp(2 * np.asarray(q.log_scale)), rtol=1e-6)


def test_the_prior_is_standard_normal_and_has_no_parameters():
    prior = StandardNormal()
    assert prior.init(jax.random.key(0), 2, Stats(0.0, 1.0)) == {}
    p, z = prior({}, 2), jnp.array([0.3, -1.2])
    assert float(p.log_prob(z)) == pytest.approx(stats.norm.logpdf(z).sum(), rel=1e-6)
    np.testing.assert_allclose(p.log_prob_each(z), stats.norm.logpdf(z), rtol=1e-6)
    q = DiagonalNormal()(jnp.array([1.0, 0.0, 0.0, 1.0]))
    kl = np.asarray(kl_divergence(q, p))
    np.testing.assert_allclose(kl, [0.5, 2.194528049465325], atol=2e-2)  # e^2 times the bend of its scale
