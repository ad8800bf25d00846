"""The distance between the aggregate posterior and the prior, by draws of both."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.objectives.base import Context, Draws, Terms
from vaex.objectives.penalties.base import Penalty
from vaex.part import part, static
from vaex.typing import Scalar

KERNELS = ("rbf", "imq")


@part
class MMD(Penalty):
    """w MMD_k^2(q(z), p(z)), the unbiased estimate from the batch's z and as many draws of the prior.

    MMD^2 = E k(z, z') + E k(y, y') - 2 E k(z, y), with z, z' from q(z) and y, y' from p(z); the estimate can be
    negative. Kernels, with s = bandwidth^2 Z (so that bandwidth 1 fits a standard normal prior in Z dimensions):
    `rbf` exp(-|z - y|^2 / (2 s)); `imq` 2 s / (2 s + |z - y|^2), the inverse multiquadratic.

    References:
        Gretton et al., "A Kernel Two-Sample Test", 2012, Eq. 3.
        Tolstikhin et al., "Wasserstein Auto-Encoders", 2018, Section 4 (`imq`).
    """

    weight: float = 1.0
    bandwidth: float = 1.0
    kernel: str = static(default="imq")

    def __post_init__(self) -> None:
        _check.at_least("objective.penalty.weight", self.weight, 0.0)
        _check.positive("objective.penalty.bandwidth", self.bandwidth)
        _check.one_of("objective.penalty.kernel", self.kernel, KERNELS)

    def check(self, model: Any) -> None:
        """Asks for nothing but draws."""

    def similarity(self, a: Float[Array, "N Z"], b: Float[Array, "M Z"]) -> Float[Array, "N M"]:
        """Returns k(a_i, b_j)."""
        square = jnp.sum(jnp.square(a[:, None] - b[None, :]), axis=-1)
        scale = 2.0 * self.bandwidth**2 * a.shape[-1]
        return jnp.exp(-square / scale) if self.kernel == "rbf" else scale / (scale + square)

    def __call__(self, draws: Draws, ctx: Context) -> tuple[Scalar, Terms]:
        """Returns the weighted distance, and the distance."""
        z = draws.levels[0].z[:, 0]  # one draw an example: further ones of the same example are not independent
        y = jax.vmap(lambda key: ctx.prior.sample_and_log_prob(key)[0])(jax.random.split(ctx.key, len(z)))
        w = jnp.asarray(ctx.weights)
        both = w[:, None] * w[None, :]
        others = both * (1.0 - jnp.eye(len(z)))  # a draw is not compared with itself: that is what makes it unbiased

        def mean(of: Float[Array, "B B"], over: Any) -> Scalar:
            return jnp.sum(of * over) / jnp.maximum(jnp.sum(over), 1.0)

        within = mean(self.similarity(z, z), others) + mean(self.similarity(y, y), others)
        mmd = within - 2.0 * mean(self.similarity(z, y), both)
        return self.weight * mmd, {"mmd": mmd}
