"""The narrow waist: what a model hands to an objective, and what an objective hands back."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vaex.distributions import Distribution
from vaex.typing import Number, Params, PRNGKey, Scalar

State = Any
Terms = dict[str, Scalar]


class Level(NamedTuple):
    """One stochastic layer of one example; most models have one. Under `vmap` every array gains a leading B."""

    z: Float[Array, "*B K Z"]  # samples from q(z|x)
    log_qz: Float[Array, "*B K"]  # log q(z|x), nats
    log_pz: Float[Array, "*B K"]  # log p(z), given the levels above
    q: Distribution  # the posterior, kept for terms that compare the examples of a batch
    kl: Float[Array, "*B #K Z"] | None  # exact KL(q||p) per dimension, nats; None without a closed form


class Draws(NamedTuple):
    """K draws of the latents of one example, and how well each explains it."""

    levels: tuple[Level, ...]
    log_px: Float[Array, "*B K"]  # log p(x|z), nats, summed over the event
    likelihood: (
        Params | tuple[()]
    ) = ()  # the likelihood's own parameters behind log_px: a scale may be that of the batch


class Drawing(NamedTuple):
    """How a model is to make the K draws of an example; their values are the same whatever stands here."""

    stop_q: bool = False  # q's parameters get no gradient from log q(z|x) itself, only from z
    # From log w, [K] nats: what each draw's gradient to q's parameters is multiplied by, [K]; None for 1
    path: Callable[[Any], Any] | None = None
    chunk: int | None = None  # draws that are decoded at once, the others' activations recomputed; None: all


class Context(NamedTuple):
    """What an objective may know beside the draws."""

    step: Number
    num_steps: int
    key: PRNGKey
    prior: Distribution
    num_train: int
    weights: Float[Array | np.ndarray, " B"]  # 1 for an example, 0 for padding
    log_jacobian: Number = 0.0  # log p of the data as given = log_px + this


@runtime_checkable
class Objective(Protocol):
    """A pure function of the batch's draws; how examples are reduced is its own business.

    Every number is in nats per datum: summed over the event, averaged over the batch with `ctx.weights`.
    """

    # Whether `beta` is a weight of the rate, never negative, for which a fixed noise scale can be traded
    beta_is_weight: ClassVar[bool]

    @property
    def num_draws(self) -> int:
        """The draws of z per example."""
        ...

    @property
    def drawing(self) -> Drawing:
        """How they are made: the gradient estimator."""
        ...

    @property
    def of_batch(self) -> bool:
        """Whether the terms are not means over examples, so that they depend on the batch's size."""
        ...

    @property
    def least_batch(self) -> int:
        """The fewest examples that a batch may hold: 2 if the terms compare them."""
        ...

    def check(self, model: Any, num_steps: int) -> None:
        """Raises `VaexError` where the model or the run cannot give what the objective needs."""
        ...

    def init(self) -> State:
        """Returns the objective's own state: `()` for most, a controller's for GECO."""
        ...

    def __call__(self, draws: Draws, state: State, ctx: Context) -> tuple[Scalar, State, Terms]:
        """Returns the loss to minimise, the next state, and named terms to log."""
        ...


def weighted_mean(values: Float[Array, " B"], weights: Float[Array | np.ndarray, " B"]) -> Scalar:
    """Returns the mean over the examples that are no padding."""
    return jnp.sum(values * weights) / jnp.sum(weights)


def sampled_rate(draws: Draws) -> Float[Array, "*B"]:
    """Returns the K-sample estimate of the rate per example, in nats: the mean of log q(z|x) - log p(z)."""
    return sum(jnp.mean(level.log_qz - level.log_pz, axis=-1) for level in draws.levels)  # type: ignore[return-value]


def exact_rate(draws: Draws) -> Float[Array, "*B"] | None:
    """Returns the rate KL(q(z|x) || p(z)) per example, in nats, or None where a level has no closed form."""
    kls = [level.kl for level in draws.levels]
    if any(kl is None for kl in kls):
        return None
    return sum(jnp.mean(jnp.sum(kl, axis=-1), axis=-1) for kl in kls)  # type: ignore[arg-type, return-value]


def log_weights(draws: Draws) -> Float[Array, "*B K"]:
    """Returns log w = log p(x|z) + log p(z) - log q(z|x) of every draw, in nats."""
    return draws.log_px + sum(level.log_pz - level.log_qz for level in draws.levels)


def distortion(draws: Draws) -> Float[Array, "*B"]:
    """Returns the distortion -E_q log p(x|z) per example, in nats, as a mean over the K samples."""
    return -jnp.mean(draws.log_px, axis=-1)
