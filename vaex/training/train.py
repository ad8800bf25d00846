"""`train`: recipes and data in, parameters and history out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from vaex.data import Dataset
from vaex.training.loop import Hooks, Row, fit
from vaex.training.members import side_by_side
from vaex.training.pack import Pack
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
    return train_pack([recipe], data)[0]


def train_pack(
    recipes: Sequence[Recipe], data: Dataset, strategy: str = "auto", devices: Sequence[Any] | None = None
) -> list[Result]:
    """Returns the results of recipes of one structure, trained side by side in one compiled program.

    Args:
        recipes: they differ in numbers only (beta, seed, rate, ...).
        data: all see the same batches.
        strategy: `loop` (bit-identical to each alone), `vmap` (a batch axis), or `auto`: `loop` on a CPU, else `vmap`.
        devices: of JAX, that the members share; without, as many as the strategy takes.

    Raises:
        VaexError: where the recipes differ in structure.
    """
    histories: list[list[Row]] = [[] for _ in recipes]
    hooks = Hooks(row=lambda m, step, split, values: histories[m].append((step, split, values)))
    pack = Pack(recipes, data, side_by_side(len(recipes), strategy, devices))
    outcomes = fit(pack, hooks=hooks).outcomes
    return [
        Result(outcome.state.eval_params, tuple(history), outcome.status, outcome.message)
        for outcome, history in zip(outcomes, histories, strict=True)
    ]
