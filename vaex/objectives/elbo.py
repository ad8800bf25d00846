"""The evidence lower bound with a weight on its KL term."""

from vaex import _check
from vaex.objectives.base import Context, Draws, State
from vaex.objectives.weighted import Weighed, WeightedELBO
from vaex.part import part
from vaex.schedules import Constant, Schedule
from vaex.typing import Scalar


@part
class ELBO(WeightedELBO):
    """loss = distortion + beta s(t) rate: the negative ELBO at beta = 1, beta-VAE otherwise.

    `beta` multiplies the KL in nats summed over the latents, against a log-likelihood summed over the event: no mean
    over pixels, latents or anything else hides in it.

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Eq. 10 (`kl=analytic`) and Eq. 6 (`kl=sampled`).
        Higgins et al., "beta-VAE", 2017, Eq. 4.
        Roeder, Wu and Duvenaud, "Sticking the Landing", 2017 (`estimator=stl`).
    """

    beta: float = 1.0
    beta_schedule: Schedule = Constant()

    def __post_init__(self) -> None:
        WeightedELBO.__post_init__(self)
        _check.at_least("objective.beta", self.beta, 0.0)
        _check.instance(
            "objective.beta_schedule", self.beta_schedule, Schedule, "schedule@objective.beta_schedule=linear"
        )

    def check_weights(self, num_steps: int) -> None:
        """Raises `VaexError` where the schedule outlasts the run."""
        self.beta_schedule.check("objective.beta_schedule", num_steps)

    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns distortion + beta s(t) rate."""
        del draws
        beta = self.beta * self.beta_schedule.rising(ctx.step, ctx.num_steps)
        return Weighed(dist + beta * rate, dist + self.beta * rate, beta, state, {}, self.beta)
