"""Optimizers with a traced learning rate."""

from vaex.optimizers.base import Optimizer
from vaex.optimizers.optimizers import SGD, Adam, AdamW, UncorrectedAdam

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "UncorrectedAdam"]
