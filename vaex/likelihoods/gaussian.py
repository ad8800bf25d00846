"""Normal likelihoods, which differ in where the scale comes from."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.distributions import normal_log_density
from vaex.likelihoods.base import Likelihood, flat, log_spread
from vaex.numerics import soft_clip
from vaex.part import part
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

_FLOOR = 1e-4  # of a scale that is measured: a perfect reconstruction has none


def _noisy(key: PRNGKey, loc: Raw, log_scale: Float[Array, "..."]) -> Float[Array, "*event"]:
    return jnp.asarray(loc + jnp.exp(log_scale) * jax.random.normal(key, loc.shape, loc.dtype))


class _Located(Likelihood):
    """The raw output is the mean; subclasses say what the log-scale is."""

    support: ClassVar[str] = "real"
    measure: ClassVar[str] = "lebesgue"

    def log_scale(self, params: Params) -> Scalar:
        """Returns the log standard deviation, one number for all dimensions."""
        raise NotImplementedError

    def implied(self, params: Params, beta: Scalar, is_weight: bool = True) -> dict[str, Scalar]:
        """Returns beta itself, whose likelihood has its own scale, and that scale."""
        del is_weight
        return {"effective_beta": beta, "observation_noise": jnp.exp(self.log_scale(params))}

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the mean."""
        return jnp.asarray(stats.mean)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log N(x; raw, s^2), in nats."""
        return jnp.sum(normal_log_density(flat(x), flat(raw), self.log_scale(params)))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns the raw output."""
        del params
        return jnp.asarray(raw)

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns the mean plus noise."""
        return _noisy(key, raw, self.log_scale(params))


@part
class Gaussian(_Located):
    """One fixed scale s: -log p = SSE / (2 s^2) + D log s + (D/2) log 2 pi. The scale and beta are one knob."""

    scale: float = 1.0

    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        _check.positive("likelihood.scale", self.scale)

    def log_scale(self, params: Params) -> Scalar:
        """Returns log s."""
        del params
        return jnp.log(jnp.asarray(self.scale, jnp.float32))

    def implied(self, params: Params, beta: Scalar, is_weight: bool = True) -> dict[str, Scalar]:
        """Returns beta s^2, the weight at unit noise, and s sqrt(beta), the noise at unit weight."""
        del params
        # SSE / (2 s^2) + beta R  ~  SSE / 2 + beta s^2 R  ~  SSE / (2 beta s^2) + R
        noise = {"observation_noise": self.scale * jnp.sqrt(jnp.maximum(beta, 0.0))} if is_weight else {}
        return {"effective_beta": beta * self.scale**2, **noise}

    def describe(self) -> str:
        """Returns the scale, and what it makes of the squared error."""
        weight = 0.5 / float(self.scale) ** 2
        alias = "; the alias mse, with scale sqrt(1/2)" if math.isclose(weight, 1.0, rel_tol=1e-5) else ""
        return f"gaussian: fixed scale {float(self.scale):.6g}, so -log p = {weight:.6g} * SSE + constant{alias}"


def mse() -> Gaussian:
    """Returns the Gaussian with scale sqrt(1/2): -log p is the summed squared error plus a constant."""
    return Gaussian(scale=math.sqrt(0.5))


@part
class SharedGaussian(_Located):
    """One learned scale for all dimensions and examples (Rybkin et al. 2021, "shared sigma"), bounded smoothly."""

    name: ClassVar[str] = "shared_gaussian"

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns the log-scale, starting at the data's overall standard deviation."""
        del key
        return {"log_scale": log_spread(stats)}

    def log_scale(self, params: Params) -> Scalar:
        """Returns the bounded log-scale."""
        return soft_clip(params["log_scale"])


@part
class OptimalGaussian(_Located):
    """The scale that maximises the likelihood, in closed form (Rybkin et al. 2021): s^2 = MSE.

    In training it is that of the batch; for evaluation it is frozen at the training set's value, or a test number would
    depend on the batch size.
    """

    name: ClassVar[str] = "optimal_gaussian"
    reads_batch: ClassVar[bool] = True

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns the frozen log-scale, before the first measurement the data's overall standard deviation."""
        return SharedGaussian().init(key, stats)

    def log_scale(self, params: Params) -> Scalar:
        """Returns the frozen log-scale."""
        return jax.lax.stop_gradient(params["log_scale"])

    def statistic(self, params: Params, raw: Raw, x: Event) -> Any:
        """Returns the squared error and the number of values behind it."""
        del params
        return jnp.sum(jnp.square(flat(x) - flat(raw))), jnp.float32(x.size)

    def with_statistic(self, params: Params, total: Any) -> Params:
        """Returns log s = 1/2 log(SSE / n)."""
        sse, count = total
        return {**params, "log_scale": 0.5 * jnp.log(jnp.maximum(sse / count, _FLOOR**2))}

    def at_batch(self, params: Params, raw: Raw, x: Event, weight: Scalar) -> Params:
        """Returns the batch's scale, gradient stopped: then d(-log p) is the gradient of (D/2) log MSE, exactly."""
        one = jax.vmap(lambda r: self.statistic(params, r, x))(jax.lax.stop_gradient(raw))
        # s^2 = psum(w * SSE) / psum(w * D), over the batch and the K samples
        total = jax.tree.map(lambda s: jax.lax.psum(weight * jnp.sum(s), "batch"), one)
        return self.with_statistic(params, total)


@part
class DiagonalGaussian(Likelihood):
    """-log p = sum (x - m)^2 / (2 s^2) + log s + 1/2 log 2 pi, a mean and a scale per dimension from the decoder.

    The log-scale is bounded smoothly.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Appendix C.2.
    """

    name: ClassVar[str] = "diagonal_gaussian"
    support: ClassVar[str] = "real"
    measure: ClassVar[str] = "lebesgue"

    def raw_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns `(*event, 2)`: mean and raw log-scale."""
        return (*event_shape, 2)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the data's mean, and its overall standard deviation."""
        return jnp.stack([jnp.asarray(stats.mean), jnp.full_like(stats.mean, log_spread(stats))], axis=-1)

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log N(x; mu, s^2), in nats."""
        del params
        return jnp.sum(normal_log_density(flat(x), flat(raw[..., 0]), soft_clip(flat(raw[..., 1]))))

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns mu."""
        del params
        return jnp.asarray(raw)[..., 0]

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns mu + s eps."""
        del params
        return _noisy(key, raw[..., 0], soft_clip(jnp.asarray(raw)[..., 1]))
