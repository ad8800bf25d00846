"""The convolutional encoder of the disentanglement literature."""

from flax import linen as nn
from jaxtyping import Array, Float

from vaex import _check
from vaex._check import VaexError
from vaex.models._layers import ACTIVATIONS, INITIALIZERS, check_names, check_widths


class Conv(nn.Module):
    """Four strided convolutions and a Dense layer (as in Locatello et al. 2019), for any image size."""

    channels: tuple[int, ...] = (32, 32, 64, 64)
    kernel: int = 4
    hidden: int = 256
    activation: str = "relu"
    kernel_init: str = "lecun_normal"

    def __post_init__(self) -> None:
        self.channels = check_widths("encoder.channels", self.channels)
        _check.whole("encoder.kernel", self.kernel)
        _check.whole("encoder.hidden", self.hidden)
        check_names("encoder", self.activation, self.kernel_init)
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Float[Array, "*event"], features: int) -> Float[Array, " F"]:
        """Returns `features` numbers for one image; each convolution halves its height and width, rounding up."""
        if x.ndim != 3:
            raise VaexError(
                f"encoder=conv expects images (H x W x C), got shape {x.shape}; use encoder=mlp for vectors"
            )
        act, init = ACTIVATIONS[self.activation], INITIALIZERS[self.kernel_init]
        for width in self.channels:
            x = act(nn.Conv(width, (self.kernel, self.kernel), strides=2, padding="SAME", kernel_init=init)(x))
        h = act(nn.Dense(self.hidden, kernel_init=init)(x.reshape(-1)))
        return nn.Dense(features, kernel_init=init)(h)
