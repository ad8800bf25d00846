"""Evaluation after training: metrics over finished runs, packed, and their record beside each run."""

from vaex.evaluation.measure import Measured, measure
from vaex.evaluation.record import entry
from vaex.evaluation.runs import Finished, finished, folders_of, packs_of

__all__ = ["Finished", "Measured", "entry", "finished", "folders_of", "measure", "packs_of"]
