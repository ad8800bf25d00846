"""The mean-field normal posterior."""

from typing import ClassVar

from jaxtyping import Array, Float

from vaex.distributions import Normal
from vaex.numerics import soft_clip
from vaex.part import part


@part
class DiagonalNormal:
    """q(z|x) = N(mu(x), diag s(x)^2) (Kingma and Welling 2014, Eq. 9); log s is bounded smoothly."""

    distribution: ClassVar[type] = Normal

    def num_features(self, latent_dim: int) -> int:
        """Returns how many numbers the encoder must emit."""
        return 2 * latent_dim

    def __call__(self, features: Float[Array, " F"]) -> Normal:
        """Returns the posterior of one example: the first half of the features are means, the second log-scales."""
        half = features.shape[-1] // 2
        return Normal(features[..., :half], soft_clip(features[..., half:]))
