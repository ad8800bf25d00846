"""A mixture of the ELBO and the importance-weighted bound."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.numerics import log_mean_exp, normalized
from vaex.objectives.bound import Bound
from vaex.part import part
from vaex.typing import Number, Scalar


@part
class CIWAE(Bound):
    """L = m ELBO + (1 - m) IWAE, m in [0, 1]: the combination IWAE, whose paper calls m beta.

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 5.
    """

    mix: float = 0.5  # the part of the ELBO

    def __post_init__(self) -> None:
        Bound.__post_init__(self)
        _check.fraction("objective.mix", self.mix, zero=True)

    def value(self, log_w: Float[Array, " K"]) -> Scalar:
        """Returns m mean log w + (1 - m) log mean w, in nats; a part of 0 counts nothing, even of -inf."""
        return _share(self.mix, jnp.mean(log_w)) + _share(1.0 - self.mix, log_mean_exp(log_w))

    def path(self, log_w: Float[Array, " K"]) -> Float[Array, " K"]:
        """Returns (m/K + (1 - m) v^2) / (m/K + (1 - m) v), with v the normalised weights."""
        # g = m/K + (1 - m) v, g' = (1 - m) v (1 - v);  at m = 0 a weight that underflows has g = 0 and no path
        v = normalized(log_w)
        uniform = self.mix / log_w.shape[-1]
        g = uniform + (1.0 - self.mix) * v
        return (uniform + (1.0 - self.mix) * v**2) / jnp.where(g == 0.0, 1.0, g)


def _share(part: Number, bound: Scalar) -> Scalar:
    return jnp.where(part == 0.0, 0.0, part * bound)  # 0 times -inf is NaN
