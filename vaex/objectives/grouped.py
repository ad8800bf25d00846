"""What bounds of several groups of draws share."""

from abc import ABC

from jaxtyping import Array, Float

from vaex import _check
from vaex.objectives.bound import Bound
from vaex.part import part, static


@part
class GroupedBound(Bound, ABC):
    """M groups of K draws each."""

    num_groups: int = static(default=5)  # M, of num_samples draws each

    def __post_init__(self) -> None:
        Bound.__post_init__(self)
        _check.whole("objective.num_groups", self.num_groups)

    @property
    def num_draws(self) -> int:
        """M x K."""
        return self.num_groups * self.num_samples

    def groups(self, log_w: Float[Array, " MK"]) -> Float[Array, "M K"]:
        """Returns the log-weights, a row a group."""
        return log_w.reshape(self.num_groups, -1)
