"""The metrics of an evaluation, through `measure`, on models whose every number is known in closed form."""

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.three_points import EXACT, MEANS, VARIANCES
from vaex.data import Array
from vaex.evaluation import Finished, measure
from vaex.evaluation.measure import over_examples
from vaex.evaluation.record import entry
from vaex.likelihoods import Gaussian
from vaex.metrics import (
    AIS,
    ALARMS,
    BDMC,
    NLL,
    About,
    Estimate,
    Information,
    RDCurve,
    alarms,
    importance_estimate,
    prior_hole,
)
from vaex.models import VAE, decoders, encoders
from vaex.numerics import bisect, soft_clip
from vaex.part import canonical
from vaex.training.streams import stream

# z ~ N(0, I), x|z ~ N(W z + b, s^2 I), in the units of the model
W = np.array([[1.0, -0.4, 0.3], [0.2, 0.8, -0.5]])  # the latents explain each other away: no diagonal q is exact
OFFSET = np.array([0.5, -0.2, 0.1])
SCALE = 0.7
EVIDENCE = W.T @ W + SCALE**2 * np.eye(3)
PRECISION = np.eye(2) + W @ W.T / SCALE**2  # of p(z|x), for every x
TO_MEAN = np.linalg.solve(PRECISION, W / SCALE**2)
MODEL = canonical(VAE(encoders.Linear(), decoders.Linear(), Gaussian(scale=SCALE), 2, (3,)))
SHORT = {
    "num_temperatures": 100,
    "num_chains": 4,
    "num_leapfrog": 3,
    "num_pilot": 30,
}  # within .2 nats


def encoder(kernel, bias, variances):
    """Parameters of q(z|x) = N(kernel^T x + bias, variances), whose scales the posterior bends; variances [Z] or [D, Z]
    for rows x that are one-hot."""
    raw = np.asarray(bisect(soft_clip, 0.5 * jnp.log(jnp.asarray(variances, jnp.float32)), 20.0))
    per_row, common = (raw, np.zeros_like(raw[0])) if raw.ndim == 2 else (np.zeros_like(kernel), raw)
    dense = {"kernel": np.concatenate([kernel, per_row], 1), "bias": np.concatenate([bias, common])}
    return {"Dense_0": jax.tree.map(jnp.float32, dense)}


def linear(slope=0.8, shift=0.2, variances=None):
    """The linear-Gaussian model: encoder means are `slope` times the posterior's, plus `shift`."""
    variances = 1.15 / np.diag(PRECISION) if variances is None else variances
    return {
        "encoder": encoder(slope * TO_MEAN.T, shift - slope * TO_MEAN @ OFFSET, variances),
        "decoder": {"Dense_0": {"kernel": jnp.float32(W), "bias": jnp.float32(OFFSET)}},
        "prior": {},
        "likelihood": {},
    }


def chi_squared(x, slope=0.8, shift=0.2, variances=None):
    """chi^2(p(z|x), q(z|x)) = int p^2 / q - 1 of each row."""
    variances = 1.15 / np.diag(PRECISION) if variances is None else variances
    q_precision = np.diag(1 / np.asarray(variances))
    mean_p = (x - OFFSET) @ TO_MEAN.T
    mean_q = slope * mean_p + shift
    # p^2 / q is a Gaussian of precision 2 P - Q, but for its constant
    both = 2 * PRECISION - q_precision
    b = 2 * mean_p @ PRECISION - mean_q @ q_precision
    quadratic = (
        0.5 * np.sum(b * np.linalg.solve(both, b.T).T, axis=1)
        - np.sum(mean_p @ PRECISION * mean_p, axis=1)
        + 0.5 * np.sum(mean_q @ q_precision * mean_q, axis=1)
    )
    log_det = np.linalg.slogdet(PRECISION)[1] - 0.5 * (np.linalg.slogdet(q_precision)[1] + np.linalg.slogdet(both)[1])
    return np.expm1(log_det + quadratic)


def log_evidence(x):
    """log p(x) of rows, in float64."""
    r = np.asarray(x, np.float64) - OFFSET
    quadratic = np.sum(r * np.linalg.solve(EVIDENCE, r.T).T, axis=1)
    return -0.5 * (quadratic + np.linalg.slogdet(EVIDENCE)[1] + 3 * math.log(2 * math.pi))


def simulated(num, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(num, 2)) @ W + OFFSET + SCALE * rng.normal(size=(num, 3))).astype(np.float32)


@pytest.fixture(scope="module")
def run_on(tmp_path_factory):
    """Returns a finished run of parameters set by hand, whose test split are the rows given."""

    def make(x, params, model=MODEL, train=None, **settings):
        path = tmp_path_factory.mktemp("rows") / "x.npz"
        np.savez(path, train=x if train is None else train, test=x)
        data = Array(path=str(path), **settings).load(model.likelihood)
        return Finished(SimpleNamespace(data=data), model, params, 1, "")

    return make


def numbers_of(run, metric, **settings):
    (found,) = measure([run], "metric", metric, **settings)
    return found.numbers


@pytest.fixture(scope="module")
def many(run_on):
    """4,000 examples of the model itself and an encoder that misses its posterior a little."""
    return run_on(simulated(4000), linear())


@pytest.fixture(scope="module")
def few(run_on):
    """603 of them: a number that no batch divides."""
    return run_on(simulated(4000)[:603], linear())


def test_nll_at_5000_draws_is_the_closed_form_but_for_the_known_bias(few):
    x = np.float64(few.job.data.test)
    found = numbers_of(few, NLL())
    chi2 = chi_squared(x)
    # The noise of one example is sqrt(chi^2 / K) to first order; float32's of the mean is 1e-6.
    error = found["nll"] + log_evidence(x).mean() - chi2.mean() / 10_000
    assert abs(error) < 4 * math.sqrt(chi2.mean() / 5000 / len(x)) + 2e-6
    assert found["bias"] == pytest.approx(chi2.mean() / 10_000, rel=0.03)  # its noise is 1 % of 5000 weights' squares
    # Jensen: the mean of K / (1 + chi^2) over examples
    assert found["ess"] == pytest.approx(np.mean(5000 / (1 + chi2)), rel=0.005)
    assert found["nll_se"] == pytest.approx(log_evidence(x).std(ddof=1) / math.sqrt(len(x)), rel=1e-3)
    assert found["num_samples"] == 5000
    assert found["ess_low"] == 0


def test_nll_at_50_draws_shows_the_bias_and_says_how_large_it_is(many):
    x = np.float64(many.job.data.test)
    chi2 = chi_squared(x)
    found = [numbers_of(many, NLL(num_samples=50), seed=seed) for seed in range(8)]
    bias = np.mean([one["nll"] for one in found]) + log_evidence(x).mean()
    expected, se = chi2.mean() / 100, math.sqrt(chi2.mean() / 50 / (8 * len(x)))
    assert abs(bias - expected) < 4 * se + 0.05 * expected  # the next term of the expansion is smaller by 1 / K
    assert expected > 6 * se  # there is something to see
    # 1 / ESS is biased itself, downwards: large weights are rare. At 5,000 draws it is not.
    assert np.mean([one["bias"] for one in found]) == pytest.approx(expected, rel=0.2)


def test_the_exact_posterior_leaves_no_noise_and_the_elbo_is_log_p(run_on):
    w, scale = np.array([[0.8, -0.5, 0.3]]), 0.6
    model = canonical(VAE(encoders.Linear(), decoders.Linear(), Gaussian(scale=scale), 1, (3,)))
    precision = 1 + (w @ w.T).item() / scale**2
    rng = np.random.default_rng(5)
    x = np.float32(rng.normal(size=(2000, 1)) @ w + scale * rng.normal(size=(2000, 3)))
    params = {
        "encoder": encoder(w.T / scale**2 / precision, np.zeros(1), [1 / precision]),
        "decoder": {"Dense_0": {"kernel": jnp.float32(w), "bias": jnp.zeros(3)}},
        "prior": {},
        "likelihood": {},
    }
    run = run_on(x, params, model)
    (measured,) = measure([run], "nll", NLL(num_samples=20))
    cov = w.T @ w + scale**2 * np.eye(3)
    log_px = -0.5 * (np.sum(x * np.linalg.solve(cov, x.T).T, 1) + np.linalg.slogdet(2 * math.pi * cov)[1])
    assert measured.numbers["nll"] == pytest.approx(-log_px.mean(), abs=1e-5)  # float32 of numbers of a few nats
    assert measured.numbers["ess"] == pytest.approx(20, rel=1e-5)
    assert measured.numbers["bias"] == pytest.approx(0, abs=1e-6)
    assert measured.warnings == []
    # E_q log p(x|z) is the only part of the ELBO that is drawn: 2,000 x 20 draws
    assert abs(measured.numbers["elbo"] - log_px.mean()) < 4 * 2.0 / math.sqrt(2000 * 20)
    # Of data that the model made the aggregate posterior is the prior.
    found = numbers_of(run, Information(num_draws=2000))
    assert abs(found["prior_hole"]) < 4 * found["prior_hole_se"]
    # Of 2,000 examples it is a mixture of as many components, which is off the prior by less than 1 % of a nat.
    assert abs(found["aggregate_kl"]) < 4 * found["aggregate_kl_se"] + 0.01
    # I = 1/2 log(prior variance / posterior variance)
    assert abs(found["mutual_information"] - 0.5 * math.log(precision)) < 4 * found["mutual_information_se"] + 0.01


def test_a_bad_encoder_is_warned_of_and_a_good_one_is_not(few, run_on):
    (good,) = measure([few], "nll", NLL(num_samples=200))
    assert good.warnings == []
    narrow = {"shift": 1.0, "variances": 0.15 / np.diag(PRECISION)}  # far from most of the posterior: chi^2 is infinite
    (bad,) = measure([run_on(few.job.data.test, linear(**narrow))], "nll", NLL(num_samples=200))
    assert bad.numbers["ess_low"] > 0.01
    (line,) = bad.warnings
    for word in ("not to be trusted", "metric.nll.num_samples=2000", "metric=ais", f"{bad.numbers['ess_low']:.1%}"):
        assert word in line
    assert bad.numbers["nll"] + log_evidence(few.job.data.test).mean() > 0.1  # and rightly so


def test_nll_depends_on_no_chunk_and_no_batch(few, monkeypatch):
    metric, seen = NLL(num_samples=230), set()
    found = {}
    for chunk, draws in ((100, 2500), (230, 2300), (7, 280), (64, 64), (50, 100_000)):
        monkeypatch.setattr("vaex.metrics.nll.CHUNK", chunk)
        monkeypatch.setattr("vaex.metrics.nll.DRAWS", draws)
        seen.add(metric.at_once)  # another batch is another shape: traced again, with its own chunk
        found[chunk] = numbers_of(few, metric)
    assert len(seen) == 5
    for other in found.values():
        for name, value in found[100].items():
            # Sums of 230 in another order
            assert other[name] == (value if value is None else pytest.approx(value, rel=5e-6)), name


def test_every_example_counts_once(few, run_on):
    (measured,) = measure([few], "nll", NLL(num_samples=30))
    assert measured.num_examples == 603
    x = few.job.data.test
    parts = [numbers_of(run_on(x[:n], few.params), NLL(num_samples=30)) for n in (1, 602)]
    assert parts[0]["nll_se"] is None
    # An example's key is its place's: 603 are the first 602 and the last one, whatever the batches.
    key, place = stream(0, "evaluation"), jnp.int32(602)
    last = importance_estimate(few.model, few.params, key, place, jnp.asarray(x[602]), 30, 30).nll
    whole = (602 * parts[1]["nll"] + float(last)) / 603
    assert measured.numbers["nll"] == pytest.approx(whole, rel=1e-6)


def test_numbers_are_of_the_data_as_given(few, run_on):
    units = np.float32([10, 0.1, 2])
    run = run_on(simulated(603) * units + 3, few.params, train=simulated(500, 9) * units + 3, rescale="standardize")
    data = run.job.data
    # The rows are x already: log p(given) = log p(x) - sum log scale
    exact = log_evidence(np.float64(data.test)) - np.log(np.asarray(data.preparation.scale, np.float64)).sum()
    found = numbers_of(run, NLL(num_samples=500))
    assert found["nll"] == pytest.approx(-exact.mean(), abs=0.01)  # the bias is 4e-4 and the noise 1e-3
    assert found["elbo"] < -found["nll"]
    curve = numbers_of(run, RDCurve(**SHORT, num_points=3, num_examples=100))
    of_ais = numbers_of(run, AIS(**SHORT, num_examples=100))
    assert of_ais["nll"] == pytest.approx(-exact[:100].mean(), abs=0.05)
    assert curve["rate"][-1] + curve["distortion"][-1] == pytest.approx(of_ais["nll"], abs=1e-4)


def test_ais_is_a_lower_bound_of_log_p_and_close(few):
    x, metric = few.job.data.test, canonical(AIS(**SHORT))
    (measured,) = measure([few], "ais", metric)
    found, log_px = measured.numbers, log_evidence(x)
    arguments = (canonical(few.job.data.preparation), stream(0, "evaluation"), x, np.arange(603, dtype=np.int32))
    each = np.float64(over_examples(few.model, few.params, metric, *arguments).nll)
    assert found["nll"] == pytest.approx(each.mean(), rel=1e-5)
    error = -each - log_px
    assert -0.15 < error.mean() < 4 * error.std() / math.sqrt(603)  # half the variance of 4 chains' mean weight below
    weights = np.exp(error)
    assert abs(weights.mean() - 1) < 4 * weights.std() / math.sqrt(603)
    assert found["nll_se"] == pytest.approx(each.std(ddof=1) / math.sqrt(603), rel=1e-4)
    assert 1 <= found["ess"] <= 4
    assert found["least_acceptance"] <= found["acceptance"] <= 1
    assert measured.warnings == []
    (part,) = measure([few], "ais", AIS(**SHORT, num_examples=70))
    assert part.num_examples == 70
    assert -part.numbers["nll"] == pytest.approx(log_px[:70].mean(), abs=0.2)


@pytest.mark.parametrize(("metric", "key"), [(AIS, "ais"), (BDMC, "bdmc"), (RDCurve, "rd_curve")])
def test_chains_that_hardly_move_are_warned_of_with_a_line_that_can_be_typed(metric, key):
    one = metric(num_pilot=30, num_leapfrog=3)
    (line,) = one.warnings({"least_acceptance": 0.1})
    assert line.startswith(f"{key}: ")
    assert f"type metric.{key}.num_pilot=120 or metric.{key}.num_leapfrog=6" in line
    assert one.warnings({"least_acceptance": 0.5}) == []


def test_bdmc_brackets_the_models_mean_log_evidence(few):
    # More than the split holds: they are the model's own.
    (measured,) = measure([few], "bdmc", BDMC(**SHORT, num_examples=700))
    found = measured.numbers
    assert measured.num_examples == 700
    entropy = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * EVIDENCE)[1]
    assert found["lower"] - 4 * found["lower_se"] < -entropy < found["upper"] + 4 * found["upper_se"]
    assert -4 * found["gap_se"] < found["gap"] < 0.2
    assert found["gap"] == pytest.approx(found["upper"] - found["lower"], abs=1e-9)


def test_the_curve_falls_and_ends_in_the_annealed_nll(few):
    settings = {**SHORT, "num_examples": 150}
    (measured,) = measure([few], "rd_curve", RDCurve(**settings, num_points=6))
    found = measured.numbers
    assert {len(found[name]) for name in ("beta", "rate", "rate_se", "distortion", "distortion_se")} == {6}
    assert (found["beta"][0], found["beta"][-1]) == (0, 1)
    assert found["rate"][0] == pytest.approx(0, abs=1e-6)
    assert np.all(np.diff(found["rate"]) > 0)
    assert np.all(np.diff(found["distortion"]) < 0)
    nll = numbers_of(few, AIS(**settings))["nll"]
    assert found["rate"][-1] + found["distortion"][-1] == pytest.approx(nll, abs=1e-5)  # the same chains
    # The rate at beta = 1 is that of p(z|x), averaged: 1/2 (tr S + m^2 - Z + log det P)
    mean = (np.float64(few.job.data.test[:150]) - OFFSET) @ TO_MEAN.T
    spread = np.trace(np.linalg.inv(PRECISION)) - 2 + np.linalg.slogdet(PRECISION)[1]
    exact = 0.5 * (spread + np.sum(mean**2, axis=1)).mean()
    # 4 chains an example leave a noise of some .5 nats in each example's distortion.
    assert found["rate"][-1] == pytest.approx(exact, abs=4 * 0.5 / math.sqrt(150))


def three_points(num):
    """A run whose posteriors are those of the three points, in turn."""
    params = {
        "encoder": encoder(np.asarray(MEANS), np.zeros(2), np.asarray(VARIANCES)),
        "decoder": {"Dense_0": {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)}},
        "prior": {},
        "likelihood": {},
    }
    return np.tile(np.eye(3, dtype=np.float32), (num // 3, 1)), params


def test_information_is_the_quadrature_of_three_points(run_on):
    run = run_on(*three_points(2400))
    found = numbers_of(run, Information(num_draws=2400))
    rate = sum(EXACT)
    assert found["rate"] == pytest.approx(rate, rel=1e-5)
    for name, exact in EXACT._asdict().items():
        assert abs(found[name] - exact) < 4 * found[f"{name}_se"], name
    exact = rate - EXACT.mutual_information
    assert abs(found["aggregate_kl"] - exact) < 4 * found["aggregate_kl_se"] < 0.2 * exact
    assert found["aggregate_kl"] == pytest.approx(found["total_correlation"] + found["dimension_wise_kl"], abs=1e-9)
    kl = 0.5 * np.mean(np.asarray(VARIANCES) + np.square(MEANS) - 1 - np.log(VARIANCES), axis=0)
    np.testing.assert_allclose(found["kl_per_dim"], kl, rtol=1e-4)
    assert sum(found["kl_per_dim"]) == pytest.approx(found["rate"], rel=1e-6)
    assert sum(found["kl_histogram"]["counts"]) == 2
    # .71 and .53 nats: between 0.5 and 1
    assert found["kl_histogram"]["counts"][found["kl_histogram"]["edges"].index(0.5)] == np.sum((kl >= 0.5) & (kl < 1))
    assert found["active_units"] == 2
    # The codes lie off the prior, by at least what each dimension does.
    assert found["prior_hole"] > 4 * found["prior_hole_se"]
    assert "2400" in found["decomposition"]


def test_a_collapsed_encoder_carries_nothing(run_on):
    params = linear() | {"encoder": encoder(np.zeros((3, 2)), np.zeros(2), np.ones(2))}
    found = numbers_of(run_on(simulated(600), params), Information())
    assert found["active_units"] == 0
    assert found["rate"] == pytest.approx(0, abs=1e-6)
    assert found["kl_histogram"]["counts"] == [2, *[0] * 7]
    for name in ("mutual_information", "total_correlation", "dimension_wise_kl", "aggregate_kl"):
        assert found[name] == pytest.approx(0, abs=1e-5)  # draw by draw: the mixture is the prior
    assert abs(found["prior_hole"]) < 4 * found["prior_hole_se"]


def test_information_depends_on_no_batch(few, monkeypatch):
    whole = numbers_of(few, Information())
    monkeypatch.setattr(Information, "at_once", 97)
    other = numbers_of(few, Information())
    assert other.keys() == whole.keys()
    for name, value in whole.items():
        if name.startswith("prior_hole"):
            continue  # trees split at a code: a last digit may move a code to the other side
        if isinstance(value, float):
            assert other[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert other["prior_hole"] == pytest.approx(whole["prior_hole"], abs=0.02)


def test_runs_side_by_side_are_each_run_alone(few):
    runs = [few._replace(params=linear(slope)) for slope in (0.8, 0.7, 1.1)]
    for metric in (NLL(num_samples=30), Information(num_draws=300), AIS(**SHORT, num_examples=30)):
        alone = [numbers_of(run, metric) for run in runs]
        for strategy in ("loop", "vmap"):
            found = measure(runs, "metric", metric, strategy=strategy)
            for one, expected in zip(found, alone, strict=True):
                assert one.num_examples == (30 if isinstance(metric, AIS) else 603)
                for name, value in expected.items():
                    if isinstance(value, float):
                        # A batch of products rounds otherwise; chains multiply it, and trees split at a code.
                        loose = 0.02 if name.startswith("prior_hole") else 1e-4 if isinstance(metric, AIS) else 1e-6
                        assert one.numbers[name] == pytest.approx(value, rel=1e-5, abs=loose), (name, strategy)


def test_a_record_tells_how_its_numbers_came_about(few):
    metric = BDMC(**SHORT, num_examples=2, step_size=0.2)
    (measured,) = measure([few], "bdmc", metric, seed=3)
    found = entry(few, "bdmc", metric, measured, split="test", seed=3)
    assert (found["split"], found["num_examples"], found["num_samples"]) == ("simulated", 2, None)
    assert found["matmul_precision"] == "highest"
    assert found["settings"] == {
        **SHORT,
        "num_examples": 2,
        "step_size": 0.2,
        "kind": "sigmoid",
        "target_acceptance": 0.9,
    }
    assert (found["seed"], found["version"], found["kind"]) == (3, 2, "BDMC")
    metric = NLL(num_samples=3)
    found = entry(few, "nll", metric, measure([few], "nll", metric)[0], split="test", seed=0)
    assert (found["num_samples"], found["num_examples"], found["split"]) == (3, 603, "test")
    assert (found["binarization"], found["dequantization"]) == ("none", "none")


@pytest.mark.parametrize("latents", [1, 4])
def test_no_prior_hole_where_codes_are_draws_from_the_prior(latents):
    scores = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        found = prior_hole(*rng.normal(size=(2, 400, latents)))
        scores.append(found["prior_hole"] / found["prior_hole_se"])
    assert np.abs(scores).max() < 4
    assert abs(np.mean(scores)) < 4 / math.sqrt(10)  # unbiased where there is none
    # The halves trained each other's trees: as if independent, they would scatter by 1.2 standard errors.
    assert np.std(scores) < 1.5


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_the_prior_hole_is_near_the_total_variation_and_not_above_it(shift):
    rng = np.random.default_rng(1)
    found = prior_hole(rng.normal(size=(4000, 1)) + shift, rng.normal(size=(4000, 1)))
    exact = math.erf(shift / 2 / math.sqrt(2))  # 2 Phi(m/2) - 1
    assert found["prior_hole"] < exact + 4 * found["prior_hole_se"]
    assert found["prior_hole"] > 0.7 * exact
    assert "4000 of each" in found["prior_hole_estimator"]


def test_one_draw_cannot_tell_its_bias():
    """ESS = K = 1 whatever the weights are: (1/ESS - 1/K) / 2 = 0 would be an estimate of nothing."""
    ones = np.ones(4, np.float32)
    single = Estimate(ones, ones, ones, ones, np.zeros((4, 2)))
    metric, about = NLL(num_samples=1), About(3, 0.0, None)
    numbers = metric.numbers(single, (), about)
    assert numbers["bias"] is None
    assert "unknown bias" in metric.warnings(numbers)[0]
    assert NLL(num_samples=20).numbers(single._replace(ess=20 * ones), (), about)["bias"] == pytest.approx(0.0)


def test_codes_that_are_not_finite_or_too_few_have_no_score():
    rng = np.random.default_rng(0)
    codes, prior = rng.normal(size=(2, 100, 2))
    for wrong in (np.nan, np.inf):
        broken = codes.copy()
        broken[7, 1] = wrong
        assert set(prior_hole(broken, prior).values()) == {None}
    assert set(prior_hole(codes[:3], prior[:3]).values()) == {None}


def test_each_alarm_has_two_sides():
    def tags(rate, active, latents=16, status="completed"):
        return alarms({"status": status, "rate": rate, "active_units": active, "latent_dim": latents})

    assert tags(5.0, 8) == []
    assert tags(0.0499, 8) == tags(5.0, 0) == ["collapsed"]
    assert tags(0.0501, 8) == ["over_regularized"]
    assert tags(0.999, 8) == ["over_regularized"]
    assert tags(1.0, 8) == []
    assert tags(5.0, 1, latents=11) == ["over_regularized"]  # fewer than a tenth
    assert tags(5.0, 1, latents=10) == []
    assert tags(5.0, 1, latents=1) == []
    assert tags(0.0, 0, status="diverged") == ["diverged"]  # its numbers are of where it stood still
    assert tags(None, None, status="diverged") == ["diverged"]
    assert tags(5.0, 8, status="diverged") == ["diverged"]
    assert tags(None, 0) == tags(0.0, None) == alarms({}) == []
    assert tags(float("nan"), 8) == []
    assert all(ALARMS[tag].remedy and ALARMS[tag].rule for tag in ("collapsed", "over_regularized", "diverged"))
