"""Penalties: terms of the loss that compare the examples of a batch."""

from vaex.objectives.penalties.base import NoPenalty, Penalty
from vaex.objectives.penalties.dip import DIP
from vaex.objectives.penalties.mmd import MMD
from vaex.objectives.penalties.total_correlation import TotalCorrelation

__all__ = ["DIP", "MMD", "NoPenalty", "Penalty", "TotalCorrelation"]
