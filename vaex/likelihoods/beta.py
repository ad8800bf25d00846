"""Values strictly between 0 and 1."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.likelihoods.base import Likelihood, flat
from vaex.numerics import log1p_gap, logit, soft_clip, stirling_error
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

_LOGITS = (-15.0, 15.0)  # of the mean, bounded smoothly: at 0 or 1 there is no density


@part
class Beta(Likelihood):
    """p(x) = x^(a - 1) (1 - x)^(b - 1) / B(a, b) with a = m c and b = (1 - m) c: mean m, concentration c.

    The decoder emits the mean's logit and log c, both bounded smoothly.

    References:
        Ferrari and Cribari-Neto, "Beta Regression for Modelling Rates and Proportions", 2004.
    """

    name: ClassVar[str] = "beta"
    support: ClassVar[str] = "open_unit_interval"
    measure: ClassVar[str] = "lebesgue"

    def raw_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns `(*event, 2)`: the mean's logit and the raw log-concentration."""
        return (*event_shape, 2)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the mean's logit, and the concentration at which the overall variance is the data's."""
        mean = jnp.clip(jnp.asarray(stats.mean), 1e-3, 1.0 - 1e-3)
        # Var = m (1 - m) / (c + 1)
        variance = jnp.maximum(jnp.mean(jnp.square(stats.std)), 1e-6)
        concentration = jnp.mean(mean * (1.0 - mean)) / variance - 1.0
        log_c = jnp.log(jnp.clip(concentration, 0.1, 100.0))
        return jnp.stack([logit(mean), jnp.full_like(mean, log_c)], axis=-1)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x), in nats."""
        del params
        x, raw_mean = flat(x), soft_clip(flat(raw[..., 0]), _LOGITS)
        m, rest, c = jax.nn.sigmoid(raw_mean), jax.nn.sigmoid(-raw_mean), jnp.exp(soft_clip(flat(raw[..., 1])))
        a, b = m * c, rest * c
        # With E what Stirling's formula leaves out of log Gamma,
        # log p = 1/2 log(a b / (2 pi c)) + E(c) - E(a) - E(b) - c KL(m || x) - log x - log(1 - x),
        # c KL(m || x) = a g(x/m - 1) + b g((1 - x)/(1 - m) - 1) with g(t) = t - log(1 + t): large terms never meet.
        log_x, log_y = jnp.log(x), jnp.log1p(-x)
        log_m, log_rest = jax.nn.log_sigmoid(raw_mean), jax.nn.log_sigmoid(-raw_mean)
        deviance = a * log1p_gap((x - m) / m, log_x - log_m) + b * log1p_gap((m - x) / rest, log_y - log_rest)
        stirling = stirling_error(c) - stirling_error(a) - stirling_error(b)
        scale = 0.5 * (log_m + log_rest + jnp.log(c) - math.log(2.0 * math.pi))
        return jnp.sum(scale + stirling - deviance - log_x - log_y)

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns m."""
        del params
        return jax.nn.sigmoid(soft_clip(jnp.asarray(raw)[..., 0], _LOGITS))

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns draws strictly between 0 and 1."""
        raw = jnp.asarray(raw)
        m, c = self.mean(params, raw), jnp.exp(soft_clip(raw[..., 1]))
        rest = jax.nn.sigmoid(-soft_clip(raw[..., 0], _LOGITS))
        x = jax.random.beta(key, m * c, rest * c)
        return jnp.clip(x, jnp.finfo(x.dtype).tiny, 1.0 - jnp.finfo(x.dtype).epsneg)
