"""What the latents carry: information, active units, the aggregate posterior against the prior."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vaex import _check
from vaex.distributions import kl_divergence
from vaex.metrics.base import About, Metric, wide
from vaex.metrics.decomposition import decomposition_of, summarise_decomposition
from vaex.metrics.prior_hole import prior_hole
from vaex.metrics.summary import active_units, mean_and_se
from vaex.models import VAE
from vaex.objectives.decomposition import Decomposition
from vaex.part import part, static
from vaex.typing import Event, Number, Params, PRNGKey

VALUES = 2**21  # log densities at once, of draws under the mixture of all posteriors
EDGES = (0.0, 0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0)  # nats, of the histogram; the last bin is open


class OfExample(NamedTuple):
    """What one example's posterior says; a leading N over a split."""

    q: Any
    z: Float[Array, "*B Z"]  # one draw
    kl: Float[Array, "*B Z"] | None  # per dimension, nats; None without a closed form
    rate: Float[Array, "*B"]


class OfSplit(NamedTuple):
    """What the aggregate posterior says."""

    parts: Decomposition | None  # of each draw
    prior: Float[Array, "N Z"]  # as many draws from the prior as there are examples


@part
class Information(Metric):
    """I(x; z), aggregate KL, total correlation, KL per dimension, active units and the prior-hole score.

    References:
        Hoffman and Johnson, "ELBO surgery", 2016; Burda et al., "Importance Weighted Autoencoders", 2016, Section 5.2
    """

    headline = "prior_hole"
    num_draws: int = static(
        default=1000
    )  # of examples spread over the split, scored under the mixture of all posteriors

    def __post_init__(self) -> None:
        _check.whole("Information.num_draws", self.num_draws)

    @property
    def at_once(self) -> int:
        """500 encodings."""
        return 500

    def example(self, model: VAE, params: Params, key: PRNGKey, index: Number, x: Event) -> OfExample:
        """Returns an example's posterior, a draw from it, and its KL from the prior."""
        q, prior = model.posterior_of(params, x), model.prior_of(params)
        z, log_qz = q.sample_and_log_prob(jax.random.fold_in(key, index))
        kl = kl_divergence(q, prior)
        return OfExample(q, z, kl, log_qz - prior.log_prob(z) if kl is None else jnp.sum(kl))

    def whole(self, model: VAE, params: Params, key: PRNGKey, found: OfExample) -> OfSplit:
        """Returns the parts of the rate under the mixture of all posteriors, and draws from the prior."""
        prior, num = model.prior_of(params), len(found.z)
        # Beyond the examples' own keys, which are folded from their index.
        of_draws, of_prior = (jax.random.fold_in(key, 2**31 + i) for i in range(2))
        from_prior = jax.vmap(lambda i: prior.sample_and_log_prob(jax.random.fold_in(of_prior, i))[0])(jnp.arange(num))
        if not (model.posterior.distribution.factorized and model.prior.distribution.factorized):
            return OfSplit(None, from_prior)
        draws = min(num, self.num_draws)
        keys = jax.vmap(lambda i: jax.random.fold_in(of_draws, i))(jnp.arange(draws))
        block = max(1, VALUES // (num * model.latent_dim))
        return OfSplit(decomposition_of(found.q, prior, keys, num, block), from_prior)

    def numbers(self, found: OfExample, whole: OfSplit, about: About) -> dict[str, Any]:
        """Returns the numbers, in nats; each says how it was estimated."""
        del about
        rate, rate_se = mean_and_se(found.rate)
        parts = summarise_decomposition(whole.parts, len(found.rate))
        aggregate, aggregate_se = None, None
        if whole.parts is not None:
            # KL(q(z) || p(z)) = TC + sum_d KL(q(z_d) || p(z_d)) = rate - I
            aggregate, aggregate_se = mean_and_se(
                wide(whole.parts.total_correlation) + wide(whole.parts.dimension_wise_kl)
            )
        per_dim = None if found.kl is None else np.maximum(wide(found.kl).mean(0), 0.0)
        counts = None if per_dim is None else np.histogram(per_dim, bins=[*EDGES, np.inf])[0].tolist()
        return {
            "rate": rate,
            "rate_se": rate_se,
            **parts,
            "aggregate_kl": aggregate,
            "aggregate_kl_se": aggregate_se,
            "active_units": active_units(np.asarray(found.q.mean)),
            "kl_per_dim": None if per_dim is None else per_dim.tolist(),
            "kl_histogram": counts and {"edges": list(EDGES), "counts": counts},
            **prior_hole(np.asarray(found.z), np.asarray(whole.prior)),
        }
