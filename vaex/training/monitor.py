"""When a run is at its best, by a number of its validation split, and when it has waited long enough."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from vaex import _check
from vaex._check import VaexError
from vaex.schedules import Schedule
from vaex.training.recipe import Recipe

# What a row of `metrics.jsonl` holds, and the sign of better; the other monitors are computed at the end only.
BETTER = {"elbo": 1.0, "objective": -1.0, "rate": -1.0, "distortion": -1.0}


@dataclass(frozen=True)
class Seen:
    """What the evaluations so far say."""

    step: int | None = None  # of the best one
    value: float | None = None
    since: int = 0  # evaluations that were no better, from the best one on
    stopped: bool = False

    def after(self, step: int, value: float, sign: float, patience: int | None) -> "Seen":
        """Returns what is known after one more evaluation; a number that is not finite is never better."""
        if np.isfinite(value) and (self.value is None or sign * value > sign * self.value):
            return Seen(step, value)
        since = self.since + 1
        return replace(self, since=since, stopped=patience is not None and since >= patience)


@dataclass(frozen=True)
class Monitor:
    """What a run watches on its validation split."""

    name: str = "elbo"
    patience: int | None = None  # evaluations without a better one, after which the run ends; None: it never does
    keeps: bool = False  # whether the best evaluation's parameters are those of the summary
    begins: int = 0  # the step from which evaluations count: no schedule moves any more

    @property
    def watches(self) -> bool:
        """Whether there is anything to do."""
        return self.keeps or self.patience is not None

    def after(self, seen: Seen, step: int, values: Mapping[str, float]) -> Seen:
        """Returns what is known after a row of the validation split."""
        if step < self.begins:
            return seen
        return seen.after(step, values[self.name], BETTER[self.name], self.patience)

    def message(self, seen: Seen) -> str:
        """Returns why a run has stopped early."""
        best = "none" if seen.step is None else f"{seen.value:.6g} nats at step {seen.step}"
        return f"stopped early: {seen.since} evaluations without a better validation {self.name} (the best: {best})"


def settled(recipe: Recipe) -> int:
    """Returns the step from which no schedule of a recipe moves any more; 0 without schedules."""
    # A thousandth of a step is rounding: .7 x 10 is a little above 7
    leaves = jax.tree.leaves(recipe, is_leaf=lambda part: isinstance(part, Schedule))
    ends = [part.settled(recipe.num_steps) for part in leaves if isinstance(part, Schedule)]
    return max((int(np.ceil(end - 1e-3)) for end in ends), default=0)


def monitor_of(trainer: Any, recipe: Recipe, has_validation: bool) -> Monitor:
    """Returns what a run watches.

    Args:
        trainer: with `monitor`, `early_stopping` and `keep_best`.
        recipe: of the run.
        has_validation: whether its data have a validation split.

    Raises:
        VaexError: where there is nothing to watch, or no time left to wait.
    """
    if trainer.early_stopping is not None:
        _check.whole("trainer.early_stopping", trainer.early_stopping)
    if not isinstance(trainer.keep_best, bool):
        raise VaexError(f"trainer.keep_best: expected true or false, got {trainer.keep_best!r}")
    found = Monitor(trainer.monitor, trainer.early_stopping, trainer.keep_best)
    if not found.watches:
        return found
    key = "trainer.keep_best" if trainer.early_stopping is None else "trainer.early_stopping"
    if not has_validation:
        raise VaexError(
            f"{key}: expected a validation split to watch, and these data have none; type data.validation_fraction=0.1"
        )
    if trainer.monitor not in BETTER:
        raise VaexError(
            f"{key}: trainer.monitor={trainer.monitor} is computed at the end only; type trainer.monitor=elbo (or "
            f"{', '.join(list(BETTER)[1:])})"
        )
    begins = settled(recipe)
    if trainer.early_stopping is not None and begins >= recipe.num_steps:
        raise VaexError(
            f"trainer.early_stopping: a schedule moves until step {begins} of {recipe.num_steps}, and no evaluation "
            "before its end counts; let it end sooner, such as objective.beta_schedule.fraction=0.5, or type "
            "trainer.early_stopping=null"
        )
    return replace(found, begins=begins)
