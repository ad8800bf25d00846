"""A weight set by a proportional-integral controller of the rate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaex import _check
from vaex.objectives import control
from vaex.objectives.base import Context, Draws, State
from vaex.objectives.weighted import Weighed, WeightedELBO
from vaex.part import part
from vaex.typing import Scalar


class PIState(NamedTuple):
    """The controller's memory."""

    integral: Scalar
    beta: Scalar  # of the last step


@part
class PIControl(WeightedELBO):
    """loss = distortion + beta rate, beta = kp sigmoid(e) + I, with e = rate - target and I the sum of ki e.

    Both beta and I are kept in [beta_min, beta_max]. Bounding I is the anti-windup: while beta stands at a bound,
    errors are not stored up, where the plain sum would go on and overshoot by as much as it had stored.

    References:
        Shao et al., "ControlVAE: Controllable Variational Autoencoder", 2020.
    """

    target: float | None = None  # nats per datum
    kp: float = 0.01
    ki: float = 0.003  # per step and nat (the paper has 0.001, for longer runs)
    beta: float = 1.0  # where the integral starts
    beta_min: float = 1e-3
    beta_max: float = 100.0

    def __post_init__(self) -> None:
        WeightedELBO.__post_init__(self)
        control.check_target("objective.target", self.target, "5")
        assert self.target is not None
        _check.positive("objective.target", self.target)
        _check.at_least("objective.kp", self.kp, 0.0)
        _check.positive("objective.ki", self.ki)
        control.check_bounds(self.beta_min, self.beta_max, self.beta)

    def init(self) -> State:
        """Returns the integral and beta, both where beta starts."""
        start = jnp.asarray(self.beta, jnp.float32)
        return PIState(start, start)

    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns distortion + beta rate, and the controller after this step."""
        del draws, ctx
        assert self.target is not None
        error = jax.lax.stop_gradient(rate) - self.target
        integral = jnp.clip(state.integral + self.ki * error, self.beta_min, self.beta_max)
        # P = kp sigmoid(e): between 0, far below the target, and kp, far above it
        beta = jnp.clip(self.kp * jax.nn.sigmoid(error) + integral, self.beta_min, self.beta_max)
        return control.weighed(dist, rate, state.beta, PIState(integral, beta), self.target)
