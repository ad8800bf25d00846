"""Training: where model and objective meet, once."""

from vaex.training.job import Job
from vaex.training.pack import Pack, program_of
from vaex.training.recipe import Recipe
from vaex.training.run import run, run_pack
from vaex.training.signals import StopFlag
from vaex.training.step import TrainState, init_state, run_steps, train_step
from vaex.training.train import Result, train, train_pack
from vaex.training.trainer import Trainer

__all__ = [
    "Job",
    "Pack",
    "Recipe",
    "Result",
    "StopFlag",
    "TrainState",
    "Trainer",
    "init_state",
    "program_of",
    "run",
    "run_pack",
    "run_steps",
    "train",
    "train_pack",
    "train_step",
]
