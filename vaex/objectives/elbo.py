"""The evidence lower bound with a weight on its KL term."""

from typing import Any

from jaxtyping import Array, Float

from vaex import _check
from vaex._check import VaexError
from vaex.objectives.base import Context, Draws, State, Terms, distortion, exact_rate, sampled_rate, weighted_mean
from vaex.part import part, static
from vaex.schedules import Constant, Schedule
from vaex.typing import Scalar


@part
class ELBO:
    """loss = distortion + beta s(t) rate: the negative ELBO at beta = 1, beta-VAE otherwise.

    `beta` multiplies the KL in nats summed over the latents, against a log-likelihood summed over the event: no mean
    over pixels, latents or anything else hides in it.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Eq. 10 (`kl=analytic`) and Eq. 6 (`kl=sampled`).
        Higgins et al., "beta-VAE", 2017, Eq. 4.
    """

    beta: float = 1.0
    beta_schedule: Schedule = Constant()
    num_samples: int = static(default=1)  # K draws of z per example, averaged
    kl: str = static(default="analytic")  # or "sampled": log q(z|x) - log p(z) at the draws

    def __post_init__(self) -> None:
        _check.at_least("objective.beta", self.beta, 0.0)
        _check.instance(
            "objective.beta_schedule", self.beta_schedule, Schedule, "schedule@objective.beta_schedule=linear"
        )
        _check.whole("objective.num_samples", self.num_samples)
        _check.one_of("objective.kl", self.kl, ("analytic", "sampled"))

    def check(self, model: Any, num_steps: int) -> None:
        """Raises `VaexError` where the schedule outlasts the run, or the model has no closed-form KL."""
        self.beta_schedule.check("objective.beta_schedule", num_steps)
        if self.kl == "analytic" and not model.has_exact_kl:
            raise VaexError(
                "objective.kl=analytic: expected a posterior and prior with a closed-form KL, got "
                f"{type(model.posterior).__name__} and {type(model.prior).__name__}; use objective.kl=sampled"
            )

    def _rate(self, draws: Draws) -> Float[Array, " B"]:
        rate = sampled_rate(draws) if self.kl == "sampled" else exact_rate(draws)
        if rate is None:
            raise VaexError("objective.kl=analytic: these draws hold no closed-form KL; use objective.kl=sampled")
        return rate

    def init(self) -> State:
        """Returns no state."""
        return ()

    def __call__(self, draws: Draws, state: State, ctx: Context) -> tuple[Scalar, State, Terms]:
        """Returns distortion + beta s(t) rate, in nats per datum, and its terms."""
        rate = weighted_mean(self._rate(draws), ctx.weights)
        dist = weighted_mean(distortion(draws), ctx.weights)
        beta = self.beta * self.beta_schedule.rising(ctx.step, ctx.num_steps)
        loss = dist + beta * rate  # what this step minimises
        target = dist + self.beta * rate  # with the final beta
        terms = {
            "loss": loss,
            "objective": target,
            "elbo": -(dist + rate),
            "rate": rate,
            "distortion": dist,
            "beta": beta,
        }
        return loss, state, terms
