"""log p(x) by annealing, a sandwich of it on simulated data, and the whole rate-distortion curve in one run."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int

from vaex import _check
from vaex._check import VaexError
from vaex.metrics.annealing import KINDS, At, Path, Transition, anneal, point_at, temperatures
from vaex.metrics.hmc import frozen_hmc, pilot
from vaex.models import VAE
from vaex.part import part, static
from vaex.typing import Event, Number, Params, PRNGKey, Scalar

_SIMULATED = 2**31 + 2  # beyond the examples' own keys, which are folded from their index, and `Information`'s two


@part
class Annealing:
    """How a chain is annealed: cost is num_temperatures x num_chains x num_leapfrog gradients of the decoder.

    A pilot run of num_pilot temperatures comes before, and finds the step sizes.
    """

    num_temperatures: int = static(default=1000)
    num_chains: int = static(default=16)
    num_leapfrog: int = static(default=5)
    num_pilot: int = static(default=100)
    kind: str = static(default="sigmoid")  # or "linear"
    step_size: float = 0.1  # where the pilot's starts
    target_acceptance: float = 0.9

    def __post_init__(self) -> None:
        own = type(self).__name__
        for name in ("num_temperatures", "num_chains", "num_leapfrog", "num_pilot"):
            _check.whole(f"{own}.{name}", getattr(self, name))
        _check.one_of(f"{own}.kind", self.kind, KINDS)
        _check.positive(f"{own}.step_size", self.step_size)
        _check.positive(f"{own}.target_acceptance", self.target_acceptance)
        _check.below_one(f"{own}.target_acceptance", self.target_acceptance)


class AnnealedEstimate(NamedTuple):
    """What C chains say of one example; under `vmap` every array gains a leading B."""

    nll: Float[Array, "*B"]  # -log 1/C sum_c w_c, nats: an upper bound of -log p(x) in expectation
    ess: Float[Array, "*B"]  # effective number of chains (sum w)^2 / sum w^2, between 1 and C
    acceptance: Float[Array, "*B"]  # mean over chains and temperatures
    least_acceptance: Float[Array, "*B"]  # the lowest mean over chains of a tenth of the path


class Sandwich(NamedTuple):
    """log p(x) between two estimates, of one example that the model made; under `vmap` arrays gain a leading B."""

    lower: Float[Array, "*B"]  # nats: a lower bound of log p(x) in expectation
    upper: Float[Array, "*B"]  # nats: an upper bound of log p(x) in expectation
    ess: Float[Array, "*B"]  # effective number of the lower bound's chains
    acceptance: Float[Array, "*B"]  # mean over chains, temperatures and both directions
    least_acceptance: Float[Array, "*B"]  # the lowest mean over chains of a tenth of either path
    x: Float[Array, "..."]  # the example, [*B, *event]


class RateDistortion(NamedTuple):
    """The curve at R temperatures, of one example; under `vmap` every array gains a leading B."""

    beta: Float[Array, "*B R"]
    log_z: Float[Array, "*B R"]  # log of the integral of p(z) p(x|z)^b, nats: a lower bound in expectation
    distortion: Float[Array, "*B R"]  # -E log p(x|z) under p_b(z) ~ p(z) p(x|z)^b, nats, chains weighted
    rate: Float[Array, "*B R"]  # KL(p_b || p(z)) = -log_z - b distortion, nats
    ess: Float[Array, "*B R"]  # effective number of chains
    acceptance: Float[Array, "*B R"]  # mean over chains since the last record; 0 where there was no transition


def ais_estimate(
    model: VAE, params: Params, key: PRNGKey, index: Number, x: Event, settings: Annealing
) -> AnnealedEstimate:
    """Returns log p(x) of one example by annealed importance sampling, which needs no encoder.

    Numbers depend on no batch: keys are folded from (index, chain, temperature), and step sizes are the example's own.
    Another batch size rounds matrix products otherwise, and chains at long steps are chaotic: at an acceptance of 0.65
    a last digit grows to 0.4 nats of one example. At the default of 0.9 it stays below 1e-5.

    Args:
        model: the model.
        params: its parameters.
        key: of the whole evaluation.
        index: the example's place in its split.
        x: the example.
        settings: how to anneal.

    References:
        Wu, Burda, Salakhutdinov and Grosse, "On the Quantitative Analysis of Decoder-Based Generative Models", 2017.
    """
    keys = jax.random.split(jax.random.fold_in(key, index), 3)
    at = _point_of(model, params, x)
    transition = _tuned(model, params, at, keys[0], settings, 1.0)
    z = _from_prior(model, params, keys[1], settings.num_chains)
    betas = temperatures(settings.num_temperatures, settings.kind)
    path = _anneal_all(at, keys[2], z, betas, transition, _tenths(settings.num_temperatures))
    acceptance, least = _acceptances(path, settings.num_temperatures)
    return AnnealedEstimate(-_log_mean(path.log_w)[-1], _ess(path.log_w)[-1], acceptance, least)


def bdmc_estimate(model: VAE, params: Params, key: PRNGKey, index: Number, settings: Annealing) -> Sandwich:
    """Returns both bounds of log p(x) for one x that the model makes, whose z is an exact draw from p(z|x).

    The gap bounds the error of `ais_estimate` with the same settings, on data like the model's own.

    Args:
        model: the model.
        params: its parameters.
        key: of the whole evaluation.
        index: which of the simulated examples.
        settings: how to anneal, in both directions.

    Raises:
        VaexError: where the likelihood is no density of x given z alone, so that x cannot be drawn from it.

    References:
        Grosse, Ghahramani and Adams, "Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo", 2015.
    """
    check_can_simulate(model)
    num, chains = settings.num_temperatures, settings.num_chains
    # On a branch of its own: `split` and `fold_in` agree, and (index, 3) below the root is the key of an NLL's draw 3.
    keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, _SIMULATED), index), 6)
    z_true = model.prior_of(params).sample_and_log_prob(keys[3])[0]
    x = model.likelihood.sample(params["likelihood"], keys[4], model.decode(params, z_true))
    at = _point_of(model, params, x)
    # The step sizes know x and never its z, or the path down would not start from an exact draw given them.
    transition = _tuned(model, params, at, keys[0], settings, 1.0)
    betas = temperatures(num, settings.kind)
    up = _anneal_all(at, keys[2], _from_prior(model, params, keys[1], chains), betas, transition, _tenths(num))
    down = _anneal_all(
        at, keys[5], jnp.broadcast_to(z_true, (chains, *z_true.shape)), betas[::-1], transition, _tenths(num)
    )
    (rising, least_rising), (falling, least_falling) = _acceptances(up, num), _acceptances(down, num)
    return Sandwich(
        lower=_log_mean(up.log_w)[-1],
        upper=-_log_mean(down.log_w)[-1],  # E w = 1 / p(x)
        ess=_ess(up.log_w)[-1],
        acceptance=0.5 * (rising + falling),
        least_acceptance=jnp.minimum(least_rising, least_falling),
        x=x,
    )


def rate_distortion_estimate(
    model: VAE,
    params: Params,
    key: PRNGKey,
    index: Number,
    x: Event,
    settings: Annealing,
    record: Int[Array | np.ndarray, " R"],
    top: Number = 1.0,
) -> RateDistortion:
    """Returns the rate and the distortion of one example at R temperatures of one run.

    They are those of the best q(z|x) there is for the decoder at each beta: what no encoder can beat.

    Args:
        model: the model.
        params: its parameters.
        key: of the whole evaluation.
        index: the example's place in its split.
        x: the example.
        settings: how to anneal.
        record: which of `temperatures(settings.num_temperatures, settings.kind, top)` to record, rising.
        top: the last temperature; above 1 for distortions below that of p(z|x).

    References:
        Huang, Makhzani, Cao and Grosse, "Evaluating Lossy Compression Rates of Deep Generative Models", 2020.
    """
    keys = jax.random.split(jax.random.fold_in(key, index), 3)
    at = _point_of(model, params, x)
    transition = _tuned(model, params, at, keys[0], settings, top)
    z = _from_prior(model, params, keys[1], settings.num_chains)
    betas = temperatures(settings.num_temperatures, settings.kind, top)
    path = _anneal_all(at, keys[2], z, betas, transition, record)
    beta, log_z = betas[jnp.asarray(record)], _log_mean(path.log_w)
    w = jax.nn.softmax(path.log_w, axis=0)
    # D = -sum_c w_c log p(x|z_c) / sum_c w_c;  R = E log p_b(z) / p(z) = -log Z_b - b D
    distortion = -jnp.sum(jnp.where(w > 0, w * path.log_px, 0.0), axis=0)
    rate = -log_z - beta * distortion
    return RateDistortion(beta, log_z, distortion, rate, _ess(path.log_w), jnp.mean(path.acceptance, axis=0))


def _point_of(model: VAE, params: Params, x: Event) -> At:
    def log_px(z: Float[Array, " Z"]) -> Scalar:
        return model.likelihood.log_prob(params["likelihood"], model.decode(params, z), x)

    return partial(point_at, log_px, model.prior_of(params).log_prob)


def _from_prior(model: VAE, params: Params, key: PRNGKey, num: int) -> Float[Array, "C Z"]:
    prior = model.prior_of(params)
    return jax.vmap(lambda c: prior.sample_and_log_prob(jax.random.fold_in(key, c))[0])(jnp.arange(num))


def _tuned(model: VAE, params: Params, at: At, key: PRNGKey, settings: Annealing, top: Number) -> Transition:
    key_start, key_run = jax.random.split(key)
    z = _from_prior(model, params, key_start, settings.num_chains)
    betas = temperatures(settings.num_pilot, settings.kind, top)
    num = settings.num_leapfrog
    log_steps = pilot(at, num, key_run, z, betas, settings.step_size, settings.target_acceptance)
    return frozen_hmc(at, num, betas[1:], log_steps)


def _anneal_all(
    at: At,
    key: PRNGKey,
    z: Float[Array, "C Z"],
    betas: Float[Array, " S"],
    transition: Transition,
    record: Int[Array | np.ndarray, " R"],
) -> Path:
    one = lambda c, z: anneal(jax.random.fold_in(key, c), at(z), betas, transition, record)  # noqa: E731
    return jax.vmap(one)(jnp.arange(len(z)), z)


def _tenths(num: int) -> Int[np.ndarray, " R"]:
    return np.unique(np.ceil(np.linspace(0, num, 11)[1:]).astype(np.int32))


def _acceptances(path: Path, num: int) -> tuple[Scalar, Scalar]:
    each, lengths = jnp.mean(path.acceptance, axis=0), np.diff(_tenths(num), prepend=0)
    return jnp.sum(each * lengths) / num, jnp.min(each)


def _log_mean(log_w: Float[Array, "C R"]) -> Float[Array, " R"]:
    return logsumexp(log_w, axis=0) - jnp.log(len(log_w))


def _ess(log_w: Float[Array, "C R"]) -> Float[Array, " R"]:
    return jnp.exp(2.0 * logsumexp(log_w, axis=0) - logsumexp(2.0 * log_w, axis=0))


def check_can_simulate(model: VAE) -> None:
    """Raises `VaexError` unless x can be drawn from the density that the likelihood computes."""
    likelihood = model.likelihood
    if not likelihood.is_density:
        raise VaexError(f"bdmc: likelihood={likelihood.name} is no density, so no x can be drawn from it")
    if likelihood.condition:
        raise VaexError(
            f"bdmc: the density of likelihood={likelihood.name} is one{likelihood.condition}, which no simulated x has "
            "before it is drawn; train with likelihood.library=none, or use ais_estimate"
        )
