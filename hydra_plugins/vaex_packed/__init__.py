"""The Hydra launcher `packed` trains a sweep's jobs as few compiled programs; the sweeper `grid` makes the jobs."""

from hydra_plugins.vaex_packed.launcher import PackedLauncher
from hydra_plugins.vaex_packed.sweeper import GridSweeper

__all__ = ["GridSweeper", "PackedLauncher"]
