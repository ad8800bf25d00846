"""One run: everything that determines its numbers, as a pytree."""

from vaex import _check
from vaex.data import Dataset
from vaex.models import VAE
from vaex.objectives import Objective
from vaex.optimizers import Adam, Optimizer
from vaex.part import leaf, part, static
from vaex.training.precision import REPORTED, check


@part
class Recipe:
    """A model, how to train it, and for how long.

    Two recipes of equal tree structure share one compiled program: a new beta, seed or rate never traces again.
    """

    model: VAE
    objective: Objective
    optimizer: Optimizer = Adam()
    ema_decay: float | None = None  # of the averaged parameters that are evaluated and saved beside the raw ones
    seed: int = leaf(default=0)  # initialisation and noise
    num_steps: int = static(default=2000)
    batch_size: int = static(default=64)
    eval_every: int = static(default=500)
    log_every: int = static(default=200)
    matmul_precision: str = static(default="default")  # of training; see `vaex.training.precision`
    evaluation_precision: str = static(default=REPORTED)  # of the numbers that are reported

    def __post_init__(self) -> None:
        _check.seed("seed", self.seed)
        for name in ("num_steps", "batch_size", "eval_every", "log_every"):
            _check.whole(f"trainer.{name}", getattr(self, name))
        check("trainer.matmul_precision", self.matmul_precision)
        check("evaluation.matmul_precision", self.evaluation_precision)
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise _check.VaexError(f"trainer.ema_decay: expected a number in (0, 1) or null, got {self.ema_decay}")
        self.objective.check(self.model, self.num_steps)
        self._check_examples(self.batch_size, f"trainer.batch_size={self.batch_size}", "trainer.batch_size=64")
        self.optimizer.check(self.num_steps)

    def check_data(self, data: Dataset) -> None:
        """Raises `VaexError` if a split holds fewer examples than the objective compares."""
        for name in ("train", "validation", "test"):
            split = getattr(data, name)
            if split is not None:
                self._check_examples(len(split), f"{data.name}: its {name} split", "objective=elbo")

    def _check_examples(self, num: int, where: str, fix: str) -> None:
        least = self.objective.least_batch
        if num < least:
            raise _check.VaexError(
                f"{where}: the objective's penalty compares the examples of a batch with each other: expected at least "
                f"{least} of them, got {num}; type {fix}"
            )
