"""The linear encoder, with whose decoder a VAE is probabilistic PCA."""

from flax import linen as nn
from jaxtyping import Array, Float


class Linear(nn.Module):
    """One linear layer from the flattened example to the posterior's parameters."""

    @nn.compact
    def __call__(self, x: Float[Array, "*event"], features: int) -> Float[Array, " F"]:
        """Returns `features` numbers for one example of any shape."""
        return nn.Dense(features)(x.reshape(-1))
