"""What all weighted ELBOs share: two terms in nats, a weight between them, and a penalty on the batch."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Array, Float

from vaex import _check
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
    sampled_rate,
    weighted_mean,
)
from vaex.objectives.penalties import NoPenalty, Penalty
from vaex.part import part, static
from vaex.typing import Number, Scalar


class Weighed(NamedTuple):
    """What a weighting makes of rate and distortion, in nats per datum."""

    loss: Scalar  # what this step minimises
    objective: Scalar  # with the final weights
    beta: Scalar  # d loss / d rate over d loss / d distortion
    state: State  # after this step
    terms: Terms  # more to log
    final_beta: Number = 1.0  # that of `objective`, if the loss is linear in the rate


@part
class WeightedELBO(ABC):
    """A weighted sum of distortion and rate, plus a penalty; subclasses say how they are weighed."""

    linear_in_rate: ClassVar[bool] = True  # whether the loss is distortion + beta rate, and so a mean over examples
    beta_is_weight: ClassVar[bool] = True

    _: KW_ONLY
    penalty: Penalty = NoPenalty()
    num_samples: int = static(default=1)  # K draws of z per example, averaged
    kl: str = static(default="analytic")  # or "sampled": log q(z|x) - log p(z) at the draws
    estimator: str = static(default="reparameterized")  # or "stl", with kl=sampled
    chunk: int | None = static(default=None)  # draws decoded at once, to bound memory

    def __post_init__(self) -> None:
        _check.instance("objective.penalty", self.penalty, Penalty, "penalty@objective.penalty=total_correlation")
        estimators.check_settings(self.estimator, self.num_samples, self.chunk)
        _check.one_of("objective.kl", self.kl, ("analytic", "sampled"))
        if self.estimator == "stl" and self.kl == "analytic":
            raise VaexError(
                "objective.estimator=stl stops the gradient inside log q(z|x), but objective.kl=analytic has no log "
                "q(z|x) at the draws; add objective.kl=sampled"
            )
        if self.estimator == "dreg":
            raise VaexError(
                "objective.estimator=dreg reweighs the draws of a log-mean-exp, and this objective has none (there it "
                "would equal stl); use objective.estimator=stl objective.kl=sampled, or objective=iwae"
            )

    def check(self, model: Any, num_steps: int) -> None:
        """Raises `VaexError` where a schedule outlasts the run, or the model cannot give what is needed."""
        self.check_weights(num_steps)
        estimators.check_draws(model, self.estimator, self.num_samples, self.chunk)
        self.penalty.check(model)
        self._check_penalty()
        if self.kl == "analytic" and not model.has_exact_kl:
            raise VaexError(
                "objective.kl=analytic: expected a posterior and prior with a closed-form KL, got "
                f"{type(model.posterior).__name__} and {type(model.prior).__name__}; use objective.kl=sampled"
            )

    def _check_penalty(self) -> None:
        if self.penalty.of_rate and not self.linear_in_rate:
            raise VaexError(
                f"objective.penalty: {type(self.penalty).__name__} weighs the parts of a rate that has one weight, but "
                f"the loss of {type(self).__name__} is not linear in the rate; type objective=elbo "
                "penalty@objective.penalty=total_correlation, or penalty@objective.penalty=none"
            )

    def check_weights(self, num_steps: int) -> None:
        """Raises `VaexError` where a schedule does not fit into the run."""
        del num_steps

    @property
    def num_draws(self) -> int:
        """K."""
        return self.num_samples

    @property
    def drawing(self) -> Drawing:
        """The estimator's draws."""
        return Drawing(stop_q=self.estimator == "stl", chunk=self.chunk)

    @property
    def of_batch(self) -> bool:
        """Whether the loss is not linear in the batch's mean rate, or the penalty not a mean over examples."""
        return self.penalty.of_batch or not self.linear_in_rate

    @property
    def least_batch(self) -> int:
        """The penalty's."""
        return self.penalty.least_batch

    def init(self) -> State:
        """Returns no state."""
        return ()

    @abstractmethod
    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns the loss of a batch without its penalty.

        Args:
            draws: of the batch.
            rate: its mean rate, nats per datum, exact or sampled as `kl` says.
            dist: its mean distortion, nats per datum.
            state: before this step.
            ctx: the context.
        """

    def _rate(self, draws: Draws) -> Float[Array, " B"]:
        rate = sampled_rate(draws) if self.kl == "sampled" else exact_rate(draws)
        if rate is None:
            raise VaexError("objective.kl=analytic: these draws hold no closed-form KL; use objective.kl=sampled")
        return rate

    def __call__(self, draws: Draws, state: State, ctx: Context) -> tuple[Scalar, State, Terms]:
        """Returns the weighted sum and the penalty, in nats per datum, and the terms."""
        rate = weighted_mean(self._rate(draws), ctx.weights)
        dist = weighted_mean(distortion(draws), ctx.weights)
        weighed = self.weigh(draws, rate, dist, state, ctx)
        penalty, more = self.penalty(draws, ctx)
        # What weighs parts of the rate takes the rate's own weight
        now, final = (weighed.beta, weighed.final_beta) if self.penalty.of_rate else (1.0, 1.0)
        loss = weighed.loss + now * penalty
        terms = {
            "loss": loss,
            "objective": weighed.objective + final * penalty,
            "elbo": -(dist + rate),
            "rate": rate,
            "distortion": dist,
            "beta": weighed.beta,
        }
        return loss, weighed.state, {**terms, **weighed.terms, **more}
