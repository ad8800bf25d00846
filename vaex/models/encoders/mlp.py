"""Fully connected encoders, written for one example."""

from flax import linen as nn
from jaxtyping import Array, Float

from vaex.models._layers import INITIALIZERS, check_names, check_widths, dense_stack


class MLP(nn.Module):
    """A stack of Dense layers of any widths, then a linear layer to the posterior's parameters."""

    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    kernel_init: str = "lecun_normal"

    def __post_init__(self) -> None:
        self.hidden = check_widths("encoder.hidden", self.hidden)
        check_names("encoder", self.activation, self.kernel_init)
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Float[Array, "*event"], features: int) -> Float[Array, " F"]:
        """Returns `features` numbers for one example of any shape."""
        h = dense_stack(x.reshape(-1), self.hidden, self.activation, self.kernel_init)
        return nn.Dense(features, kernel_init=INITIALIZERS[self.kernel_init])(h)
