"""The standard normal prior."""

from typing import ClassVar

import jax.numpy as jnp

from vaex.distributions import Normal
from vaex.part import part
from vaex.typing import Params, PRNGKey, Stats


@part
class StandardNormal:
    """p(z) = N(0, I)."""

    distribution: ClassVar[type] = Normal

    def init(self, key: PRNGKey, latent_dim: int, stats: Stats) -> Params:
        """Returns no parameters."""
        del key, latent_dim, stats
        return {}

    def __call__(self, params: Params, latent_dim: int) -> Normal:
        """Returns the prior over z."""
        del params
        return Normal(jnp.zeros(latent_dim), jnp.zeros(latent_dim))
