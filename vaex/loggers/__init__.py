"""Where numbers and figures go; several loggers may be at work on one run."""

from vaex.loggers.base import Log, Logger, RunInfo
from vaex.loggers.jsonl import Jsonl
from vaex.loggers.progress import Progress
from vaex.loggers.tensorboard import Tensorboard
from vaex.loggers.wandb import Wandb

__all__ = ["Jsonl", "Log", "Logger", "Progress", "RunInfo", "Tensorboard", "Wandb"]
