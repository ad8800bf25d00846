"""Numbers that say how good a model is; nats per datum, and bits per dimension where they mean something."""

from vaex.metrics.decomposition import decomposition_of, summarise_decomposition
from vaex.metrics.importance import Estimate, importance_estimate
from vaex.metrics.summary import active_units, bits_per_dim, mean_and_se, summarise

__all__ = [
    "Estimate",
    "active_units",
    "bits_per_dim",
    "decomposition_of",
    "importance_estimate",
    "mean_and_se",
    "summarise",
    "summarise_decomposition",
]
