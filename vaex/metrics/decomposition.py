"""Where the rate goes: mutual information, total correlation and dimension-wise KL of a whole split."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vaex.distributions import Distribution
from vaex.metrics.summary import mean_and_se
from vaex.objectives.decomposition import Decomposition, decompose

ESTIMATOR = (
    "one draw of each of {draws} examples under the exact mixture of all {num} posteriors of the split: unbiased for "
    "these examples; of the population, mutual_information is at most log {num} and too small where it comes near"
)


def decomposition_of(q: Any, prior: Distribution, keys: Key[Array, " D"], num: int, block: int = 20) -> Decomposition:
    """Returns the three parts of the rate, in nats, of a draw of each of D examples, spread evenly over the split.

    q(z) is the mixture of the N posteriors of the split, all of them, so that no estimate of it is biased by a batch.

    Args:
        q: the posteriors, whose arrays have a leading N (or more, of padding).
        prior: p(z).
        keys: one a draw.
        num: N.
        block: draws scored at once, so that memory stays at block x N x Z.
    """
    total = jax.tree.leaves(q)[0].shape[0]
    log_w = jnp.where(jnp.arange(total) < num, -jnp.log(jnp.asarray(num, jnp.float32)), -jnp.inf)

    def one(args: Any) -> Decomposition:
        own, key = args
        z, log_qz = own.sample_and_log_prob(key)
        parts = decompose(q.log_prob_each(z)[None], log_qz[None], prior.log_prob(z)[None], log_w[None])
        return jax.tree.map(lambda p: p[0], parts)

    # Spread over the split, which may be sorted
    places = np.linspace(0, num - 1, len(keys)).round().astype(int)
    return jax.lax.map(one, (jax.tree.map(lambda a: a[places], q), keys), batch_size=block)


def summarise_decomposition(parts: Decomposition | None, num: int) -> dict[str, Any]:
    """Returns the means, their standard errors over draws, and how they were estimated; null without any."""
    found: dict[str, Any] = {}
    for name in Decomposition._fields:
        mean, se = (None, None) if parts is None else mean_and_se(np.asarray(getattr(parts, name)))
        found |= {name: mean, f"{name}_se": se}
    draws = 0 if parts is None else len(np.asarray(parts[0]))
    return {**found, "decomposition": None if parts is None else ESTIMATOR.format(draws=draws, num=num)}
