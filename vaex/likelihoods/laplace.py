"""The absolute error, as a density."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.likelihoods.base import Likelihood, flat, log_spread
from vaex.numerics import soft_clip
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats


@part
class Laplace(Likelihood):
    """-log p(x) = sum |x - m| / b + D log 2b, with the scale b fixed, or learned where it is null.

    References:
        Kotz, Kozubowski and Podgorski, "The Laplace Distribution and Generalizations", 2001.
    """

    scale: float | None = 1.0  # b; None: one learned number

    name: ClassVar[str] = "laplace"
    support: ClassVar[str] = "real"
    measure: ClassVar[str] = "lebesgue"

    def __post_init__(self) -> None:
        if self.scale is not None:
            _check.positive("likelihood.scale", self.scale)

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns the learned log-scale, starting where the data's overall standard deviation is sqrt(2) b."""
        del key
        return {} if self.scale is not None else {"log_scale": log_spread(stats) - 0.5 * jnp.log(2.0)}

    def log_scale(self, params: Params) -> Scalar:
        """Returns log b."""
        return soft_clip(params["log_scale"]) if self.scale is None else jnp.log(jnp.asarray(self.scale, jnp.float32))

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the mean."""
        return jnp.asarray(stats.mean)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x | m), in nats."""
        log_scale = self.log_scale(params)
        off = flat(x) - flat(raw)
        # log p = -|x - m| / b - log 2b; as off sign(off) its slope is 0 at an exact prediction, where JAX's abs has 1
        return -jnp.sum(off * jnp.sign(off) * jnp.exp(-log_scale) + log_scale + jnp.log(2.0))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns the raw output."""
        del params
        return jnp.asarray(raw)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns m + b eps."""
        return jnp.asarray(raw) + jnp.exp(self.log_scale(params)) * jax.random.laplace(key, raw.shape, raw.dtype)

    def implied(self, params: Params, beta: Scalar, is_weight: bool = True) -> dict[str, Scalar]:
        """Returns b beta twice, for a fixed scale: the weight at unit noise, and the noise at unit weight."""
        # |x - m| / b + beta R  ~  |x - m| + b beta R  ~  |x - m| / (b beta) + R
        if self.scale is None:
            return {"effective_beta": beta, "observation_noise": jnp.exp(self.log_scale(params))}
        noise = {"observation_noise": beta * self.scale} if is_weight else {}
        return {"effective_beta": beta * self.scale, **noise}
