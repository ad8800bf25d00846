"""Priors p(z)."""

from vaex.models.priors.standard_normal import StandardNormal

__all__ = ["StandardNormal"]
