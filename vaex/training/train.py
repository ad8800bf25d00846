"""`train`: a recipe and data in, parameters and history out."""

from typing import NamedTuple

from vaex.data import Dataset
from vaex.training.loop import Hooks, Row, fit
from vaex.training.recipe import Recipe
from vaex.typing import Params


class Result(NamedTuple):
    """What training gives back."""

    params: Params  # to evaluate: the averaged ones with `ema_decay`
    history: tuple[Row, ...]  # (step, split, values in nats per datum)
    status: str  # "completed" or "diverged"
    message: str


def train(recipe: Recipe, data: Dataset) -> Result:
    """Returns the trained parameters and the history of a recipe; touches no file.

    A second recipe of equal structure (another beta, seed, rate) runs in the same compiled program.
    """
    history: list[Row] = []
    hooks = Hooks(row=lambda step, split, values: history.append((step, split, values)))
    outcome = fit(recipe, data, hooks=hooks)
    return Result(outcome.state.eval_params, tuple(history), outcome.status, outcome.message)
