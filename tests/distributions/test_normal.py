"""Normal distributions against tabulated divergences, scipy, and identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaex.distributions import Normal, has_kl, kl_divergence

# Closed forms in float64: (q mean, q log-variance, p mean, p log-variance, KL in nats).
TABLE = [
    (1.0, 0.0, 0.0, 0.0, 0.5),
    (0.0, 2.0, 0.0, 0.0, 2.194528049465325),
    (0.5, -1.0, 0.0, 0.0, 0.308939720585721),
    (-1.2, 0.3, 0.0, 0.0, 0.744929403788000),
    (0.3, 2 * np.log(0.8), -0.5, 2 * np.log(1.5), 0.413053103866819),
]


def normal(mean, log_scale):
    return Normal(jnp.asarray(mean), jnp.asarray(log_scale))


@pytest.mark.parametrize(("mq", "vq", "mp", "vp", "kl"), TABLE)
def test_kl_is_the_tabulated_one(x64, mq, vq, mp, vp, kl):
    found = kl_divergence(normal([mq], [vq / 2]), normal([mp], [vp / 2]))
    assert found == pytest.approx(kl, abs=1e-12)  # the table has 15 digits


@pytest.mark.parametrize(("mq", "vq", "mp", "vp", "kl"), TABLE)
def test_kl_in_float32(mq, vq, mp, vp, kl):
    found = kl_divergence(normal([mq], [vq / 2]), normal([mp], [vp / 2]))
    assert found == pytest.approx(kl, rel=2e-6)  # some roundings of float32 (6e-8 each), amplified by expm1


def test_kl_is_zero_at_equality_and_never_cancels_near_it():
    q = normal([0.3, -2.0], [0.1, -6.0])
    assert np.all(kl_divergence(q, q) == 0)
    # KL(N(0, (1 + e)^2) || N(0, 1)) = e^2 + O(e^3): a form with a "- 1" in it would return noise of 6e-8
    tiny = kl_divergence(normal([0.0], [1e-3]), normal([0.0], [0.0]))
    assert tiny == pytest.approx(1e-6, rel=0.1)  # expm1(2d) - 2d keeps 2 d^2 to a relative 6e-8 / d


def test_kl_adds_over_dimensions_and_ignores_affine_maps(x64):
    rng = np.random.default_rng(0)
    mq, mp = rng.normal(size=(2, 5))
    sq, sp = rng.normal(size=(2, 5))
    all_at_once = kl_divergence(normal(mq, sq), normal(mp, sp))
    one_by_one = [
        kl_divergence(normal(mq[i : i + 1], sq[i : i + 1]), normal(mp[i : i + 1], sp[i : i + 1]))[0] for i in range(5)
    ]
    np.testing.assert_allclose(all_at_once, one_by_one, rtol=1e-14)
    assert np.all(all_at_once >= 0)
    a, b = 3.7, -1.1  # x -> a x + b on both sides
    mapped = kl_divergence(normal(a * mq + b, sq + np.log(a)), normal(a * mp + b, sp + np.log(a)))
    np.testing.assert_allclose(mapped, all_at_once, rtol=1e-12)


def test_sampled_kl_agrees_with_the_exact_one():
    q, p = normal([0.3, 1.0], [-0.2, 0.5]), normal([-0.5, 0.0], [0.4, 0.0])
    z, log_q = jax.vmap(q.sample_and_log_prob)(jax.random.split(jax.random.key(0), 100_000))
    terms = np.asarray(log_q - jax.vmap(p.log_prob)(z), np.float64)
    se = terms.std() / np.sqrt(terms.size)
    assert abs(terms.mean() - float(kl_divergence(q, p).sum())) < 4 * se


def test_log_density_of_a_sample_is_that_at_the_sample():
    q = normal([0.3, -1.0, 4.0], [-2.0, 0.5, 3.0])
    z, log_q = q.sample_and_log_prob(jax.random.key(1))
    assert float(log_q) == pytest.approx(float(q.log_prob(z)), abs=1e-5)  # log_prob loses digits in (z - mu) / s


def test_log_prob_is_scipys(x64):
    z = np.array([-30.0, -1.0, 0.0, 2.5, 40.0])
    found = normal(np.full(5, 0.7), np.full(5, np.log(2.3))).log_prob(jnp.asarray(z))
    assert found == pytest.approx(stats.norm.logpdf(z, 0.7, 2.3).sum(), rel=1e-12)


def test_no_closed_form_is_none_and_not_a_guess():
    class Other:
        pass

    assert not has_kl(Other, Normal)
    assert kl_divergence(Other(), normal([0.0], [0.0])) is None
