"""The convolutional decoder of the disentanglement literature."""

import math

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from vaex import _check
from vaex._check import VaexError
from vaex.models._layers import ACTIVATIONS, INITIALIZERS, check_names, check_widths, starting_at


class Conv(nn.Module):
    """Two Dense layers and transposed convolutions (as in Locatello et al. 2019), for any image size.

    Each transposed convolution doubles height and width; what overshoots the image is cropped.
    """

    channels: tuple[int, ...] = (
        64,
        64,
        32,
        32,
    )  # into each of the transposed convolutions, the last of which emits raw
    kernel: int = 4
    hidden: int = 256
    activation: str = "relu"
    kernel_init: str = "lecun_normal"

    def __post_init__(self) -> None:
        self.channels = check_widths("decoder.channels", self.channels)
        _check.whole("decoder.kernel", self.kernel)
        _check.whole("decoder.hidden", self.hidden)
        check_names("decoder", self.activation, self.kernel_init)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, z: Float[Array, " Z"], shape: tuple[int, ...], bias: Float[Array, "..."] | None = None
    ) -> Float[Array, "..."]:
        """Returns raw parameters of the given shape; the last bias, one a channel, starts at the mean of `bias`."""
        if len(shape) < 3:
            raise VaexError(f"decoder=conv expects images (H x W x C), got shape {shape}; use decoder=mlp for vectors")
        act, init = ACTIVATIONS[self.activation], INITIALIZERS[self.kernel_init]
        height, width, depth = shape[0], shape[1], math.prod(shape[2:])
        scale = 2 ** len(self.channels)
        low = (math.ceil(height / scale), math.ceil(width / scale), self.channels[0])
        h = act(nn.Dense(self.hidden, kernel_init=init)(z))
        h = act(nn.Dense(math.prod(low), kernel_init=init)(h)).reshape(low)
        kernel = (self.kernel, self.kernel)
        for channels in self.channels[1:]:
            h = act(nn.ConvTranspose(channels, kernel, strides=(2, 2), padding="SAME", kernel_init=init)(h))
        channel_bias = None if bias is None else jnp.mean(jnp.reshape(bias, (height, width, depth)), axis=(0, 1))
        last = nn.ConvTranspose(
            depth, kernel, strides=(2, 2), padding="SAME", kernel_init=init, bias_init=starting_at(channel_bias)
        )
        return last(h)[:height, :width].reshape(shape)
