"""Gradient estimators: they change how draws carry gradients, and leave objectives alone."""

from typing import Any

from vaex import _check
from vaex._check import VaexError

ESTIMATORS = ("reparameterized", "stl", "dreg")


def check_draws(model: Any, estimator: str, num_samples: int, chunk: int | None) -> None:
    """Raises `VaexError` where the model cannot be drawn from in this way.

    Args:
        model: the model.
        estimator: `reparameterized` (Kingma and Welling 2014), `stl` or `dreg`.
        num_samples: K.
        chunk: of the K draws.
    """
    if estimator != "reparameterized" and not model.posterior.distribution.has_log_prob:
        raise VaexError(
            f"objective.estimator={estimator}: expected a posterior whose density is known at any point, got "
            f"{type(model.posterior).__name__}; use objective.estimator=reparameterized"
        )
    if chunk is not None and chunk < num_samples and model.likelihood.reads_batch:
        raise VaexError(
            f"objective.chunk={chunk}: likelihood={model.likelihood.name} needs all draws of the batch at once; "
            "use objective.chunk=null, or likelihood=shared_gaussian"
        )


def check_settings(estimator: str, num_samples: Any, chunk: Any) -> None:
    """Raises `VaexError` for a setting of the draws that means nothing."""
    _check.whole("objective.num_samples", num_samples)
    _check.one_of("objective.estimator", estimator, ESTIMATORS)
    if chunk is not None:
        _check.whole("objective.chunk", chunk)
