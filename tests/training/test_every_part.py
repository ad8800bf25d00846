"""Every part trains on fitting data: alone, and beside a neighbour of other numbers in one program."""

import contextlib
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vaex.likelihoods
import vaex.objectives
from tests.training.conftest import same
from vaex._check import VaexError
from vaex.data import Array, Digits
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
from vaex.models import VAE, decoders, encoders
from vaex.objectives import (
    CIWAE,
    ELBO,
    GECO,
    IWAE,
    MIWAE,
    PIWAE,
    Capacity,
    FreeBits,
    PIControl,
    Renyi,
    TargetRate,
    dip_vae,
    info_vae,
    tc_vae,
    wae_mmd,
)
from vaex.objectives.penalties import DIP, MMD, TotalCorrelation
from vaex.optimizers import SGD, Adam
from vaex.training import Recipe, run_steps
from vaex.training.step import init_state, train_step
from vaex.training.train import train_pack

# of every part, two with other numbers; where it has none, the neighbour has another learning rate
LIKELIHOODS = [
    (Bernoulli(), Bernoulli()),
    (Bce(), Bce()),
    (Gaussian(), Gaussian(scale=0.3)),
    (mse(), mse()),
    (SharedGaussian(), SharedGaussian()),
    (OptimalGaussian(), OptimalGaussian()),
    (DiagonalGaussian(), DiagonalGaussian()),
    (ContinuousBernoulli(), ContinuousBernoulli()),
    (Laplace(), Laplace(scale=0.2)),
    (Laplace(scale=None), Laplace(scale=None)),
    (StudentT(), StudentT()),
    (StudentT(scale=0.3, df=3.0), StudentT(scale=0.5, df=9.0)),
    (Beta(), Beta()),
    (Categorical(), Categorical()),
    (DiscretizedLogistic(), DiscretizedLogistic()),
    (LogisticMixture(components=2), LogisticMixture(components=2)),
    (Poisson(), Poisson()),
    (Poisson(library="observed"), Poisson(library="observed")),
    (NegativeBinomial(), NegativeBinomial()),
    (ZeroInflatedNegativeBinomial(dispersion="decoder"), ZeroInflatedNegativeBinomial(dispersion="decoder")),
]
OBJECTIVES = [
    (ELBO(), ELBO(beta=4.0)),
    (
        ELBO(kl="sampled", estimator="stl", num_samples=2, chunk=1),
        ELBO(0.5, kl="sampled", estimator="stl", num_samples=2, chunk=1),
    ),
    (IWAE(num_samples=3), IWAE(num_samples=3)),
    (IWAE(num_samples=3, estimator="dreg", chunk=2), IWAE(num_samples=3, estimator="dreg", chunk=2)),
    (Renyi(num_samples=3), Renyi(num_samples=3, alpha=-1.0)),
    (CIWAE(num_samples=3), CIWAE(num_samples=3, mix=0.1)),
    (MIWAE(num_samples=2, num_groups=2, estimator="dreg"), MIWAE(num_samples=2, num_groups=2, estimator="dreg")),
    (PIWAE(num_samples=2, num_groups=2), PIWAE(num_samples=2, num_groups=2)),
    (FreeBits(), FreeBits(free=0.5, beta=2.0)),
    (Capacity(capacity=2.0), Capacity(capacity=6.0, gamma=10.0)),
    (GECO(target=20.0), GECO(target=25.0)),
    (TargetRate(target=3.0), TargetRate(target=6.0)),
    (PIControl(target=3.0), PIControl(target=6.0)),
    (tc_vae(), tc_vae(total_correlation=2.0)),
    (tc_vae(tc_estimator="minibatch_weighted"), tc_vae(mutual_information=0.5, tc_estimator="minibatch_weighted")),
    (dip_vae(kind="i"), dip_vae(off_diagonal=1.0, kind="i")),
    (dip_vae(), dip_vae(diagonal=3.0)),
    (info_vae(), info_vae(alpha=0.5)),
    (wae_mmd(), wae_mmd(weight=100.0)),
    (GECO(target=20.0, penalty=DIP()), GECO(target=22.0, penalty=DIP(diagonal=1.0))),
    (ELBO(2.0, penalty=TotalCorrelation()), ELBO(4.0, penalty=TotalCorrelation(total_correlation=3.0))),
    (TargetRate(target=4.0, penalty=MMD()), TargetRate(target=4.0, penalty=MMD(weight=3.0))),
]


def name_of(pair):
    return getattr(pair[0], "name", type(pair[0]).__name__)


def both_ways(data, models, objectives):
    """A pack of two, and its first member alone: bit for bit the same, in one program."""
    recipes = [
        Recipe(model, objective, Adam(learning_rate=rate), num_steps=200, batch_size=32, eval_every=100, log_every=50)
        for model, objective, rate in zip(models, objectives, (1e-3, 2e-3), strict=True)
    ]
    before = run_steps.one.num_compiled
    # One device, so that each program is compiled once; that devices change no bit is held by test_pack.py.
    device = jax.devices()[:1]
    together = train_pack(recipes, data, strategy="loop", devices=device)
    programs = run_steps.one.num_compiled - before
    alone = train_pack(recipes[:1], data, devices=device)[0]
    assert run_steps.one.num_compiled - before == programs  # the pack's program is that of a run by itself
    for result in (*together, alone):
        assert result.status == "completed", result.message
        for _, _, values in result.history:
            assert all(np.isfinite(v) for v in values.values())
    assert same(together[0].params, alone.params)
    assert not same(together[0].params, together[1].params)
    last = [values for _, split, values in together[0].history if split == "test"]
    return last[0], last[-1]


@pytest.mark.parametrize("pair", LIKELIHOODS, ids=name_of)
def test_a_likelihood_trains(pair, tmp_path):
    support = pair[0].support
    if support == "counts":
        rng = np.random.default_rng(0)
        x = rng.poisson(rng.gamma(2.0, [1.0, 5.0, 20.0, 0.2, 3.0, 1.0], (300, 6)) * rng.gamma(3.0, 0.5, (300, 1)))
        np.save(tmp_path / "x.npy", x.astype(np.float32))
        data = Array(path=str(tmp_path / "x.npy")).load(pair[0])
    elif support == "real":
        rng = np.random.default_rng(0)
        np.save(tmp_path / "x.npy", rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6)) + rng.normal(size=6))
        data = Array(path=str(tmp_path / "x.npy")).load(pair[0])
    else:
        data = Digits().load(pair[0])
    models = [
        VAE(encoders.MLP((16,)), decoders.MLP((16,)), one.at_levels(data.levels), 2, data.event_shape) for one in pair
    ]
    first, last = both_ways(data, models, (ELBO(), ELBO()))
    assert last["loss"] < first["loss"] + 1.0  # nats: it goes down, or has got there
    assert "effective_beta" in last


@pytest.mark.parametrize("pair", OBJECTIVES, ids=name_of)
def test_an_objective_trains(pair, digits):
    model = VAE(encoders.MLP((16,)), decoders.MLP((16,)), Bernoulli(), 4, (8, 8, 1))
    _, last = both_ways(digits, (model, model), pair)
    assert {"loss", "objective", "elbo", "rate", "distortion", "beta", "effective_beta"} <= last.keys()


BOUNDS = [
    *(IWAE, CIWAE, Renyi, MIWAE, PIWAE),
    *(functools.partial(make, num_groups=1) for make in (MIWAE, PIWAE)),
]
WEIGHTED = [
    *(FreeBits, functools.partial(GECO, target=20.0)),
    *(functools.partial(make, kl="sampled") for make in (ELBO, tc_vae, wae_mmd)),
]
DRAWN = list(itertools.product(("reparameterized", "stl", "dreg"), (1, 2), (None, 1), (Gaussian(), OptimalGaussian())))


@pytest.mark.parametrize("make", [*BOUNDS, *WEIGHTED], ids=lambda m: getattr(m, "func", m).__name__)
def test_every_combination_traces_or_is_refused(make, vectors):
    """Each way of making draws, under a likelihood that reads the batch too: refused before tracing, or a step."""
    taken = []
    for estimator, num_samples, chunk, likelihood in DRAWN:
        model = VAE(encoders.Linear(), decoders.Linear(), likelihood, 2, (6,))
        with contextlib.suppress(VaexError):
            objective = make(num_samples=num_samples, estimator=estimator, chunk=chunk)
            taken.append((estimator, num_samples, chunk, likelihood.name, Recipe(model, objective, SGD())))
    x, key = jnp.asarray(vectors.train[:4]), jax.random.key(0)
    for *_, recipe in taken:
        state = jax.eval_shape(lambda recipe=recipe: init_state.one(recipe, vectors.stats))
        shapes = jax.eval_shape(lambda state, recipe=recipe: train_step(recipe, state, key, x, 50), state)[1]
        assert shapes["loss"].shape == ()
    estimators = {(estimator, num_samples) for estimator, num_samples, *_ in taken}
    assert ("reparameterized", 2) in estimators
    if make in BOUNDS:
        assert {("dreg", 1), ("dreg", 2), ("stl", 1)} <= estimators
        with_batch = {e for e, k, c, name, _ in taken if name == "optimal_gaussian"}
        assert with_batch == (set() if make in (MIWAE, PIWAE) else {"reparameterized", "stl", "dreg"})


def test_nothing_is_left_out():
    tried = {type(one) for pair in LIKELIHOODS for one in pair}
    public = {getattr(vaex.likelihoods, n) for n in vaex.likelihoods.__all__}
    assert {c for c in public if isinstance(c, type)} - {vaex.likelihoods.Likelihood} == tried
    tried = {type(one) for pair in OBJECTIVES for one in pair}
    public = {getattr(vaex.objectives, n) for n in vaex.objectives.__all__}
    parts = {
        c for c in public if isinstance(c, type) and hasattr(c, "num_draws") and c is not vaex.objectives.Objective
    }
    assert parts == tried
