"""Shapes that rise from 0 to 1 over a stated length."""

from vaex.schedules.base import Ramp, Schedule
from vaex.schedules.constant import Constant
from vaex.schedules.ramps import Cosine, Cyclical, Linear, Sigmoid, Warmup
from vaex.schedules.stages import Stages

__all__ = ["Constant", "Cosine", "Cyclical", "Linear", "Ramp", "Schedule", "Sigmoid", "Stages", "Warmup"]
