"""A weight that moves until the rate is what was asked for."""

import jax.numpy as jnp

from vaex import _check
from vaex.objectives import control
from vaex.objectives.base import Context, Draws, State
from vaex.objectives.weighted import Weighed, WeightedELBO
from vaex.part import part
from vaex.typing import Scalar


@part
class TargetRate(WeightedELBO):
    """loss = distortion + beta rate, and after each step log beta += gain (rate - target) / target: dual ascent.

    It minimises the distortion subject to rate = target; the beta that it comes to rest at is the constraint's
    multiplier, minus the slope of the rate-distortion curve there.

    References:
        Alemi et al., "Fixing a Broken ELBO", 2018 (the constrained problem and its multiplier).
    """

    target: float | None = None  # nats per datum
    gain: float = 0.02  # of log beta, per step and relative error
    beta: float = 1.0  # where it starts
    beta_min: float = 1e-3
    beta_max: float = 1e3

    def __post_init__(self) -> None:
        WeightedELBO.__post_init__(self)
        control.check_target("objective.target", self.target, "5")
        assert self.target is not None
        _check.positive("objective.target", self.target)
        _check.positive("objective.gain", self.gain)
        control.check_bounds(self.beta_min, self.beta_max, self.beta)

    def init(self) -> State:
        """Returns log beta."""
        return jnp.log(jnp.asarray(self.beta, jnp.float32))

    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns distortion + beta rate, and the next log beta."""
        del draws, ctx
        assert self.target is not None
        error = (rate - self.target) / self.target
        after = control.moved(state, self.gain * error, self.beta_min, self.beta_max)
        return control.weighed(dist, rate, jnp.exp(state), after, self.target)
