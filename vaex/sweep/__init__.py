"""Sweeps: their results, side by side."""

from vaex.sweep.results import Result, read_sweep
from vaex.sweep.table import compare, latest_sweep, table

__all__ = ["Result", "compare", "latest_sweep", "read_sweep", "table"]
