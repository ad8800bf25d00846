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
from vaex.objectives.capacity import Capacity
from vaex.objectives.ciwae import CIWAE
from vaex.objectives.dip_vae import dip_vae
from vaex.objectives.elbo import ELBO
from vaex.objectives.free_bits import FreeBits
from vaex.objectives.geco import GECO
from vaex.objectives.info_vae import info_vae
from vaex.objectives.iwae import IWAE
from vaex.objectives.miwae import MIWAE
from vaex.objectives.pi_control import PIControl
from vaex.objectives.piwae import PIWAE
from vaex.objectives.renyi import Renyi
from vaex.objectives.target_rate import TargetRate
from vaex.objectives.tc_vae import tc_vae
from vaex.objectives.wae_mmd import wae_mmd

__all__ = [
    "CIWAE",
    "ELBO",
    "GECO",
    "IWAE",
    "MIWAE",
    "PIWAE",
    "Capacity",
    "Context",
    "Drawing",
    "Draws",
    "FreeBits",
    "Level",
    "Objective",
    "PIControl",
    "Renyi",
    "State",
    "TargetRate",
    "Terms",
    "dip_vae",
    "distortion",
    "exact_rate",
    "info_vae",
    "log_weights",
    "sampled_rate",
    "tc_vae",
    "wae_mmd",
    "weighted_mean",
]
