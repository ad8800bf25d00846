"""Penalties against closed forms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.conjugate import mean_and_4se
from vaex._check import VaexError
from vaex.distributions import Normal, kl_divergence
from vaex.likelihoods import Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import (
    ELBO,
    GECO,
    IWAE,
    Capacity,
    Context,
    Draws,
    FreeBits,
    Level,
    PIControl,
    TargetRate,
    dip_vae,
    info_vae,
    tc_vae,
    wae_mmd,
)
from vaex.objectives.penalties import DIP, MMD, NoPenalty, TotalCorrelation
from vaex.schedules import Linear

PRIOR = Normal(jnp.zeros(2), jnp.zeros(2))


def batch(means, variances, key=0):
    """One draw of each posterior, as a batch's draws."""
    q = Normal(jnp.asarray(means, jnp.float32), 0.5 * jnp.log(jnp.asarray(variances, jnp.float32)))
    z, log_qz = jax.vmap(Normal.sample_and_log_prob)(q, jax.random.split(jax.random.key(key), len(q.loc)))
    prior = Normal(jnp.zeros(q.loc.shape[1]), jnp.zeros(q.loc.shape[1]))
    log_pz = jax.vmap(prior.log_prob)(z)
    level = Level(z[:, None], log_qz[:, None], log_pz[:, None], q, kl_divergence(q, prior)[:, None])
    return Draws((level,), -jnp.ones((len(z), 1)))


def context(size, weights=None, num_train=None, key=1, dims=2):
    prior = Normal(jnp.zeros(dims), jnp.zeros(dims))
    weights = jnp.ones(size) if weights is None else jnp.asarray(weights)
    return Context(jnp.int32(0), 10, jax.random.key(key), prior, num_train or size, weights)


MEANS = np.array([[1.0, 0.5], [-1.0, 0.2], [0.4, -1.5], [0.3, 0.1]])
VARIANCES = np.array([[0.2, 0.4], [0.3, 0.25], [0.5, 0.1], [0.9, 0.2]])


@pytest.mark.parametrize("kind", ["i", "ii"])
def test_dip_is_the_covariance_of_the_batch(kind):
    cov = np.cov(MEANS.T, ddof=0) + (np.diag(VARIANCES.mean(0)) if kind == "ii" else 0.0)
    expected = 3.0 * 2 * cov[0, 1] ** 2 + 5.0 * np.sum((np.diag(cov) - 1) ** 2)
    value, terms = DIP(3.0, 5.0, kind)(batch(MEANS, VARIANCES), context(4))
    assert float(value) == pytest.approx(expected, rel=1e-5)  # float32
    assert float(terms["dip_off_diagonal"]) == pytest.approx(2 * cov[0, 1] ** 2, rel=1e-4)


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_mmd_is_unbiased(kernel):
    """z ~ N(m, v I) by one posterior for all: against the closed form, or a long run of its own definition."""
    dims, mean, variance, bandwidth = 2, 0.7, 0.3, 0.8
    penalty = MMD(2.0, bandwidth, kernel)

    def one(key):
        draws = batch(np.full((8, dims), mean), np.full((8, dims), variance))
        q = draws.levels[0].q
        z, _ = jax.vmap(Normal.sample_and_log_prob)(q, jax.random.split(jax.random.fold_in(key, 1), 8))
        draws = Draws((draws.levels[0]._replace(z=z[:, None]),), draws.log_px)
        return penalty(draws, context(8)._replace(key=key))[0]

    found, band = mean_and_4se(jax.lax.map(jax.jit(one), jax.random.split(jax.random.key(5), 20_000)))
    s = bandwidth**2 * dims

    def rbf(variance_of_difference, shift):
        # E exp(-|d|^2 / 2s), d ~ N(shift, v I) in D dimensions
        v = variance_of_difference
        return (s / (s + v)) ** (dims / 2) * np.exp(-dims * shift**2 / (2 * (s + v)))

    if kernel == "rbf":
        exact = rbf(2 * variance, 0.0) + rbf(2.0, 0.0) - 2 * rbf(1 + variance, mean)
    else:
        # 2s/(2s + r) = int_0^inf exp(-t (1 + r / 2s)) dt, a mixture of Gaussian kernels: quadrature of the above
        t, w = np.polynomial.laguerre.laggauss(60)

        def imq(v, shift):
            # exp(-t r / 2s) is an rbf with s' = s / t
            return np.sum(w * (1 + t * v / s) ** (-dims / 2) * np.exp(-dims * shift**2 * t / (2 * (s + t * v))))

        exact = imq(2 * variance, 0.0) + imq(2.0, 0.0) - 2 * imq(1 + variance, mean)
    assert abs(found - 2.0 * exact) < band + 1e-6
    assert exact > 0.05  # a distance that is there


@pytest.mark.parametrize("penalty", [DIP(), MMD(), TotalCorrelation(), NoPenalty()], ids=lambda p: type(p).__name__)
def test_padding_does_not_count(penalty):
    some, more = batch(MEANS, VARIANCES), batch(np.concatenate([MEANS, MEANS[:2] + 3]), np.tile(VARIANCES, (2, 1))[:6])
    padded = jax.tree.map(lambda a, b: jnp.concatenate([a, b[4:]]), some, more)
    base, terms = penalty(some, context(4, num_train=50))
    keyed = context(6, [1.0] * 4 + [0.0] * 2, num_train=50)
    found, _ = penalty(padded, keyed)
    if isinstance(penalty, MMD):  # draws of the prior are keyed by the padded size: in distribution only
        assert np.isfinite(float(found))
        assert terms.keys() == {"mmd"}
    else:
        assert float(found) == pytest.approx(float(base), rel=1e-5, abs=1e-6)


def test_named_objectives_are_elbos_with_their_papers_weights():
    draws, ctx = batch(MEANS, VARIANCES), context(4, num_train=4)

    def terms(objective):
        loss, _, found = objective(draws, objective.init(), ctx)
        assert float(loss) == float(found["loss"])
        return {k: float(v) for k, v in found.items()}

    plain = terms(ELBO())
    tc = terms(tc_vae(2.0, 5.0, 3.0))
    weighted = tc["mutual_information"] * 1 + tc["total_correlation"] * 4 + tc["dimension_wise_kl"] * 2
    assert tc["loss"] == pytest.approx(plain["loss"] + weighted, rel=1e-5)
    assert terms(tc_vae(1.0, 1.0, 1.0))["loss"] == pytest.approx(plain["loss"], rel=1e-6)
    dip = terms(dip_vae(2.0, 7.0, "i"))
    assert dip["loss"] == pytest.approx(plain["loss"] + 2 * dip["dip_off_diagonal"] + 7 * dip["dip_diagonal"], rel=1e-5)
    info = terms(info_vae(alpha=0.25, lambda_=3.0))
    expected = plain["distortion"] + 0.75 * plain["rate"] + 2.25 * info["mmd"]
    assert info["loss"] == pytest.approx(expected, rel=1e-5)
    wae = terms(wae_mmd(weight=4.0))
    assert wae["loss"] == pytest.approx(plain["distortion"] + 4 * wae["mmd"], rel=1e-5)
    assert wae["beta"] == 0.0
    for found in (tc, dip, info, wae):
        assert found["elbo"] == pytest.approx(plain["elbo"], rel=1e-6)  # the plain one, whatever was trained


def loss_of(objective, step=0):
    """The terms of a batch at a step of ten."""
    ctx = context(4, num_train=50)._replace(step=jnp.int32(step))
    _, _, terms = objective(batch(MEANS, VARIANCES), objective.init(), ctx)
    return {k: float(v) for k, v in terms.items()}


@pytest.mark.parametrize("kl", ["analytic", "sampled"])
@pytest.mark.parametrize(
    ("make", "step", "now", "final"),
    [
        (ELBO, 0, 1.0, 1.0),
        (partial(ELBO, beta=4.0), 0, 4.0, 4.0),
        (partial(ELBO, beta=0.0), 0, 0.0, 0.0),
        (partial(ELBO, beta=4.0, beta_schedule=Linear()), 5, 2.0, 4.0),
        (partial(ELBO, beta=4.0, beta_schedule=Linear()), 0, 0.0, 4.0),
        (partial(GECO, target=3.0, beta=0.5), 0, 0.5, 0.5),
        (partial(PIControl, target=3.0, beta=2.0), 0, 2.0, 2.0),
        (partial(TargetRate, target=3.0, beta=3.0), 0, 3.0, 3.0),
    ],
)
def test_parts_of_the_rate_take_the_rates_own_weight(make, step, now, final, kl):
    """loss = distortion + w (a I + b TC + c KL_d), and at 1, 1, 1 nothing is added."""
    a, b, c = 0.0, 6.0, 0.5
    plain = loss_of(make(kl=kl), step)
    found = loss_of(make(kl=kl, penalty=TotalCorrelation(a, b, c)), step)
    parts = [found[name] for name in ("mutual_information", "total_correlation", "dimension_wise_kl")]
    assert found["beta"] == pytest.approx(now)
    for name, weight in (("loss", now), ("objective", final)):
        added = weight * np.dot([a - 1, b - 1, c - 1], parts)
        assert found[name] == pytest.approx(plain[name] + added, rel=1e-5)  # float32
        if kl == "sampled":  # then I + TC + KL_d is the rate to rounding
            assert found[name] == pytest.approx(plain["distortion"] + weight * np.dot([a, b, c], parts), rel=1e-5)
    nothing = loss_of(make(kl=kl, penalty=TotalCorrelation(1.0, 1.0, 1.0)), step)
    assert (nothing["loss"], nothing["objective"]) == (plain["loss"], plain["objective"])


@pytest.mark.parametrize("objective", [FreeBits, Capacity])
def test_a_loss_that_is_not_linear_refuses_parts(objective):
    model = VAE(encoders.Linear(), decoders.Linear(), Gaussian(), 2, (6,))
    with pytest.raises(VaexError, match=r"penalty@objective\.penalty=none"):
        objective(penalty=TotalCorrelation()).check(model, 10)
    for other in (DIP(), MMD(), NoPenalty()):
        objective(penalty=other).check(model, 10)


def test_what_is_not_a_mean_over_examples_says_so():
    means = [ELBO(), GECO(target=3.0), PIControl(target=3.0), TargetRate(target=3.0), IWAE()]
    others = [FreeBits(), Capacity(), tc_vae(), dip_vae(), info_vae(), wae_mmd(), GECO(target=3.0, penalty=DIP())]
    assert [one.of_batch for one in means] == [False] * len(means)
    assert [one.of_batch for one in others] == [True] * len(others)
    assert [one.least_batch for one in others] == [1, 1, 2, 2, 2, 2, 2]


def test_the_three_parts_sum_to_the_sampled_rate_and_their_gradient_is_no_constants():
    draws, ctx = batch(MEANS, VARIANCES), context(4, num_train=1000)
    sampled = jnp.mean(draws.levels[0].log_qz - draws.levels[0].log_pz)
    for estimator in ("stratified", "minibatch_weighted"):
        _, parts = TotalCorrelation(estimator=estimator)(draws, ctx)
        assert float(sum(parts.values())) == pytest.approx(float(sampled), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DIP(kind="iii"), r"objective\.penalty\.kind"),
        (lambda: MMD(kernel="gauss"), r"objective\.penalty\.kernel"),
        (lambda: MMD(bandwidth=0.0), r"objective\.penalty\.bandwidth"),
        (lambda: TotalCorrelation(estimator="mws"), r"stratified, minibatch_weighted"),
        (lambda: info_vae(alpha=2.0), "expected alpha <= 1"),
        (lambda: ELBO(penalty=3.0), r"penalty@objective\.penalty=total_correlation"),
    ],
)
def test_what_means_nothing_is_refused(make, message):
    with pytest.raises(VaexError, match=message):
        make()


def test_a_posterior_that_does_not_factorise_has_no_total_correlation():
    class Model:
        class posterior:
            class distribution:
                factorized = False

    with pytest.raises(VaexError, match=r"use penalty@objective\.penalty=none"):
        TotalCorrelation().check(Model())
