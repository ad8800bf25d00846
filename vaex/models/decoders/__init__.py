"""Decoders: from one z to the likelihood's raw parameters."""

from vaex.models.decoders.conv import Conv
from vaex.models.decoders.linear import Linear
from vaex.models.decoders.mlp import MLP

__all__ = ["MLP", "Conv", "Linear"]
