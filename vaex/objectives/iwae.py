"""The importance-weighted bound."""

from jaxtyping import Array, Float

from vaex.numerics import log_mean_exp, normalized
from vaex.objectives.bound import Bound
from vaex.part import part
from vaex.typing import Scalar


@part
class IWAE(Bound):
    """L_K = E log 1/K sum_k w_k: the ELBO at K = 1, and tighter with every draw.

    References:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
        Tucker, Lawson, Gu and Maddison, "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", 2019
        (`estimator=dreg`).
    """

    def value(self, log_w: Float[Array, " K"]) -> Scalar:
        """Returns log 1/K sum_k w_k, in nats."""
        return log_mean_exp(log_w)

    def path(self, log_w: Float[Array, " K"]) -> Float[Array, " K"]:
        """Returns the normalised weights."""
        # g = softmax(log w), g' = g (1 - g):  1 - g'/g = g
        return normalized(log_w)
