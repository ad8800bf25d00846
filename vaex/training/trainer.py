"""The settings of a run's loop, as configured."""

import math
from dataclasses import dataclass
from typing import Any

from vaex import _check
from vaex._check import VaexError
from vaex.training.precision import REPORTED, check
from vaex.training.recipe import Recipe

DEFAULT_NUM_STEPS = 2000
MONITORS = ("elbo", "nll", "objective", "rate", "distortion", "mse")


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """How long, how often, and what is handed back to a sweeper."""

    __no_type_check__ = True  # settings of a wrong type are refused in our own words
    num_steps: int | None = None  # both null: 2,000 steps
    num_epochs: float | None = None
    batch_size: int = 64
    eval_every: int = 500
    checkpoint_every: int = 500
    log_every: int = 200
    steps_per_call: int | None = None  # null: 100, or 1 for convolutions on a CPU
    ema_decay: float | None = None
    precision: str = "float32"
    matmul_precision: str = "default"  # of float32 products in training; see `vaex.training.precision`
    monitor: str = "elbo"
    early_stopping: int | None = None  # evaluations without a better monitor, after which the run ends
    keep_best: bool = False  # summary, figures and loading are of the best evaluation's parameters
    init_from: str | None = None  # folder of a finished run whose parameters training starts from

    def __post_init__(self) -> None:
        for name in ("batch_size", "eval_every", "checkpoint_every", "log_every"):
            _check.whole(f"trainer.{name}", getattr(self, name))
        if self.num_steps is not None and self.num_epochs is not None:
            raise VaexError(
                f"trainer: expected one length, got num_steps={self.num_steps} and num_epochs={self.num_epochs}; "
                "set one of them to null (trainer.num_steps=null)"
            )
        if self.num_steps is not None:
            _check.whole("trainer.num_steps", self.num_steps)
        if self.num_epochs is not None and not (_check.is_number(self.num_epochs) and self.num_epochs > 0):
            raise VaexError(f"trainer.num_epochs: expected a number above 0, got {self.num_epochs!r}")
        if self.steps_per_call is not None:
            _check.whole("trainer.steps_per_call", self.steps_per_call)
        if self.ema_decay is not None and not (_check.is_number(self.ema_decay) and 0 < self.ema_decay < 1):
            raise VaexError(f"trainer.ema_decay: expected a number in (0, 1) or null, got {self.ema_decay!r}")
        if not isinstance(self.init_from, str | None):
            raise VaexError(f"trainer.init_from: expected the folder of a run, got {self.init_from!r}")
        _check.one_of("trainer.precision", self.precision, ("float32", "bfloat16"))
        check("trainer.matmul_precision", self.matmul_precision)
        _check.one_of("trainer.monitor", self.monitor, MONITORS)

    def steps_for(self, num_train: int) -> int:
        """Returns the number of steps: as set, or ceil(epochs * examples / batch size)."""
        if self.num_epochs is not None:
            return math.ceil(self.num_epochs * num_train / self.batch_size)
        return DEFAULT_NUM_STEPS if self.num_steps is None else self.num_steps

    def recipe(
        self,
        model: Any,
        objective: Any,
        optimizer: Any,
        seed: int,
        num_train: int,
        evaluation_precision: str = REPORTED,
    ) -> Recipe:
        """Returns the recipe of one run on `num_train` examples."""
        return Recipe(
            model=model,
            objective=objective,
            optimizer=optimizer,
            ema_decay=self.ema_decay,
            seed=seed,
            num_steps=self.steps_for(num_train),
            batch_size=self.batch_size,
            eval_every=self.eval_every,
            log_every=self.log_every,
            matmul_precision=self.matmul_precision,
            evaluation_precision=evaluation_precision,
        )
