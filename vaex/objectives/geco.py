"""A weight that moves until the reconstructions are good enough."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaex import _check
from vaex.objectives import control
from vaex.objectives.base import Context, Draws, State
from vaex.objectives.weighted import Weighed, WeightedELBO
from vaex.part import part
from vaex.typing import Scalar


class GECOState(NamedTuple):
    """The multiplier and the constraint's moving average."""

    log_beta: Scalar
    constraint: Scalar  # of distortion - target, nats
    steps: Scalar  # behind the average


@part
class GECO(WeightedELBO):
    """min rate with distortion <= target: loss = distortion + rate / lambda, log lambda += clip(gain C, max_step).

    C is the moving average of distortion - target, corrected for its start at 0 as Adam's moments are: C_t = m_t /
    (1 - a^t), m_t = a m_(t-1) + (1 - a) (distortion - target), a = `smoothing`. (The paper's average starts at the
    first constraint, which then weighs 1 / (1 - a) times as much against the others as here.)

    A step is clipped to [-max_step, max_step], which the paper does not do; null: off. The first batches lie hundreds
    of nats from the target. At 0.003 a nat they would send lambda to its bound within ten steps, and the small errors
    near the target need hundreds of steps to bring it back.

    beta = 1 / lambda. The paper's loss, rate + lambda (distortion - target), is this one times lambda plus a constant:
    the same minimum, but here the distortion stays in nats of weight one, so that a learning rate means the same
    throughout. The target is in nats per datum of the data as given, as `distortion` is in the files.

    References:
        Rezende and Viola, "Taming VAEs", 2018, Algorithm 1.
    """

    target: float | None = None  # nats per datum
    gain: float = 0.003  # of log lambda, per step and nat
    smoothing: float = 0.9  # of the moving average
    beta: float = 1.0  # where it starts: 1 / lambda
    beta_min: float = 1e-3
    beta_max: float = 1e3
    max_step: float | None = 0.1  # of log lambda; None: unbounded

    def __post_init__(self) -> None:
        WeightedELBO.__post_init__(self)
        control.check_target("objective.target", self.target, "20")
        _check.positive("objective.gain", self.gain)
        _check.below_one("objective.smoothing", self.smoothing)
        control.check_max_step(self.max_step)
        control.check_bounds(self.beta_min, self.beta_max, self.beta)

    def init(self) -> State:
        """Returns the state before the first step."""
        return GECOState(jnp.log(jnp.asarray(self.beta, jnp.float32)), jnp.float32(0.0), jnp.float32(0.0))

    def weigh(self, draws: Draws, rate: Scalar, dist: Scalar, state: State, ctx: Context) -> Weighed:
        """Returns distortion + beta rate, and the next multiplier."""
        del draws
        assert self.target is not None
        now = jax.lax.stop_gradient(dist - ctx.log_jacobian - self.target)
        average = self.smoothing * state.constraint + (1.0 - self.smoothing) * now
        steps = state.steps + 1.0
        unbiased = average / (1.0 - self.smoothing**steps)
        log_beta = control.moved(state.log_beta, -self.gain * unbiased, self.max_step, self.beta_min, self.beta_max)
        after = GECOState(log_beta, average, steps)
        return control.weighed(dist, rate, jnp.exp(state.log_beta), after, self.target)
