"""Likelihoods p(x | z): each owns its output transform, its normaliser and its data's domain."""

from vaex.likelihoods.base import Likelihood
from vaex.likelihoods.bernoulli import Bce, Bernoulli
from vaex.likelihoods.gaussian import DiagonalGaussian, Gaussian, OptimalGaussian, SharedGaussian, mse

__all__ = [
    "Bce",
    "Bernoulli",
    "DiagonalGaussian",
    "Gaussian",
    "Likelihood",
    "OptimalGaussian",
    "SharedGaussian",
    "mse",
]
