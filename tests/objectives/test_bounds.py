"""Multi-sample bounds and gradient estimators on the conjugate model, whose answers are known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.conjugate import (
    L_1,
    LOG_PX,
    MODEL,
    POSTERIOR,
    Q,
    context,
    draws,
    gradients,
    keys_of,
    loss,
    mean_and_4se,
)
from vaex._check import VaexError
from vaex.data import Digits
from vaex.likelihoods import Gaussian, OptimalGaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import CIWAE, ELBO, IWAE, MIWAE, PIWAE, Drawing, Renyi, log_weights
from vaex.part import canonical

STL = Drawing(stop_q=True)
LOG_WEIGHTS = jnp.array([-3.0, 0.2, 1.7, -40.0, 0.0, 1.6])


def per_example(objective, seed, batch, phi=Q):
    """The bound of each row, in float64."""
    log_w = log_weights(draws(objective, phi, keys_of(seed, batch, objective.num_draws)))
    return np.asarray(jax.vmap(objective.value)(log_w), np.float64)


def test_the_bounds_of_more_samples_are_tighter_and_known():
    known = {1: L_1, 2: -1.910171, 5: -1.884980, 10: -1.878049, 50: -1.8729077, 500: -1.8717938}
    # The table's own error: exact for K = 1, a Monte Carlo run's 5e-6 from K = 5 on, more at 2.
    slack = {1: 1e-6, 2: 3e-4}
    found = {k: mean_and_4se(per_example(IWAE(num_samples=k), k, 1_000_000 // k)) for k in known}
    for k, (mean, band) in found.items():
        assert abs(mean - known[k]) < band + slack.get(k, 5e-6) + 1e-6, k  # the last: float32 log-weights
        assert mean < LOG_PX + band
    for (low, band_low), (high, band_high) in itertools.pairwise(found.values()):
        assert low < high + band_low + band_high


def test_the_average_weight_is_unbiased_for_the_evidence():
    mean, band = mean_and_4se(np.exp(per_example(IWAE(num_samples=5), 1, 100_000)))
    assert abs(mean - np.exp(LOG_PX)) < band


@pytest.mark.parametrize(
    "objective", [IWAE(num_samples=1), CIWAE(num_samples=1), MIWAE(num_samples=1, num_groups=1), Renyi(num_samples=1)]
)
def test_with_one_sample_every_bound_is_the_sampled_elbo(objective):
    keys = keys_of(3, 50, 1)
    base = loss(ELBO(kl="sampled"), Q, keys)
    assert float(loss(objective, Q, keys)) == pytest.approx(float(base), rel=3e-7)  # an ulp or two of float32
    for found, expected in zip(gradients(objective, Q, keys), gradients(ELBO(kl="sampled"), Q, keys), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_family_meets_at_its_corners():
    iwae, elbo = IWAE(num_samples=6).value(LOG_WEIGHTS), jnp.mean(LOG_WEIGHTS)
    same = [
        (Renyi(num_samples=6, alpha=0.0), iwae),
        (Renyi(num_samples=6, alpha=1.0), elbo),
        (Renyi(num_samples=6, alpha=-1e3), jnp.max(LOG_WEIGHTS)),  # the limit: within log(6) / 1000
        (CIWAE(num_samples=6, mix=0.0), iwae),
        (CIWAE(num_samples=6, mix=1.0), elbo),
        (CIWAE(num_samples=6, mix=0.25), 0.25 * elbo + 0.75 * iwae),
        (MIWAE(num_samples=6, num_groups=1), iwae),
        (MIWAE(num_samples=1, num_groups=6), elbo),
        (PIWAE(num_samples=3, num_groups=2), iwae),
    ]
    for objective, expected in same:
        atol = 2e-3 if objective == Renyi(num_samples=6, alpha=-1e3) else 1e-6
        assert float(objective.value(LOG_WEIGHTS)) == pytest.approx(float(expected), abs=atol, rel=1e-6), objective


@pytest.mark.parametrize("alpha", [-3.0, 0.3, 0.99, 0.99999, 1.00001, 1.5, 4.0])
def test_renyi_is_exact_around_one_where_the_formula_is_zero_over_zero(alpha):
    log_w = np.array([-0.3, 0.2, 0.1, -0.05])
    c = 1.0 - float(np.float32(alpha))
    exact = np.log(np.mean(np.exp(c * log_w))) / c
    value, grad = jax.value_and_grad(canonical(Renyi(num_samples=4, alpha=alpha)).value)(jnp.float32(log_w))
    assert float(value) == pytest.approx(exact, abs=2e-7)  # roundings of float32
    tilted = np.exp(c * log_w)
    np.testing.assert_allclose(grad, tilted / tilted.sum(), atol=3e-7)


ONE_OUT, ALL_OUT, FAR = [-1, -1, -np.inf, -1], [-np.inf] * 4, [0, -100, -100, -100]
THIRDS, QUARTERS, FIRST = [1 / 3, 1 / 3, 0, 1 / 3], [1 / 4] * 4, [1, 0, 0, 0]
LOG_3_4, E = np.log(3 / 4), np.exp(-1)


@pytest.mark.parametrize(
    ("objective", "log_w", "value", "gradient"),
    [
        (IWAE(num_samples=4), ONE_OUT, -1 + LOG_3_4, THIRDS),
        (CIWAE(num_samples=4, mix=0.0), ONE_OUT, -1 + LOG_3_4, THIRDS),
        (CIWAE(num_samples=4, mix=0.5), ONE_OUT, -np.inf, [7 / 24, 7 / 24, 1 / 8, 7 / 24]),
        (CIWAE(num_samples=4, mix=1.0), ONE_OUT, -np.inf, QUARTERS),
        (MIWAE(num_samples=2, num_groups=2), ONE_OUT, -1 + 0.5 * np.log(0.5), [0.25, 0.25, 0, 0.5]),
        (PIWAE(num_samples=2, num_groups=2), ONE_OUT, -1 + LOG_3_4, THIRDS),
        (Renyi(num_samples=4, alpha=0.0), ONE_OUT, -1 + LOG_3_4, THIRDS),
        (Renyi(num_samples=4, alpha=0.5), ONE_OUT, -1 + 2 * LOG_3_4, THIRDS),
        (Renyi(num_samples=4, alpha=0.999), ONE_OUT, -1 + 1000 * LOG_3_4, THIRDS),
        (Renyi(num_samples=4, alpha=-1.0), ONE_OUT, -1 + LOG_3_4 / 2, THIRDS),
        (Renyi(num_samples=4, alpha=1.0), ONE_OUT, -np.inf, QUARTERS),
        (Renyi(num_samples=4, alpha=2.0), ONE_OUT, -np.inf, [0, 0, 1, 0]),
        *((make(num_samples=4), ALL_OUT, -np.inf, QUARTERS) for make in (IWAE, CIWAE, Renyi)),
        *((Renyi(num_samples=4, alpha=alpha), ALL_OUT, -np.inf, QUARTERS) for alpha in (-1.0, 0.0, 1.0, 2.0)),
        *((make(num_samples=2, num_groups=2), ALL_OUT, -np.inf, QUARTERS) for make in (MIWAE, PIWAE)),
        (IWAE(num_samples=4), FAR, -np.log(4), FIRST),
        (CIWAE(num_samples=4, mix=0.5), FAR, -37.5 - np.log(4) / 2, [5 / 8, 1 / 8, 1 / 8, 1 / 8]),
        (Renyi(num_samples=4, alpha=0.0), FAR, -np.log(4), FIRST),
        (Renyi(num_samples=4, alpha=-3.0), FAR, -np.log(4) / 4, FIRST),
        (Renyi(num_samples=4, alpha=1.0), FAR, -75, QUARTERS),
        (Renyi(num_samples=4, alpha=2.0), FAR, -100 - LOG_3_4, [0, 1 / 3, 1 / 3, 1 / 3]),
        (Renyi(num_samples=4, alpha=0.99), FAR, 100 * np.log((1 + 3 * E) / 4), np.array([1, E, E, E]) / (1 + 3 * E)),
        *((make(num_samples=4), [1e30] * 4, 1e30, QUARTERS) for make in (IWAE, CIWAE, Renyi)),
        (Renyi(num_samples=4, alpha=0.0), [0, -1e30, 0, 0], LOG_3_4, [1 / 3, 0, 1 / 3, 1 / 3]),
        (Renyi(num_samples=4, alpha=3.0), [0, -1e30, 0, 0], -1e30, [0, 1, 0, 0]),
        (Renyi(num_samples=4, alpha=0.0), [1e4, 0, 0, 0], 1e4 - np.log(4), FIRST),
    ],
)
def test_extreme_weights_have_their_limits(objective, log_w, value, gradient):
    """Impossible draws, weights e^-100 apart, equal and large ones: value and gradient are finite, or the limit."""
    found, grad = jax.value_and_grad(canonical(objective).value)(jnp.float32(log_w))
    rtol = 1e-3 if objective == Renyi(num_samples=4, alpha=0.999) else 2e-6  # 1 - .999 in float32 has three digits less
    np.testing.assert_allclose(found, np.float32(value), rtol=rtol)
    np.testing.assert_allclose(grad, gradient, rtol=2e-6, atol=1e-18)  # a few roundings; what PIWAE keeps of a draw
    assert np.all(np.isfinite(canonical(objective).path(jnp.float32(log_w))))


def test_miwae_of_groups_is_the_mean_of_its_bounds():
    value = MIWAE(num_samples=2, num_groups=3).value(LOG_WEIGHTS)
    parts = [IWAE(num_samples=2).value(LOG_WEIGHTS[i : i + 2]) for i in (0, 2, 4)]
    assert float(value) == pytest.approx(float(np.mean(parts)), rel=1e-6)


@pytest.mark.parametrize(
    "objective",
    [
        IWAE(num_samples=6),
        Renyi(num_samples=6, alpha=0.4),
        Renyi(num_samples=6, alpha=2.0),
        CIWAE(num_samples=6, mix=0.3),
        MIWAE(num_samples=3, num_groups=2),
    ],
)
def test_the_path_is_one_minus_curvature_over_slope(objective):
    log_w = LOG_WEIGHTS.at[3].set(-1.0)  # a slope that does not underflow
    slope, curvature = jax.grad(objective.value)(log_w), jnp.diag(jax.hessian(objective.value)(log_w))
    np.testing.assert_allclose(objective.path(log_w), 1.0 - curvature / slope, rtol=1e-4, atol=1e-5)  # float32 hessian


@pytest.mark.parametrize(
    ("num_samples", "batch", "known", "error"),
    # DReG's reference value, of 4 million and 0.4 million draws, and its standard error
    [(5, 400_000, (0.0767, -0.0390), 5e-5), (50, 40_000, (0.00701, -0.00338), 6e-6)],
)
def test_the_mean_gradients_are_as_tabulated(num_samples, batch, known, error):
    keys = keys_of(11, batch, num_samples)
    plain, decoder = gradients(IWAE(num_samples=num_samples), Q, keys)
    dreg, decoder_of_dreg = gradients(IWAE(num_samples=num_samples, estimator="dreg"), Q, keys)
    (of_plain, band_plain), (of_dreg, band_dreg) = mean_and_4se(-plain), mean_and_4se(-dreg)
    assert np.all(np.abs(of_dreg - known) < band_dreg + 4 * error)
    assert np.all(np.abs(of_plain - of_dreg) < band_plain + band_dreg)
    # sample by sample: the decoder sees the same weights (float32; relative to the largest)
    np.testing.assert_allclose(decoder_of_dreg, decoder, atol=2e-6 * np.abs(decoder).max())
    # signal to noise of the mean's component: falls with K for one, rises for the other
    snr_plain, snr_dreg = (np.abs(g[:, 0].mean()) / g[:, 0].std() for g in (plain, dreg))
    of_plain, of_dreg = {5: (0.098, 1.43), 50: (0.029, 4.57)}[num_samples]
    band = 4 / np.sqrt(batch)  # a mean over its own standard deviation has a standard error of 1/sqrt(n)
    assert abs(snr_plain - of_plain) < band + 5e-4
    assert snr_dreg == pytest.approx(of_dreg, rel=0.05)  # of a skewed distribution's standard deviation


@pytest.mark.parametrize(
    ("num_samples", "batch", "known", "snr"),
    [(5, 200_000, (0.4325, -0.2610), 1.75), (50, 20_000, (0.4105, -0.2400), 5.56)],
)
def test_sticking_the_landing_is_biased_for_several_samples_and_so_refused(num_samples, batch, known, snr):
    biased, _ = gradients(IWAE(num_samples=num_samples), Q, keys_of(12, batch, num_samples), drawing=STL)
    mean, band = mean_and_4se(-biased)
    assert np.all(np.abs(mean - known) < band + 4e-4)  # the table's four digits and its own noise
    # The best signal to noise of all, around the wrong mean; of a skewed distribution's standard deviation
    assert np.abs(biased[:, 0].mean()) / biased[:, 0].std() == pytest.approx(snr, rel=0.05)
    with pytest.raises(VaexError, match=r"estimator=stl: expected objective\.num_samples=1, got 5.*use .*dreg"):
        IWAE(num_samples=5, estimator="stl")


def test_at_one_sample_all_three_have_the_exact_mean():
    keys = keys_of(13, 200_000, 1)
    for objective in (
        IWAE(num_samples=1),
        IWAE(num_samples=1, estimator="dreg"),
        IWAE(num_samples=1, estimator="stl"),
        ELBO(kl="sampled"),
        ELBO(kl="sampled", estimator="stl"),
        ELBO(),
    ):
        grads = -gradients(objective, Q, keys)[0]
        mean, band = mean_and_4se(grads)
        assert np.all(np.abs(mean - (0.6, -0.47)) < band + 1e-6), objective
        if isinstance(objective, IWAE):
            snr = 0.286 if objective.estimator == "reparameterized" else 0.894
            assert grads[:, 0].mean() / grads[:, 0].std() == pytest.approx(snr, rel=0.03)  # 4 errors of 1/sqrt(200,000)


@pytest.mark.parametrize("num_samples", [1, 5])
def test_at_the_exact_posterior_path_gradients_vanish_and_every_bound_is_the_evidence(num_samples):
    keys = keys_of(14, 500, num_samples)
    np.testing.assert_allclose(per_example(IWAE(num_samples=num_samples), 5, 500, POSTERIOR), LOG_PX, atol=3e-6)
    dreg, _ = gradients(IWAE(num_samples=num_samples, estimator="dreg"), POSTERIOR, keys)
    assert np.abs(dreg).max() < 5e-6  # float32: log-weights of order one, times a scale of order one
    plain, _ = gradients(IWAE(num_samples=num_samples), POSTERIOR, keys)
    assert plain[:, 0].std() == pytest.approx(np.sqrt(3 / num_samples), rel=0.1)  # 1.73 at K = 1
    if num_samples == 1:
        stl, _ = gradients(ELBO(kl="sampled", estimator="stl"), POSTERIOR, keys)
        assert np.abs(stl).max() < 5e-6


def test_piwae_is_iwae_for_the_decoder_and_miwae_for_the_encoder_draw_by_draw():
    keys = keys_of(15, 200, 6)
    for estimator in ("reparameterized", "dreg"):
        about = {"num_samples": 3, "estimator": estimator}
        encoder, decoder = gradients(PIWAE(num_groups=2, **about), Q, keys)
        np.testing.assert_allclose(encoder, gradients(MIWAE(num_groups=2, **about), Q, keys)[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            decoder, gradients(IWAE(num_samples=6, estimator=estimator), Q, keys)[1], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("estimator", ["reparameterized", "dreg"])
def test_piwae_keeps_far_groups_in_the_encoder(estimator):
    """On digits under a narrow Gaussian, groups lie hundreds of nats apart: their weights are 0 in float32."""
    data = Digits(binarize="none").load(Gaussian())
    model = VAE(encoders.MLP((16,)), decoders.MLP((16,)), Gaussian(scale=0.1), 4, (8, 8, 1))
    x, params = jnp.asarray(data.train[:16], jnp.float32), model.init(jax.random.key(1), data.stats)
    prior = model.prior_of(params)

    def by_part(objective):
        def of(params):
            def one(keys, x):
                return model.draws(params, prior, model.posterior_of(params, x), keys, x, drawing=objective.drawing)

            some = jax.vmap(one)(keys_of(20, 16, 8), x)
            return objective(some, (), context(16))[0], jnp.ptp(log_weights(some), axis=1)

        grads, spread = jax.jit(jax.grad(of, has_aux=True))(params)
        assert np.mean(spread) > 200  # nats
        return [np.concatenate([np.ravel(g) for g in jax.tree.leaves(grads[p])]) for p in ("encoder", "decoder")]

    about = {"num_samples": 1, "num_groups": 8, "estimator": estimator}
    (encoder, decoder), (expected, _) = by_part(PIWAE(**about)), by_part(MIWAE(**about))
    _, of_iwae = by_part(IWAE(num_samples=8, estimator=estimator))
    for found, right in ((encoder, expected), (decoder, of_iwae)):
        assert np.linalg.norm(found - right) < 3e-6 * np.linalg.norm(right)  # float32, sums in another order


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_dreg_has_the_mean_of_the_plain_gradient_for_every_bound(alpha):
    for make in (
        lambda **how: Renyi(num_samples=4, alpha=alpha, **how),
        lambda **how: CIWAE(num_samples=4, mix=alpha / 4, **how),
        lambda **how: MIWAE(num_samples=2, num_groups=2, **how),
    ):
        keys = keys_of(16, 100_000, 4)
        (a, band_a), (b, band_b) = (
            mean_and_4se(gradients(make(estimator=e), Q, keys)[0]) for e in ("reparameterized", "dreg")
        )
        assert np.all(np.abs(a - b) < band_a + band_b)
        assert np.all(band_b < band_a)  # which is what it is for


@pytest.mark.parametrize("estimator", ["reparameterized", "dreg"])
def test_chunks_change_no_number(estimator):
    keys = keys_of(17, 20, 7)
    whole = gradients(IWAE(num_samples=7, estimator=estimator), Q, keys)
    for chunk in (1, 3, 7, 100):
        found = gradients(IWAE(num_samples=7, estimator=estimator, chunk=chunk), Q, keys)
        for a, b in zip(whole, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # sums in another order


def test_padding_does_not_count_and_repeating_changes_nothing():
    objective = IWAE(num_samples=3)
    some = draws(objective, Q, keys_of(18, 6, 3))
    padded = jax.tree.map(lambda a: jnp.concatenate([a, 1e3 + a[:2]]), some)
    base = objective(some, (), context(6))[2]
    for name, value in objective(padded, (), context(8, [1.0] * 6 + [0.0] * 2))[2].items():
        assert float(value) == pytest.approx(float(base[name]), rel=1e-6)


def test_the_plain_elbo_stays_apart_from_the_bound():
    found = IWAE(num_samples=50)(draws(IWAE(num_samples=50), Q, keys_of(19, 2000, 50)), (), context(2000))[2]
    assert float(found["elbo"]) == pytest.approx(L_1, abs=5e-3)
    assert -float(found["loss"]) == pytest.approx(-1.8729, abs=5e-3)
    assert float(found["elbo"]) == pytest.approx(-float(found["rate"] + found["distortion"]), rel=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ELBO(estimator="stl"), r"add objective\.kl=sampled"),
        (lambda: ELBO(estimator="dreg"), r"use objective\.estimator=stl objective\.kl=sampled, or objective=iwae"),
        (lambda: ELBO(estimator="reparametrized"), "did you mean 'reparameterized'"),
        (lambda: MIWAE(num_samples=2, estimator="stl"), "biased"),
        (lambda: MIWAE(num_groups=0), r"objective\.num_groups"),
        (lambda: CIWAE(mix=1.5), r"objective\.mix"),
        (lambda: IWAE(num_samples=0), r"objective\.num_samples"),
        (lambda: IWAE(chunk=0), r"objective\.chunk"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(make, message):
    with pytest.raises(VaexError, match=message):
        make()


def test_a_scale_of_the_whole_batch_is_refused_by_bounds():
    model = VAE(MODEL.encoder, MODEL.decoder, OptimalGaussian(), 1, (1,))
    with pytest.raises(VaexError, match="use likelihood=shared_gaussian, or objective=elbo"):
        IWAE(num_samples=2).check(model, 10)
    with pytest.raises(VaexError, match=r"objective\.chunk=1"):
        ELBO(num_samples=2, chunk=1).check(model, 10)
    IWAE(num_samples=1).check(model, 10)


def test_path_estimators_are_refused_for_a_posterior_without_a_density():
    class Posterior:
        class distribution:
            has_log_prob = False

    class Model:
        posterior, has_exact_kl, likelihood = Posterior(), True, MODEL.likelihood

    for objective in (IWAE(estimator="dreg"), ELBO(kl="sampled", estimator="stl")):
        with pytest.raises(VaexError, match=r"use objective\.estimator=reparameterized"):
            objective.check(Model(), 10)
