"""KL = I(x; z) + TC + sum_d KL(q(z_d) || p(z_d)): where the rate goes, from a batch's posteriors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.typing import Number, Scalar

ESTIMATORS = ("stratified", "minibatch_weighted")


class Decomposition(NamedTuple):
    """The three parts of the rate, in nats; under `vmap` or per example with a leading axis."""

    mutual_information: Float[Array, "*B"]  # I(x; z) = E log q(z|x) - log q(z)
    total_correlation: Float[Array, "*B"]  # KL(q(z) || prod_d q(z_d)) = E log q(z) - sum_d log q(z_d)
    dimension_wise_kl: Float[Array, "*B"]  # sum_d KL(q(z_d) || p(z_d)) = E sum_d log q(z_d) - log p(z_d)


def decompose(
    log_q: Float[Array, "B N Z"], log_qz: Float[Array, " B"], log_pz: Float[Array, " B"], log_w: Float[Array, "B N"]
) -> Decomposition:
    """Returns each draw's parts; their sum is log q(z|x) - log p(z) whatever the weights, so it proves nothing.

    Args:
        log_q: log q(z_i,d | x_j), of draw i under posterior j, for each dimension.
        log_qz: log q(z_i | x_i).
        log_pz: log p(z_i).
        log_w: log-weights of the mixture: q(z_i) is estimated by sum_j w_ij q(z_i | x_j), and each q(z_i,d) likewise.
    """
    log_joint = jax.nn.logsumexp(jnp.sum(log_q, axis=-1) + log_w, axis=1)
    # Each marginal is a mixture of its own with the same weights: they enter once a dimension, inside its sum.
    log_marginals = jnp.sum(jax.nn.logsumexp(log_q + log_w[..., None], axis=1), axis=-1)
    return Decomposition(log_qz - log_joint, log_joint - log_marginals, log_marginals - log_pz)


def mixture_weights(estimator: str, num_train: Number, weights: Float[Array, " B"]) -> Float[Array, "B B"]:
    """Returns log w_ij of a batch of B of N training examples, for draws from the batch's own posteriors.

    `minibatch_weighted`: w = 1 / (N B) (Chen et al. 2018, Appendix C). It takes a batch for the whole data set, so
    that I is too large by about log N, TC by (D - 1) log N, and the dimension-wise KL too small by D log N, to first
    order constants that no gradient sees.
    `stratified`: w_ii = 1/N, one other example (N - M)/(N M), the rest 1/M, with M = B - 1 (Chen et al. 2018,
    Appendix C), whose weights sum to one and whose estimate of q(z) is unbiased; that of log q(z) is biased low. At
    B = 1 the one example is both and weighs 1; at B > N the batch holds the whole data set, and each weighs 1/B.

    Args:
        estimator: one of the two.
        num_train: N.
        weights: 1 for an example, 0 for padding at the end.
    """
    size = weights.shape[0]
    row, col = jnp.arange(size)[:, None], jnp.arange(size)[None, :]
    num = jnp.sum(weights)  # B without the padding
    if estimator == "minibatch_weighted":
        w = jnp.broadcast_to(1.0 / (num_train * num), (size, size))
    else:
        m = jnp.maximum(num - 1.0, 1.0)
        itself, other = row == col, col == (row + 1) % num.astype(int)
        w = itself / num_train + other * (num_train - m) / (num_train * m) + ~(itself | other) / m
        # Rows of padding have finite weights too: what they give is multiplied by 0.
        w = jnp.where((num <= num_train) & (weights[:, None] > 0), w, 1.0 / num)
    real = weights[None, :] > 0
    return jnp.where(real, jnp.log(jnp.where(real & (w > 0), w, 1.0)), -jnp.inf) + jnp.where(w > 0, 0.0, -jnp.inf)


def constants(estimator: str, num_train: Number, latent_dim: int) -> tuple[Scalar, Scalar, Scalar]:
    """Returns what `minibatch_weighted` adds to I, TC and the dimension-wise KL beside the same batch's uniform 1/B."""
    log_n = jnp.log(jnp.asarray(num_train, jnp.float32)) * (estimator == "minibatch_weighted")
    return log_n, (latent_dim - 1) * log_n, -latent_dim * log_n
