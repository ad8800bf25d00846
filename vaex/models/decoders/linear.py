"""The linear decoder."""

import math

from flax import linen as nn
from jaxtyping import Array, Float

from vaex.models._layers import starting_at


class Linear(nn.Module):
    """One linear layer from z to the likelihood's raw parameters."""

    @nn.compact
    def __call__(
        self, z: Float[Array, " Z"], shape: tuple[int, ...], bias: Float[Array, "..."] | None = None
    ) -> Float[Array, "..."]:
        """Returns raw parameters of the given shape; `bias` is where the bias starts."""
        return nn.Dense(math.prod(shape), bias_init=starting_at(bias))(z).reshape(shape)
