"""The Hydra launcher `packed`: the jobs of a sweep train as few compiled programs."""

from hydra_plugins.vaex_packed.launcher import PackedLauncher

__all__ = ["PackedLauncher"]
