"""Heavy tails."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex._check import VaexError
from vaex.likelihoods.base import Likelihood, flat, log_spread
from vaex.numerics import soft_clip, stirling_error
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

_START = 10.0  # degrees of freedom
_LOWEST = 1.01  # above 1, so that there is a mean


@part
class StudentT(Likelihood):
    """log p(x) = log G((v+1)/2) - log G(v/2) - 1/2 log(pi v) - log s - (v+1)/2 log(1 + ((x - m)/s)^2 / v).

    The scale s and the degrees of freedom v are each fixed or, where null, one learned number. A learned v is
    1.01 + softplus(raw): with v <= 1 there would be no mean.

    References:
        Lange, Little and Taylor, "Robust Statistical Modeling Using the t Distribution", 1989.
    """

    scale: float | None = None  # s
    df: float | None = None  # v

    name: ClassVar[str] = "student_t"
    support: ClassVar[str] = "real"
    measure: ClassVar[str] = "lebesgue"

    def __post_init__(self) -> None:
        if self.scale is not None:
            _check.positive("likelihood.scale", self.scale)
        if self.df is not None and not self.df > 1:
            raise VaexError(
                f"likelihood.df: expected more than 1 degree of freedom, or there is no mean; got {self.df}"
            )

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns what is learned: the log-scale from the data's spread, and the raw degrees of freedom from 10."""
        del key
        scale = {} if self.scale is not None else {"log_scale": log_spread(stats)}
        # softplus(raw) = 10 - 1.01
        raw_df = jnp.float32(math.log(math.expm1(_START - _LOWEST)))
        return scale if self.df is not None else {**scale, "raw_df": raw_df}

    def log_scale(self, params: Params) -> Scalar:
        """Returns log s."""
        return soft_clip(params["log_scale"]) if self.scale is None else jnp.log(jnp.asarray(self.scale, jnp.float32))

    def degrees(self, params: Params) -> Scalar:
        """Returns v."""
        return _LOWEST + jax.nn.softplus(params["raw_df"]) if self.df is None else jnp.asarray(self.df, jnp.float32)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the mean."""
        return jnp.asarray(stats.mean)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x | m), in nats."""
        log_scale, df = self.log_scale(params), self.degrees(params)
        half = 0.5 * df
        # log G(a + 1/2) - log G(a) - 1/2 log a = a log(1 + 1/(2a)) - 1/2 + E(a + 1/2) - E(a), E: Stirling's error
        ratio = half * jnp.log1p(0.5 / half) - 0.5 + stirling_error(half + 0.5) - stirling_error(half)
        z = (flat(x) - flat(raw)) * jnp.exp(-log_scale)
        return jnp.sum(ratio - 0.5 * math.log(2.0 * math.pi) - log_scale - (half + 0.5) * jnp.log1p(z * z / df))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns the raw output."""
        del params
        return jnp.asarray(raw)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns m + s t."""
        noise = jax.random.t(key, self.degrees(params), raw.shape, raw.dtype)
        return jnp.asarray(raw) + jnp.exp(self.log_scale(params)) * noise

    def implied(self, params: Params, beta: Scalar, is_weight: bool = True) -> dict[str, Scalar]:
        """Returns beta itself, and the scale, fixed or learned: no other scale makes up for a weight of heavy tails."""
        del is_weight
        return {"effective_beta": beta, "observation_noise": jnp.exp(self.log_scale(params))}
