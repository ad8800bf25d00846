"""Training: where model and objective meet, once."""

from vaex.training.job import Job
from vaex.training.recipe import Recipe
from vaex.training.run import run
from vaex.training.signals import StopFlag
from vaex.training.step import TrainState, init_state, run_steps, train_step
from vaex.training.train import Result, train
from vaex.training.trainer import Trainer

__all__ = [
    "Job",
    "Recipe",
    "Result",
    "StopFlag",
    "TrainState",
    "Trainer",
    "init_state",
    "run",
    "run_steps",
    "train",
    "train_step",
]
