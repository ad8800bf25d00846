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


def check_max_step(max_step: _check.Real | None) -> None:
    """Raises `VaexError` unless the largest step is above 0, or null."""
    if max_step is not None:
        _check.positive("objective.max_step", max_step)


def moved(log_beta: Scalar, by: Scalar, max_step: Number | None, low: Number, high: Number) -> Scalar:
    """Returns log beta after a step, kept within its bounds: what is beyond them is not stored up (no windup).

    Args:
        log_beta: before the step.
        by: what the error asks for.
        max_step: at most so much is done of it, up or down; None: all of it.
        low: the smallest beta.
        high: the largest.
    """
    step = jax.lax.stop_gradient(by)
    if max_step is not None:
        step = jnp.clip(step, -max_step, max_step)
    return jnp.clip(log_beta + step, jnp.log(jnp.float32(low)), jnp.log(jnp.float32(high)))


def weighed(dist: Scalar, rate: Scalar, beta: Scalar, state: State, target: Number) -> Weighed:
    """Returns distortion + beta rate, whose beta is a state and no setting: so loss and target objective are one."""
    beta = jax.lax.stop_gradient(beta)
    loss = dist + beta * rate
    return Weighed(loss, loss, beta, state, {"target": jnp.float32(1.0) * target}, beta)
