"""Counts whose variance is their mean."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.likelihoods.base import flat
from vaex.likelihoods.counts import Counts
from vaex.numerics import log1p_gap, stirling_error
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar


@part
class Poisson(Counts):
    """log p(x) = x log mu - mu - log x!, the mean mu from the decoder's logarithm.

    References:
        Loader, "Fast and Accurate Computation of Binomial Probabilities", 2000 (the form computed here).
    """

    name: ClassVar[str] = "poisson"

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x | mu), in nats."""
        log_mu, x = flat(self.log_mean(params, raw, x)), flat(x)
        return jnp.sum(poisson_log_prob(x, log_mu))

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns counts."""
        return jax.random.poisson(key, self.mean(params, raw)).astype(raw.dtype)


def poisson_log_prob(x: Float[Array, " D"], log_mu: Float[Array, " D"]) -> Float[Array, " D"]:
    """Returns log p(x | mu) of each count, in nats."""
    # log p = -1/2 log(2 pi x) - E(x) - x g(mu/x - 1), g(t) = t - log(1 + t): x log mu, mu and log x! never meet
    mu = jnp.exp(log_mu)
    some = jnp.maximum(x, 1.0)
    deviance = some * log1p_gap((mu - some) / some, log_mu - jnp.log(some))
    counted = -0.5 * jnp.log(2.0 * math.pi * some) - stirling_error(some) - deviance
    return jnp.where(x > 0, counted, -mu)
