"""Distributions over z, and the exact KL divergences between them."""

from vaex.distributions.base import Distribution
from vaex.distributions.kl import has_kl, kl_divergence, register_kl
from vaex.distributions.normal import Normal, normal_log_density

__all__ = ["Distribution", "Normal", "has_kl", "kl_divergence", "normal_log_density", "register_kl"]
