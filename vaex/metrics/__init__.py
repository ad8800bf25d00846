"""Numbers that say how good a model is; nats per datum, and bits per dimension where they mean something."""

from vaex.metrics.ais import AIS, BDMC, RDCurve
from vaex.metrics.alarms import ALARMS, Alarm, alarms
from vaex.metrics.base import About, Metric
from vaex.metrics.decomposition import decomposition_of, summarise_decomposition
from vaex.metrics.evidence import Annealing, ais_estimate, bdmc_estimate, rate_distortion_estimate
from vaex.metrics.importance import Estimate, importance_estimate
from vaex.metrics.information import Information
from vaex.metrics.nll import NLL
from vaex.metrics.prior_hole import prior_hole
from vaex.metrics.summary import active_units, bits_per_dim, mean_and_se, summarise

__all__ = [
    "AIS",
    "ALARMS",
    "BDMC",
    "NLL",
    "About",
    "Alarm",
    "Annealing",
    "Estimate",
    "Information",
    "Metric",
    "RDCurve",
    "active_units",
    "ais_estimate",
    "alarms",
    "bdmc_estimate",
    "bits_per_dim",
    "decomposition_of",
    "importance_estimate",
    "mean_and_se",
    "prior_hole",
    "rate_distortion_estimate",
    "summarise",
    "summarise_decomposition",
]
