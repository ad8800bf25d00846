"""Penalties: terms of the loss that compare the examples of a batch."""

from vaex.objectives.penalties.base import NoPenalty, Penalty

__all__ = ["NoPenalty", "Penalty"]
