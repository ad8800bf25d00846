"""Sweeps: their results, side by side."""

from vaex.sweep.report import compare, latest_sweep
from vaex.sweep.results import Result, read_sweep
from vaex.sweep.table import table

__all__ = ["Result", "compare", "latest_sweep", "read_sweep", "table"]
