"""From estimates of each test example to the numbers of a run."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vaex.metrics.importance import Estimate


def active_units(z_mean: np.ndarray, threshold: float = 0.01) -> int | None:
    """Returns the number of latents with Var_x(E_q[z|x]) above the threshold (Burda et al. 2016, Section 5.2).

    None for a single example, which has no variance: 0 would say that the model has collapsed.
    """
    if len(z_mean) < 2:
        return None
    return int(np.sum(np.var(z_mean, axis=0) > threshold))


def bits_per_dim(nll: float, num_dims: int, log_cell: float = 0.0) -> float:
    """Returns an NLL in nats per example as bits per dimension; the only place where bits exist.

    Args:
        nll: in nats per example.
        num_dims: numbers in one example.
        log_cell: log of the volume of one discrete value, where `nll` is of a density of dequantized data.
    """
    # P(k) = density * volume:  (nll / D - log volume) / log 2
    return (nll / num_dims - log_cell) / math.log(2.0)


def mean_and_se(values: ArrayLike) -> tuple[float, float | None]:
    """Returns the mean and its standard error over examples; None with fewer than two, or where it is not finite."""
    values = np.asarray(values, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # the last finite parameters of a diverged run may well overflow
        se = float(np.std(values, ddof=1) / math.sqrt(values.size)) if values.size > 1 else None
        return float(np.mean(values)), se if se is not None and math.isfinite(se) else None


def summarise(
    estimate: Estimate,
    *,
    num_dims: int,
    log_jacobian: float,
    is_density: bool,
    log_cell: float | None,
    num_samples: int,
) -> dict[str, Any]:
    """Returns a run's numbers, in nats per datum of the data as given.

    Args:
        estimate: of every test example, leading axis N.
        num_dims: numbers in one example.
        log_jacobian: log |dx/d(given)| of the data's rescaling: log p(given) = log p(x) + log_jacobian.
        is_density: False leaves out what only a likelihood has.
        log_cell: log of the volume of one discrete value in each dimension; None where bits mean nothing.
        num_samples: K behind `nll`; 0 leaves it out.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # the last finite parameters of a diverged run may well overflow
        return _summarise(estimate, num_dims, log_jacobian, is_density, log_cell, num_samples)


def _summarise(
    estimate: Estimate, num_dims: int, log_jacobian: float, is_density: bool, log_cell: float | None, num_samples: int
) -> dict[str, Any]:
    rate, _ = mean_and_se(estimate.rate)
    distortion, _ = mean_and_se(np.asarray(estimate.distortion, np.float64) - log_jacobian)
    elbo, elbo_se = mean_and_se(log_jacobian - np.asarray(estimate.rate, np.float64) - estimate.distortion)
    nll, nll_se, ess, bits = None, None, None, None
    if is_density and num_samples:
        nll, nll_se = mean_and_se(np.asarray(estimate.nll, np.float64) - log_jacobian)
        ess = float(np.mean(estimate.ess))
        bits = None if log_cell is None else bits_per_dim(nll, num_dims, log_cell)
    return {
        "elbo": elbo,
        "elbo_se": elbo_se,
        "rate": rate,
        "distortion": distortion,
        "nll": nll,
        "nll_se": nll_se,
        "nll_num_samples": num_samples,
        "ess": ess,
        "bits_per_dim": bits,
        "active_units": active_units(np.asarray(estimate.z_mean)),
    }
