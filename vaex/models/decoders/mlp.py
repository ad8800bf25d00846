"""Fully connected decoders, written for one z."""

import math

from flax import linen as nn
from jaxtyping import Array, Float

from vaex.models._layers import INITIALIZERS, check_names, check_widths, dense_stack, starting_at


class MLP(nn.Module):
    """A stack of Dense layers of any widths, then a linear layer to the likelihood's raw parameters."""

    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    kernel_init: str = "lecun_normal"

    def __post_init__(self) -> None:
        self.hidden = check_widths("decoder.hidden", self.hidden)
        check_names("decoder", self.activation, self.kernel_init)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, z: Float[Array, " Z"], shape: tuple[int, ...], bias: Float[Array, "..."] | None = None
    ) -> Float[Array, "..."]:
        """Returns raw parameters of the given shape; `bias` is where the last bias starts."""
        h = dense_stack(z, self.hidden, self.activation, self.kernel_init)
        out = nn.Dense(math.prod(shape), kernel_init=INITIALIZERS[self.kernel_init], bias_init=starting_at(bias))
        return out(h).reshape(shape)
