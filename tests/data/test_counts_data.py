"""Tests of the counts from a known model."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Counts
from vaex.likelihoods import Bernoulli, Gaussian, NegativeBinomial, Poisson
from vaex.models import VAE
from vaex.models.decoders import Linear as LinearDecoder
from vaex.models.encoders import Linear as LinearEncoder
from vaex.typing import Params

MANY = Counts(num_examples=20_000, num_genes=12)


def assert_zero_mean(values: np.ndarray, name: str) -> None:
    """Asserts that the mean over the first axis is 0 within four of its standard errors."""
    error = values.std(0) / np.sqrt(len(values))
    assert np.all(np.abs(values.mean(0)) <= 4 * error), name


@pytest.mark.parametrize("dispersion", [0.5, 2.0, 50.0, None])
def test_moments_are_those_of_the_model(dispersion: float | None) -> None:
    drawn = Counts(num_examples=20_000, num_genes=12, dispersion=dispersion).draw()
    z, library, mean, x = drawn
    variance = mean + (0 if dispersion is None else mean**2 / dispersion)
    assert_zero_mean(x - mean, "E x = mu")
    assert_zero_mean((x - mean) ** 2 / variance - 1, "Var x = mu + mu^2 / r")
    standard = (x - mean) / np.sqrt(variance)
    assert_zero_mean(standard[:, :-1] * standard[:, 1:], "independent given z and l")
    assert_zero_mean(z, "E z = 0")
    assert_zero_mean(z**2 - 1, "Var z = 1")
    assert_zero_mean(library - 500, "E l = library")
    log_library = np.log(library) - np.log(500) + 0.3**2 / 2
    assert_zero_mean(log_library, "E log l = log library - sd^2 / 2")
    assert_zero_mean(log_library**2 - 0.3**2, "Var log l = sd^2")
    np.testing.assert_allclose(mean.sum(1), library, rtol=1e-12)


def test_the_mean_is_the_softmax_of_a_linear_function() -> None:
    drawn, decoder = MANY.draw(), MANY.true_params()["decoder"]["Dense_0"]
    shares = jax.nn.softmax(drawn.z @ np.float64(decoder["kernel"]) + decoder["bias"])
    # float32 against float64
    np.testing.assert_allclose(drawn.mean / drawn.library[:, None], shares, rtol=1e-5)


def test_the_seed_of_the_draws_alone_moves_them() -> None:
    x = Counts().read().train
    assert x.dtype == np.float32
    assert x.shape == (2000, 50)
    assert np.all(x == np.round(x))
    assert x.min() >= 0
    np.testing.assert_array_equal(x, Counts(seed=3, split_seed=4).read().train)
    assert not np.array_equal(x, Counts(draw_seed=1).read().train)
    # More examples, or another dispersion, are of the same model.
    np.testing.assert_array_equal(Counts(num_examples=10).draw().mean, Counts(dispersion=None).draw().mean[:10])


def test_what_differs_shows_in_the_measure() -> None:
    assert Counts().load(Poisson()).measure == "counts, counting measure"
    changed = Counts(dispersion=None, draw_seed=1).load(NegativeBinomial(library="observed"))
    assert changed.measure == "counts (dispersion=None, draw_seed=1), given each example's total, counting measure"


def test_likelihoods_that_score_counts_take_them_and_others_do_not() -> None:
    for likelihood in (Poisson(), NegativeBinomial(), Gaussian()):
        data = Counts().load(likelihood)
        np.testing.assert_array_equal(np.asarray(data.preparation(data.test)), data.test)
    with pytest.raises(VaexError, match="counts, training split"):
        Counts().load(Bernoulli())


@pytest.mark.parametrize(
    "options",
    [
        *({"num_genes": 0}, {"num_examples": -1}, {"draw_seed": -1}, {"dispersion": 0.0}, {"library": 0.0}),
        *({"library_sd": -0.1}, {"library_sd": float("nan")}, {"dispersion": float("inf")}),
    ],
)
def test_what_is_no_model_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(VaexError, match=rf"data\.{next(iter(options))}: expected"):
        Counts(**options)


def test_counts_that_float32_would_round_are_refused() -> None:
    with pytest.raises(VaexError, match=r"below 2\^24.*lower data\.library"):
        Counts(library=1e9).read()


def model(data: Counts) -> VAE:
    likelihood: Any = Poisson if data.dispersion is None else NegativeBinomial
    vae = VAE(LinearEncoder(), LinearDecoder(), likelihood(library="observed"), data.num_factors, (data.num_genes,))
    full = vae.init(jax.random.key(0), data.load(vae.likelihood).stats)
    like, true = (jax.tree.map(jnp.shape, tree) for tree in (full, {**full, **data.true_params()}))
    assert like == true
    return vae


def assert_better(best: np.ndarray, worse: np.ndarray, name: str) -> None:
    """Asserts that the first scores are higher by four standard errors of the paired difference."""
    gain = np.float64(best) - worse
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain)), name


def with_decoder(truth: Params, **changed: Any) -> Params:
    return {**truth, "decoder": {"Dense_0": {**truth["decoder"]["Dense_0"], **changed}}}


@pytest.mark.parametrize("dispersion", [2.0, None])
def test_the_true_params_explain_the_counts_given_the_factors(dispersion: float | None) -> None:
    data = Counts(num_examples=500, dispersion=dispersion)
    vae, truth, drawn = model(data), data.true_params(), data.draw()

    @jax.jit
    @partial(jax.vmap, in_axes=(None, 0, 0))
    def score(params: Any, z: Any, x: Any) -> Any:
        return vae.likelihood.log_prob(params["likelihood"], vae.decode(params, z), x)

    kernel, bias = (truth["decoder"]["Dense_0"][name] for name in ("kernel", "bias"))
    others = {"W": with_decoder(truth, kernel=1.2 * kernel), "b": with_decoder(truth, bias=0.8 * bias)}
    others["turned W"] = with_decoder(truth, kernel=kernel[::-1])
    if dispersion:
        # The total in the place of l hides some of the spread: with 50 genes the best r is 5 % above the truth.
        for r in (0.7 * dispersion, 1.5 * dispersion):
            others[f"r={r}"] = {
                **truth,
                "likelihood": {**truth["likelihood"], "log_dispersion": jnp.log(jnp.float32(r))},
            }
    z = jnp.asarray(drawn.z, jnp.float32)
    for name, params in others.items():
        assert_better(score(truth, z, drawn.counts), np.asarray(score(params, z, drawn.counts)), name)


@pytest.mark.parametrize("dispersion", [2.0, None])
def test_the_true_params_explain_the_counts_better_than_others(dispersion: float | None) -> None:
    data = Counts(num_examples=60, num_genes=12, library=50.0, dispersion=dispersion)
    vae, truth, x = model(data), data.true_params(), data.read().train
    # Trapezoids of width h = 1/4 are off by exp(-2 pi^2 s^2 / h^2) for a posterior of width s: 0.01 at 0.12
    axis = jnp.linspace(-5.0, 5.0, 41)
    grid = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
    log_weight = -0.5 * jnp.sum(grid**2, -1) - jnp.log(2 * jnp.pi) + 2 * jnp.log(0.25)

    @jax.jit
    def score(params: Any, x: Any) -> Any:  # log p(x) of each example
        raw = jax.vmap(lambda z: vae.decode(params, z))(grid)

        def one(x: Any) -> Any:
            given = jax.vmap(lambda raw: vae.likelihood.log_prob(params["likelihood"], raw, x))(raw)
            return jax.nn.logsumexp(given + log_weight)

        return jax.lax.map(one, x, batch_size=20)

    kernel, bias = (truth["decoder"]["Dense_0"][name] for name in ("kernel", "bias"))
    best = np.asarray(score(truth, x))
    assert_better(best, np.asarray(score(with_decoder(truth, kernel=2.0 * kernel), x)), "W")
    assert_better(best, np.asarray(score(with_decoder(truth, bias=0.5 * bias), x)), "b")
