"""Counts with more zeros than a negative binomial has."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.likelihoods.base import flat
from vaex.likelihoods.negative_binomial import NegativeBinomial
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

_START = -2.0  # logit of an extra zero


@part
class ZeroInflatedNegativeBinomial(NegativeBinomial):
    """p(0) = pi + (1 - pi) NB(0), p(x) = (1 - pi) NB(x) for x > 0; pi = sigmoid of one more output a value.

    References:
        Lopez et al., "Deep Generative Modeling for Single-Cell Transcriptomics", 2018, Methods.
    """

    name: ClassVar[str] = "zero_inflated_negative_binomial"

    @property
    def num_raw(self) -> int:
        """The decoder's numbers a value: log mu, the logit of an extra zero, and with dispersion=decoder log r."""
        return 3 if self.dispersion == "decoder" else 2

    def zero_logit(self, raw: Raw) -> Float[Array, "*event"]:
        """Returns the logit of pi."""
        return jnp.asarray(raw)[..., 1]

    def output_bias(self, stats: Stats) -> Raw:
        """Returns log mu with (1 - pi) mu the data's mean, the logit that pi starts at, and log r."""
        zero = jnp.full(jnp.shape(stats.mean), _START)
        start = self.log_start(stats) - jax.nn.log_sigmoid(-zero)
        own = NegativeBinomial.output_bias(self, stats)  # [..., 2]: its last is log r, where the decoder emits it
        return jnp.stack([start, zero, *([own[..., -1]] if self.num_raw == 3 else [])], axis=-1)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x | mu, r, pi), in nats."""
        of_counts, logit = self.log_prob_each(params, raw, x), flat(self.zero_logit(raw))
        counted = jax.nn.log_sigmoid(-logit) + of_counts
        return jnp.sum(jnp.where(flat(x) > 0, counted, jnp.logaddexp(jax.nn.log_sigmoid(logit), counted)))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns (1 - pi) mu."""
        return jax.nn.sigmoid(-self.zero_logit(raw)) * NegativeBinomial.mean(self, params, raw)

    def mean_given(self, params: Params, raw: Raw, x: Event) -> Float[Array, "*event"]:
        """Returns (1 - pi) mu at x's own library size."""
        return jax.nn.sigmoid(-self.zero_logit(raw)) * NegativeBinomial.mean_given(self, params, raw, x)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns counts."""
        of_zero, of_count = jax.random.split(key)
        kept = jax.random.bernoulli(of_zero, jax.nn.sigmoid(-self.zero_logit(raw)))
        return jnp.where(kept, NegativeBinomial.sample(self, params, of_count, raw), 0.0)
