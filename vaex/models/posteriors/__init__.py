"""Posteriors: from the encoder's features to q(z|x)."""

from vaex.models.posteriors.diagonal_normal import DiagonalNormal

__all__ = ["DiagonalNormal"]
