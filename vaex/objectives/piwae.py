"""One bound for the decoder, another for the encoder."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.numerics import log_mean_exp, normalized
from vaex.objectives.base import Drawing
from vaex.objectives.grouped import GroupedBound
from vaex.part import part
from vaex.typing import Scalar

# What is lost of the decoder's gradient is twelve digits below float32's last; and a gradient of this size, which
# reaches the encoder times the inverse, is as far from underflowing as from overflowing.
_LEAST = 2.0**-64


@part
class PIWAE(GroupedBound):
    """The decoder and the prior climb IWAE's bound of all M K draws, the encoder MIWAE's of M groups of K.

    The loss is IWAE's. The encoder's gradient is that of `miwae` at the same draws: each draw's path to q is scaled by
    the ratio of the two bounds' derivatives. A group that weighs e^-100 of the others still has its whole say there,
    while its own weight is 0 in float32; so the loss hands every draw a derivative of at least 2^-64.

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 5.
    """

    @property
    def drawing(self) -> Drawing:
        """The estimator's draws; also without one, the encoder's gradient is another than the loss's."""
        path = self.path if self.estimator == "dreg" else self.encoder_ratio
        return super().drawing._replace(path=path if self.num_draws > 1 else None)

    def value(self, log_w: Float[Array, " MK"]) -> Scalar:
        """Returns log 1/(M K) sum w, in nats: the decoder's bound."""
        return _log_mean_exp_kept(log_w)

    def encoder_ratio(self, log_w: Float[Array, " MK"]) -> Float[Array, " MK"]:
        """Returns d MIWAE / d log w over d IWAE / d log w, the latter as `value` hands it on."""
        # (w / (M sum of its group)) / (w / sum of all)
        of_group = normalized(self.groups(log_w)).reshape(-1)
        return of_group / self.num_groups / _kept(log_w)

    def path(self, log_w: Float[Array, " MK"]) -> Float[Array, " MK"]:
        """Returns the ratio times MIWAE's own scale."""
        return self.encoder_ratio(log_w) * normalized(self.groups(log_w)).reshape(-1)


def _kept(log_w: Float[Array, " MK"]) -> Float[Array, " MK"]:
    """Returns the normalised weights, none so small that a gradient times it is lost."""
    return jnp.maximum(normalized(log_w), _LEAST)


@jax.custom_jvp
def _log_mean_exp_kept(log_w: Float[Array, " MK"]) -> Scalar:
    return log_mean_exp(log_w)


@_log_mean_exp_kept.defjvp
def _jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log_mean_exp(*primals), jnp.sum(_kept(primals[0]) * tangents[0])
