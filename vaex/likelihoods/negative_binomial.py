"""Counts that vary more than a Poisson's."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.likelihoods.base import flat
from vaex.likelihoods.counts import LOG_RATES, Counts
from vaex.numerics import log1p_gap, soft_clip, stirling_error
from vaex.part import part, static
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats


@part
class NegativeBinomial(Counts):
    """Mean mu, inverse dispersion r: variance mu + mu^2 / r, the Poisson as r grows.

    log p(x) = log G(x + r) - log G(r) - log x! + r log(r / (r + mu)) + x log(mu / (r + mu)).

    References:
        Lopez et al., "Deep Generative Modeling for Single-Cell Transcriptomics", 2018, Methods (`library=observed`).
        Loader, "Fast and Accurate Computation of Binomial Probabilities", 2000 (the form computed here).
    """

    dispersion: str = static(default="shared")  # r: one number, "feature": one a value, "decoder": from z

    name: ClassVar[str] = "negative_binomial"

    def __post_init__(self) -> None:
        Counts.__post_init__(self)
        _check.one_of("likelihood.dispersion", self.dispersion, ("shared", "feature", "decoder"))

    @property
    def num_raw(self) -> int:
        """The decoder's numbers a value."""
        return 2 if self.dispersion == "decoder" else 1

    def raw_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the event's shape, or `(*event, 2)`: log mu and log r."""
        return event_shape if self.num_raw == 1 else (*event_shape, self.num_raw)

    def raw_mean(self, raw: Raw) -> Float[Array, "*event"]:
        """Returns the decoder's output for the means."""
        return jnp.asarray(raw) if self.num_raw == 1 else jnp.asarray(raw)[..., 0]

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns log r where it is no output of the decoder, and the mean total where there is one."""
        params = Counts.init(self, key, stats)
        if self.dispersion == "decoder":
            return params
        shape = () if self.dispersion == "shared" else jnp.shape(stats.mean)
        return {**params, "log_dispersion": jnp.full(shape, _log_dispersion(stats))}

    def log_dispersion(self, params: Params, raw: Raw) -> Float[Array, "..."]:
        """Returns log r, one number or one a value."""
        own = jnp.asarray(raw)[..., -1] if self.dispersion == "decoder" else params["log_dispersion"]
        return soft_clip(own, LOG_RATES)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the log of the data's mean, and log r at the data's overall variance."""
        start = self.log_start(stats)
        return start if self.num_raw == 1 else jnp.stack([start, jnp.full_like(start, _log_dispersion(stats))], axis=-1)

    def log_prob_each(self, params: Params, raw: Raw, x: Event) -> Float[Array, " D"]:
        """Returns log p(x | mu, r) of each count, in nats, flat."""
        log_mu = flat(self.log_mean(params, raw, x))
        log_r = jnp.broadcast_to(flat(self.log_dispersion(params, raw)), log_mu.shape)
        return negative_binomial_log_prob(flat(x), log_mu, log_r)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x | mu, r), in nats."""
        return jnp.sum(self.log_prob_each(params, raw, x))

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns counts: a Poisson whose rate is gamma-distributed."""
        of_rate, of_count = jax.random.split(key)
        mu = jnp.exp(self.log_mean(params, raw))
        r = jnp.broadcast_to(jnp.exp(self.log_dispersion(params, raw)), mu.shape)
        return jax.random.poisson(of_count, jax.random.gamma(of_rate, r) * mu / r).astype(raw.dtype)


def _log_dispersion(stats: Stats) -> Scalar:
    # Var = mu + mu^2 / r over all values: r = sum mu^2 / sum (Var - mu)
    mean = jnp.asarray(stats.mean)
    extra = jnp.sum(jnp.square(jnp.asarray(stats.std)) - mean)
    square = jnp.sum(jnp.square(mean))
    # Data without more spread than a Poisson's start at 100: nearly a Poisson, and still with a gradient
    ratio = jnp.where(extra > 0, square / jnp.where(extra > 0, extra, 1.0), 1e2)
    return jnp.log(jnp.clip(ratio, 1e-2, 1e4))


def negative_binomial_log_prob(
    x: Float[Array, " D"], log_mu: Float[Array, " D"], log_r: Float[Array, " D"]
) -> Float[Array, " D"]:
    """Returns log p(x | mu, r) of each count, in nats."""
    mu, r = jnp.exp(log_mu), jnp.exp(log_r)
    log_sum = jnp.logaddexp(log_mu, log_r)  # log(r + mu)
    some = jnp.maximum(x, 1.0)
    n = some + r
    # With n = x + r, p = r / (r + mu), E what Stirling leaves out and g(t) = t - log(1 + t), no large terms meet:
    # log p = E(n) - E(r) - E(x) - r g(n p / r - 1) - x g(n (1 - p) / x - 1) + 1/2 log(r / (2 pi x n))
    up = (some - mu) / (r + mu)  # n p / r - 1
    down = -up * (r / some)  # n (1 - p) / x - 1
    log_n, log_x = jnp.log(n), jnp.log(some)
    deviance = r * log1p_gap(up, log_n - log_sum) + some * log1p_gap(down, log_n - log_sum + log_mu - log_x)
    stirling = stirling_error(n) - stirling_error(r) - stirling_error(some)
    counted = stirling - deviance + 0.5 * (log_r - log_n - log_x - math.log(2.0 * math.pi))
    # log p(0) = -r log(1 + mu / r)
    none = -r * jnp.logaddexp(0.0, log_mu - log_r)
    return jnp.where(x > 0, counted, none)
