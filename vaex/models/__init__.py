"""Models: networks in Flax, and the VAE that joins them to a posterior, a prior and a likelihood."""

from vaex.models import decoders, encoders, posteriors, priors
from vaex.models.vae import VAE

__all__ = ["VAE", "decoders", "encoders", "posteriors", "priors"]
