"""One bound for the decoder, another for the encoder."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.objectives.base import Drawing
from vaex.objectives.grouped import GroupedBound
from vaex.objectives.iwae import log_mean_exp
from vaex.part import part
from vaex.typing import Scalar

_FAR = 80.0  # nats: e^80 is the largest ratio of weights that float32 can still multiply back


@part
class PIWAE(GroupedBound):
    """The decoder and the prior climb IWAE's bound of all M K draws, the encoder MIWAE's of M groups of K.

    The loss is IWAE's. The encoder's gradient is that of `miwae` at the same draws: each draw's path to q is scaled by
    the ratio of the two bounds' derivatives (where a whole group weighs e^-80 of the others, by e^80).

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 5.
    """

    @property
    def drawing(self) -> Drawing:
        """The estimator's draws; also without one, the encoder's gradient is another than the loss's."""
        dreg = self.estimator == "dreg"
        path = self.path if dreg else self.encoder_ratio
        return Drawing(stop_q=self.estimator != "reparameterized", path=path, chunk=self.chunk)

    def value(self, log_w: Float[Array, " MK"]) -> Scalar:
        """Returns log 1/(M K) sum w, in nats: the decoder's bound."""
        return log_mean_exp(log_w)

    def encoder_ratio(self, log_w: Float[Array, " MK"]) -> Float[Array, " MK"]:
        """Returns d MIWAE / d log w over d IWAE / d log w, which is one number a group."""
        # (w / (M sum of its group)) / (w / sum of all)
        groups = self.groups(log_w)
        log_ratio = jax.nn.logsumexp(log_w) - jax.nn.logsumexp(groups, axis=1) - math.log(self.num_groups)
        return jnp.repeat(jnp.exp(jnp.minimum(log_ratio, _FAR)), groups.shape[1])

    def path(self, log_w: Float[Array, " MK"]) -> Float[Array, " MK"]:
        """Returns the ratio times MIWAE's own scale."""
        groups = self.groups(log_w)
        return self.encoder_ratio(log_w) * jax.nn.softmax(groups, axis=1).reshape(-1)
