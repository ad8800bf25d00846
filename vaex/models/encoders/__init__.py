"""Encoders: from one example to the numbers that the posterior is made of."""

from vaex.models.encoders.conv import Conv
from vaex.models.encoders.linear import Linear
from vaex.models.encoders.mlp import MLP

__all__ = ["MLP", "Conv", "Linear"]
