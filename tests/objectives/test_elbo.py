"""The ELBO: units, reductions, and the conjugate model whose evidence is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.distributions import Normal, kl_divergence
from vaex.objectives import ELBO, Context, Draws, Level
from vaex.schedules import Constant, Linear

LOG_PX, L_1 = -1.871671087258755, -1.974039886863432  # z ~ N(0, 1), x|z ~ N(z, .5), x = 1.5; q = N(.8, .7^2)
PRIOR = Normal(jnp.zeros(1), jnp.zeros(1))
Q = Normal(jnp.array([0.8]), jnp.log(jnp.array([0.7])))


def conjugate_draws(key, num_samples, q=Q, batch=1):
    """Draws for `batch` copies of x = 1.5."""

    def one(key):
        z, log_qz = jax.vmap(q.sample_and_log_prob)(jax.random.split(key, num_samples))
        log_px = -0.5 * jnp.log(2 * jnp.pi * 0.5) - jnp.square(1.5 - z[:, 0])
        level = Level(z, log_qz, jax.vmap(PRIOR.log_prob)(z), q, kl_divergence(q, PRIOR)[None])
        return Draws((level,), log_px)

    return jax.vmap(one)(jax.random.split(key, batch))


def context(batch, weights=None, step=0, num_steps=10):
    weights = jnp.ones(batch) if weights is None else jnp.asarray(weights)
    return Context(jnp.int32(step), num_steps, jax.random.key(0), PRIOR, batch, weights)


def terms(objective, draws, **about):
    return objective(draws, objective.init(), context(draws.log_px.shape[0], **about))[2]


@pytest.mark.parametrize("kl", ["analytic", "sampled"])
def test_it_is_the_closed_form_of_the_conjugate_model(kl):
    draws = conjugate_draws(jax.random.key(1), 1, batch=200_000)
    log_w = np.asarray(draws.log_px - draws.levels[0].log_qz + draws.levels[0].log_pz, np.float64)
    noise = np.asarray(draws.log_px, np.float64) if kl == "analytic" else log_w
    found = float(terms(ELBO(kl=kl), draws)["elbo"])
    assert abs(found - L_1) < 4 * noise.std() / np.sqrt(noise.size) + 1e-5  # the last: a float32 sum of 2e5 terms
    assert found < LOG_PX


def test_at_the_exact_posterior_every_sample_gives_log_p():
    q = Normal(jnp.array([1.0]), 0.5 * jnp.log(jnp.array([1 / 3])))
    draws = conjugate_draws(jax.random.key(2), 7, q, batch=11)
    log_w = draws.log_px - draws.levels[0].log_qz + draws.levels[0].log_pz
    np.testing.assert_allclose(log_w, LOG_PX, atol=2e-6)  # roundings of float32
    assert float(terms(ELBO(kl="sampled"), draws)["elbo"]) == pytest.approx(LOG_PX, abs=2e-6)


def test_terms_add_up_in_nats_with_one_beta():
    draws = conjugate_draws(jax.random.key(3), 4, batch=5)
    plain, weighted = terms(ELBO(), draws), terms(ELBO(beta=4.0), draws)
    assert float(plain["loss"]) == pytest.approx(-float(plain["elbo"]), rel=1e-6)
    assert float(weighted["loss"]) == pytest.approx(float(plain["distortion"]) + 4 * float(plain["rate"]), rel=1e-6)
    for name in ("elbo", "rate", "distortion"):
        assert float(weighted[name]) == float(plain[name])  # beta moves the loss and nothing else


def test_the_three_numbers_stay_apart_while_beta_rises():
    draws = conjugate_draws(jax.random.key(3), 1, batch=5)
    found = terms(ELBO(beta=4.0, beta_schedule=Linear()), draws, step=5, num_steps=20)
    rate, distortion = float(found["rate"]), float(found["distortion"])
    assert float(found["beta"]) == pytest.approx(1.0)
    assert float(found["loss"]) == pytest.approx(distortion + 1.0 * rate, rel=1e-6)
    assert float(found["objective"]) == pytest.approx(distortion + 4.0 * rate, rel=1e-6)
    assert float(found["elbo"]) == pytest.approx(-distortion - rate, rel=1e-6)


def test_repeating_the_batch_changes_nothing_and_padding_does_not_count():
    draws = conjugate_draws(jax.random.key(4), 3, batch=6)
    base = terms(ELBO(beta=2.0), draws)
    twice = jax.tree.map(lambda a: jnp.concatenate([a, a]), draws)
    padded = jax.tree.map(lambda a: jnp.concatenate([a, 1e3 + a[:2]]), draws)
    for name, value in terms(ELBO(beta=2.0), twice).items():
        assert float(value) == pytest.approx(float(base[name]), rel=1e-6)
    for name, value in terms(ELBO(beta=2.0), padded, weights=[1.0] * 6 + [0.0] * 2).items():
        assert float(value) == pytest.approx(float(base[name]), rel=1e-6)


def test_padding_changes_no_gradient():
    def loss(mean, batch, weights):
        draws = conjugate_draws(jax.random.key(5), 2, Normal(mean, Q.log_scale), batch=batch)
        return ELBO()(draws, (), context(batch, weights))[0]

    # threefry keys of a split depend on its size alone, so the first three examples are the same draws
    keys3, keys5 = (jax.random.key_data(jax.random.split(jax.random.key(5), n))[:3] for n in (3, 5))
    if not np.array_equal(keys3, keys5):
        pytest.skip("splits of different sizes share no prefix in this version of jax")
    short = jax.grad(loss)(Q.loc, 3, jnp.ones(3))
    padded = jax.grad(loss)(Q.loc, 5, jnp.array([1.0, 1.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(short, padded, rtol=1e-6)


def test_at_beta_zero_the_rate_has_no_gradient():
    def loss(log_scale):
        draws = conjugate_draws(jax.random.key(6), 2, Normal(Q.loc, log_scale), batch=3)
        return ELBO(beta=0.0)(draws, (), context(3))[0]

    def distortion(log_scale):
        return -jnp.mean(conjugate_draws(jax.random.key(6), 2, Normal(Q.loc, log_scale), batch=3).log_px)

    np.testing.assert_allclose(jax.grad(loss)(Q.log_scale), jax.grad(distortion)(Q.log_scale), rtol=1e-6)


def test_an_encoder_that_returns_the_prior_has_rate_zero():
    draws = conjugate_draws(jax.random.key(7), 3, PRIOR, batch=4)
    assert float(terms(ELBO(), draws)["rate"]) == 0.0
    assert float(terms(ELBO(kl="sampled"), draws)["rate"]) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("settings", [{"beta": -1.0}, {"num_samples": 0}, {"num_samples": 1.5}, {"kl": "exact"}])
def test_what_means_nothing_is_refused(settings):
    with pytest.raises(VaexError, match=r"objective\."):
        ELBO(**settings)


def test_no_closed_form_is_refused_and_not_replaced():
    class Model:
        has_exact_kl, posterior, prior = False, Q, PRIOR

    with pytest.raises(VaexError, match=r"use objective\.kl=sampled"):
        ELBO().check(Model(), 10)
    ELBO(kl="sampled", beta_schedule=Constant()).check(Model(), 10)
