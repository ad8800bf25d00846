"""Objectives: pure functions of a batch's draws."""

from vaex.objectives.base import (
    Context,
    Draws,
    Level,
    Objective,
    State,
    Terms,
    distortion,
    exact_rate,
    sampled_rate,
    weighted_mean,
)
from vaex.objectives.elbo import ELBO

__all__ = [
    "ELBO",
    "Context",
    "Draws",
    "Level",
    "Objective",
    "State",
    "Terms",
    "distortion",
    "exact_rate",
    "sampled_rate",
    "weighted_mean",
]
