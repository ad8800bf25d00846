"""Objectives: pure functions of a batch's draws."""

from vaex.objectives.base import (
    Context,
    Drawing,
    Draws,
    Level,
    Objective,
    State,
    Terms,
    distortion,
    exact_rate,
    log_weights,
    sampled_rate,
    weighted_mean,
)
from vaex.objectives.ciwae import CIWAE
from vaex.objectives.elbo import ELBO
from vaex.objectives.iwae import IWAE
from vaex.objectives.miwae import MIWAE
from vaex.objectives.piwae import PIWAE
from vaex.objectives.renyi import Renyi

__all__ = [
    "CIWAE",
    "ELBO",
    "IWAE",
    "MIWAE",
    "PIWAE",
    "Context",
    "Drawing",
    "Draws",
    "Level",
    "Objective",
    "Renyi",
    "State",
    "Terms",
    "distortion",
    "exact_rate",
    "log_weights",
    "sampled_rate",
    "weighted_mean",
]
