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
    """loss = distortion + beta rate, log beta += clip(gain (rate - target) / target, max_step): dual ascent.

    It minimises the distortion subject to rate = target; the beta that it comes to rest at is the constraint's
    multiplier, minus the slope of the rate-distortion curve there.

    A step is clipped to [-max_step, max_step]; null: off. Before an encoder has learned anything, its rate may be many
    times the target: a few batches would throw beta across its range, from where it takes hundreds of steps back.

    References:
        Alemi et al., "Fixing a Broken ELBO", 2018 (the constrained problem and its multiplier).
    """

    target: float | None = None  # nats per datum
    gain: float = 0.02  # of log beta, per step and relative error
    beta: float = 1.0  # where it starts
    beta_min: float = 1e-3
    beta_max: float = 1e3
    max_step: float | None = 0.1  # of log beta; None: unbounded

    def __post_init__(self) -> None:
        WeightedELBO.__post_init__(self)
        control.check_target("objective.target", self.target, "5")
        assert self.target is not None
        _check.positive("objective.target", self.target)
        _check.positive("objective.gain", self.gain)
        control.check_max_step(self.max_step)
        control.check_bounds(self.beta_min, self.beta_max, self.beta)

    def init(self) -> State:
        """Returns log beta."""
        return jnp.log(jnp.asarray(self.beta, jnp.float32))

    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns distortion + beta rate, and the next log beta."""
        del draws, ctx
        assert self.target is not None
        error = (rate - self.target) / self.target
        after = control.moved(state, self.gain * error, self.max_step, self.beta_min, self.beta_max)
        return control.weighed(dist, rate, jnp.exp(state), after, self.target)
