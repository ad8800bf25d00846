"""Likelihoods p(x | z): each owns its output transform, its normaliser and its data's domain."""

from vaex.likelihoods.base import Likelihood
from vaex.likelihoods.bernoulli import Bce, Bernoulli
from vaex.likelihoods.beta import Beta
from vaex.likelihoods.categorical import Categorical
from vaex.likelihoods.continuous_bernoulli import ContinuousBernoulli
from vaex.likelihoods.discretized_logistic import DiscretizedLogistic
from vaex.likelihoods.gaussian import DiagonalGaussian, Gaussian, OptimalGaussian, SharedGaussian, mse
from vaex.likelihoods.laplace import Laplace
from vaex.likelihoods.logistic_mixture import LogisticMixture
from vaex.likelihoods.negative_binomial import NegativeBinomial
from vaex.likelihoods.poisson import Poisson
from vaex.likelihoods.student_t import StudentT
from vaex.likelihoods.zero_inflated_negative_binomial import ZeroInflatedNegativeBinomial

__all__ = [
    "Bce",
    "Bernoulli",
    "Beta",
    "Categorical",
    "ContinuousBernoulli",
    "DiagonalGaussian",
    "DiscretizedLogistic",
    "Gaussian",
    "Laplace",
    "Likelihood",
    "LogisticMixture",
    "NegativeBinomial",
    "OptimalGaussian",
    "Poisson",
    "SharedGaussian",
    "StudentT",
    "ZeroInflatedNegativeBinomial",
    "mse",
]
