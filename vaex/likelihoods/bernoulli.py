"""Binary data, and the cross-entropy that is often used on grey values."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.likelihoods.base import Likelihood, flat
from vaex.numerics import logit, sum_softplus
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats


@part
class Bernoulli(Likelihood):
    """Independent Bernoulli variables from logits l: p(x = 1) = sigmoid(l), for x in {0, 1}."""

    name: ClassVar[str] = "bernoulli"
    support: ClassVar[str] = "binary"
    measure: ClassVar[str] = "counting"

    def output_bias(self, stats: Stats) -> Raw:
        """Returns logit(mean), the mean clipped to [.001, .999] (Burda et al. 2016, in their code)."""
        return logit(stats.mean)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x | l), in nats."""
        del params
        # x = 1: log sigmoid(l) = -softplus(-l);  x = 0: -softplus(l).  One softplus of (1 - 2x) l, exact at any logit.
        x, raw = flat(x), flat(raw)
        return -sum_softplus((1.0 - 2.0 * x) * raw)

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns sigmoid(l)."""
        del params
        return jax.nn.sigmoid(raw)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns 0s and 1s."""
        del params
        return jax.random.bernoulli(key, jax.nn.sigmoid(raw)).astype(raw.dtype)


@part
class Bce(Likelihood):
    """The cross-entropy of grey values in [0, 1], as in the usual tutorials: a loss, and no likelihood.

    -x log sigmoid(l) - (1 - x) log(1 - sigmoid(l)) is not normalised over [0, 1] (Loaiza-Ganem and Cunningham 2019),
    and its minimum is the entropy of x rather than 0: nothing made of it is a density, or may be ranked against one.

    References:
        Loaiza-Ganem and Cunningham, "The Continuous Bernoulli", 2019.
    """

    name: ClassVar[str] = "bce"
    support: ClassVar[str] = "unit_interval"
    measure: ClassVar[str] = "none"
    is_density: ClassVar[bool] = False

    def output_bias(self, stats: Stats) -> Raw:
        """Returns logit(mean)."""
        return logit(stats.mean)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns minus the cross-entropy, summed over the event."""
        del params
        # x log sigmoid(l) + (1 - x) log sigmoid(-l) = x l - softplus(l)
        x, raw = flat(x), flat(raw)
        return jnp.sum(x * raw) - sum_softplus(raw)

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns sigmoid(l), the minimiser's prediction."""
        del params
        return jax.nn.sigmoid(raw)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns sigmoid(l): there is no distribution over [0, 1] here to draw from."""
        del key
        return self.mean(params, raw)

    def describe(self) -> str:
        """Returns the warning that this is no likelihood."""
        return (
            "bce: cross-entropy on [0, 1], which is no likelihood on grey values: elbo is minus the loss at beta 1, "
            "and nll, bits_per_dim and data_measure are null (likelihood=bernoulli with data.binarize, or "
            "likelihood=gaussian, is one)"
        )
