"""What closed loops share: a weight between bounds, moved by an error."""

import jax
import jax.numpy as jnp

from vaex import _check
from vaex._check import VaexError
from vaex.objectives.base import State
from vaex.objectives.weighted import Weighed
from vaex.typing import Number, Scalar


def check_target(name: str, target: Number | None, example: str) -> None:
    """Raises `VaexError` without a target."""
    if target is None:
        raise VaexError(
            f"{name}: expected the number to reach, in nats per datum, got null; for example {name}={example}"
        )


def check_bounds(low: _check.Real, high: _check.Real, start: _check.Real) -> None:
    """Raises `VaexError` unless 0 < low <= start <= high."""
    _check.positive("objective.beta_min", low)
    if not low <= start <= high:
        raise VaexError(
            "objective.beta: expected objective.beta_min <= objective.beta <= objective.beta_max, got "
            f"{low:g}, {start:g} and {high:g}"
        )


def moved(log_beta: Scalar, by: Scalar, low: Number, high: Number) -> Scalar:
    """Returns log beta after a step, kept within its bounds: what is beyond them is not stored up (no windup)."""
    # A step of at most 10 %: the first batches, far from any target, would throw beta across its range.
    step = jnp.clip(jax.lax.stop_gradient(by), -0.1, 0.1)
    return jnp.clip(log_beta + step, jnp.log(jnp.float32(low)), jnp.log(jnp.float32(high)))


def weighed(dist: Scalar, rate: Scalar, beta: Scalar, state: State, target: Number) -> Weighed:
    """Returns distortion + beta rate, whose beta is a state and no setting: so loss and target objective are one."""
    beta = jax.lax.stop_gradient(beta)
    loss = dist + beta * rate
    return Weighed(loss, loss, beta, state, {"target": jnp.float32(1.0) * target}, beta)
