"""Weights on the parts of the rate."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.objectives.base import Context, Draws, Terms, weighted_mean
from vaex.objectives.decomposition import ESTIMATORS, Decomposition, constants, decompose, mixture_weights
from vaex.objectives.penalties.base import Penalty
from vaex.part import part, static
from vaex.typing import Scalar


@part
class TotalCorrelation(Penalty):
    """w [(a - 1) I(x; z) + (b - 1) TC + (c - 1) sum_d KL(q(z_d) || p(z_d))], w being the weight of the rate itself.

    The rate is I + TC + KL_d, so that the whole loss is distortion + w (a I + b TC + c KL_d), and at 1, 1, 1 nothing is
    added. w is beta s(t), or a controller's beta; in `objective` the final one. A loss that is not linear in the rate
    has no such weight, and refuses this penalty. The parts are estimated from the batch: see
    `vaex.objectives.decomposition.mixture_weights` for the estimators and their bias. Of `minibatch_weighted` the
    constants that it adds (log N, (D - 1) log N, -D log N) are left out.

    References:
        Chen, Li, Grosse and Duvenaud, "Isolating Sources of Disentanglement in VAEs", 2018, Eq. 2 and 4, Appendix C.
    """

    mutual_information: float = 1.0
    total_correlation: float = 6.0
    dimension_wise_kl: float = 1.0
    estimator: str = static(default="stratified")

    of_rate: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check.one_of("objective.penalty.estimator", self.estimator, ESTIMATORS)

    def __call__(self, draws: Draws, ctx: Context) -> tuple[Scalar, Terms]:
        """Returns (a - 1) I + (b - 1) TC + (c - 1) KL_d, in nats per datum, and the three parts."""
        of_batch = batch_decomposition(draws, ctx, self.estimator)
        latent_dim = draws.levels[0].z.shape[-1]
        parts = [p - c for p, c in zip(of_batch, constants(self.estimator, ctx.num_train, latent_dim), strict=True)]
        factors = (self.mutual_information, self.total_correlation, self.dimension_wise_kl)
        penalty = sum((w - 1.0) * p for w, p in zip(factors, parts, strict=True))
        return jnp.asarray(penalty), dict(zip(Decomposition._fields, parts, strict=True))


def batch_decomposition(draws: Draws, ctx: Context, estimator: str) -> Decomposition:
    """Returns the batch's mean parts, in nats, averaged over the K draws."""
    level, prior = draws.levels[0], ctx.prior
    posteriors: Any = level.q  # factorized, as `Penalty.check` has seen
    log_w = mixture_weights(estimator, ctx.num_train, jnp.asarray(ctx.weights))

    def of_draws(z: Float[Array, "B Z"], log_qz: Float[Array, " B"], log_pz: Float[Array, " B"]) -> Decomposition:
        log_q = jax.vmap(lambda one: posteriors.log_prob_each(one))(z)  # [B draws, B posteriors, Z]
        return decompose(log_q, log_qz, log_pz, log_w)

    own = jnp.sum(
        jax.vmap(lambda q, z: q.log_prob_each(z))(posteriors, level.z), axis=-1
    )  # unstopped, whatever stl did
    log_pz = jax.vmap(jax.vmap(prior.log_prob))(level.z)
    parts = jax.vmap(of_draws, in_axes=1, out_axes=1)(level.z, own, log_pz)
    return Decomposition(*(weighted_mean(jnp.mean(p, axis=1), ctx.weights) for p in parts))
