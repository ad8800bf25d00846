"""What an evaluator is: a pure function of one example, and how its results over a split become numbers."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from vaex._check import VaexError
from vaex.models import VAE
from vaex.part import part
from vaex.typing import Event, Number, Params, PRNGKey

DRAWS = 2500  # decoded at once: what fits into a CPU's cache, whatever K is


class About(NamedTuple):
    """What a metric may know of the data."""

    num_dims: int  # numbers in one example
    log_jacobian: float  # log p(given) = log p(x) + this, of the data's rescaling
    log_cell: float | None  # log of the volume of one discrete value in each dimension; None where bits mean nothing


@part
class Metric(ABC):
    """An evaluator: settings, and functions of (model, params, key, x) for one example; `vmap` adds batch and members.

    Keys are folded from the example's index, so that no number depends on batch, pack or device count. `version` moves
    whenever the same settings would give other numbers.
    """

    version: ClassVar[int] = 1
    headline: ClassVar[str] = ""  # of its numbers the one for a table
    simulates: ClassVar[bool] = False  # whether the examples are drawn from the model, and the data's unused

    def check(self, model: VAE) -> None:  # noqa: B027 - most fit every model
        """Raises `VaexError` where the model or its data lack what the metric needs."""

    def count(self, available: int) -> int:
        """Returns how many examples to use: the first of the split, all of them unless the settings say otherwise."""
        return available

    @property
    @abstractmethod
    def at_once(self) -> int:
        """The number of examples in a device call."""

    @abstractmethod
    def example(self, model: VAE, params: Params, key: PRNGKey, index: Number, x: Event) -> Any:
        """Returns what is to be known of one example: arrays that do not depend on the others."""

    def whole(self, model: VAE, params: Params, key: PRNGKey, found: Any) -> Any:
        """Returns what compares the examples: `found` is that of all of them, with a leading N; () by default."""
        del model, params, key, found
        return ()

    @abstractmethod
    def numbers(self, found: Any, whole: Any, about: About) -> dict[str, Any]:
        """Returns the numbers, in nats per datum of the data as given, from arrays with a leading N on the host."""

    def warnings(self, numbers: dict[str, Any]) -> list[str]:
        """Returns why the numbers are not to be trusted, if they are not."""
        del numbers
        return []


def need_density(metric: str, model: VAE) -> None:
    """Raises `VaexError` where the model has no density."""
    if not model.likelihood.is_density:
        raise VaexError(
            f"metric={metric}: expected a model with a density, got likelihood={model.likelihood.name}, which is none; "
            "train with another likelihood, or type metric=information"
        )


def wide(values: Any) -> np.ndarray:
    """Returns values on the host in float64, where sums of 10,000 lose nothing."""
    return np.asarray(values, np.float64)
