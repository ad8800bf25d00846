"""What all multi-sample bounds share: a function of the K log-weights of each example, and its gradient estimators."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex._check import VaexError
from vaex.objectives import estimators
from vaex.objectives.base import (
    Context,
    Drawing,
    Draws,
    State,
    Terms,
    distortion,
    exact_rate,
    log_weights,
    sampled_rate,
    weighted_mean,
)
from vaex.part import part, static
from vaex.typing import Scalar


@part
class Bound(ABC):
    """loss = -bound(log w_1, ..., log w_K), a mean over the batch, with log w = log p(x|z) + log p(z) - log q(z|x).

    The rate inside is always the sampled one: an exact KL inside a log-mean-exp is no bound.

    The estimators of the gradient with respect to q's parameters phi, with g_k = d bound / d log w_k:

    - `reparameterized`: the plain derivative, g_k times that of log w_k, its score term included.
    - `dreg`: the score term has the expectation of a path derivative, so that only paths through z remain, each with
      g_k - d^2 bound / d log w_k^2 (Tucker et al. 2019, for the IWAE bound). Every other parameter's gradient
      stays the plain one, draw by draw.
    - `stl`: the score term left out (Roeder et al. 2017), which is right for one draw, and biased for more.
    """

    beta_is_weight: ClassVar[bool] = True  # the rate counts once

    _: KW_ONLY
    num_samples: int = static(default=5)  # K, the draws inside one log-mean-exp
    estimator: str = static(default="reparameterized")  # or "dreg"; "stl" at K = 1
    chunk: int | None = static(default=None)  # draws decoded at once, to bound memory

    def __post_init__(self) -> None:
        estimators.check_settings(self.estimator, self.num_samples, self.chunk)
        if self.estimator == "stl" and self.num_samples > 1:
            raise VaexError(
                f"objective.estimator=stl: expected objective.num_samples=1, got {self.num_samples}: in a log-mean-exp "
                "of several draws it is biased (six times too large at K = 5 on a Gaussian model); use "
                "objective.estimator=dreg, which has its low variance and the right mean"
            )

    @property
    def num_draws(self) -> int:
        """K."""
        return self.num_samples

    @property
    def of_batch(self) -> bool:
        """False: a bound is a mean over examples."""
        return False

    @property
    def least_batch(self) -> int:
        """1: no example is compared with another."""
        return 1

    @abstractmethod
    def value(self, log_w: Float[Array, " S"]) -> Scalar:
        """Returns the bound of one example, in nats."""

    @abstractmethod
    def path(self, log_w: Float[Array, " S"]) -> Float[Array, " S"]:
        """Returns 1 - (d^2 bound / d log w_k^2) / (d bound / d log w_k): what `dreg` scales each draw's path by."""

    @property
    def drawing(self) -> Drawing:
        """The estimator's draws."""
        return Drawing(
            stop_q=self.estimator != "reparameterized",
            # Of a single draw the factor is 1; a likelihood that reads the batch has no weight to make it of.
            path=self.path if self.estimator == "dreg" and self.num_draws > 1 else None,
            chunk=self.chunk,
        )

    def check(self, model: Any, num_steps: int) -> None:
        """Raises `VaexError` where the model cannot give such draws."""
        del num_steps
        estimators.check_draws(model, self.estimator, self.num_draws, self.chunk)
        if model.likelihood.reads_batch and self.num_draws > 1:
            raise VaexError(
                f"likelihood={model.likelihood.name}: its scale is that of all draws together, so that no draw has a "
                "weight of its own; use likelihood=shared_gaussian, or objective=elbo"
            )

    def init(self) -> State:
        """Returns no state."""
        return ()

    def __call__(self, draws: Draws, state: State, ctx: Context) -> tuple[Scalar, State, Terms]:
        """Returns minus the bound, in nats per datum, and its terms; `elbo` is the plain one at the same draws."""
        exact = exact_rate(draws)
        rate = weighted_mean(sampled_rate(draws) if exact is None else exact, ctx.weights)
        dist = weighted_mean(distortion(draws), ctx.weights)
        loss = -weighted_mean(jax.vmap(self.value)(log_weights(draws)), ctx.weights)
        terms = {
            "loss": loss,
            "objective": loss,
            "elbo": -(dist + rate),
            "rate": rate,
            "distortion": dist,
            "beta": jnp.float32(1.0),  # the rate counts once, whatever the bound
        }
        return loss, state, terms
