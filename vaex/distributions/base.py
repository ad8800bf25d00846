"""What a posterior or a prior is to the rest of vaex."""

from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Array, Float

from vaex.typing import PRNGKey, Scalar


@runtime_checkable
class Distribution(Protocol):
    """A distribution over one z of shape [Z]; log densities are in nats, summed over Z."""

    has_log_prob: ClassVar[bool]  # at any point, not only at its own samples (planar flows, IAF: no)
    factorized: ClassVar[bool]  # over dimensions; then it has `log_prob_each(z)`, [Z], and `variance`, [Z]

    @property
    def mean(self) -> Float[Array, " Z"]:
        """The mean of z."""
        ...

    def sample_and_log_prob(self, key: PRNGKey) -> tuple[Float[Array, " Z"], Scalar]:
        """Returns one z and its log density: together they are often cheaper and steadier than apart."""
        ...

    def log_prob(self, z: Float[Array, " Z"]) -> Scalar:
        """Returns log p(z)."""
        ...
