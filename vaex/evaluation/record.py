"""An entry of `evaluation.json`: a number, and all that tells how it was obtained."""

import time

import jax

from vaex.evaluation.measure import Measured, settings_of
from vaex.evaluation.runs import Finished
from vaex.metrics import Metric
from vaex.training import precision
from vaex.training.evaluations import Entry
from vaex.training.job import data_facts


def entry(
    run: Finished,
    name: str,
    metric: Metric,
    measured: Measured,
    *,
    split: str,
    seed: int,
    matmul_precision: str = precision.REPORTED,
) -> Entry:
    """Returns all that tells how a number was obtained, and the numbers."""
    data, device = run.job.data, jax.devices()[0]
    return {
        "metric": name,
        "kind": type(metric).__name__,
        "version": metric.version,
        "headline": metric.headline,
        "settings": settings_of(metric),
        "seed": seed,
        "split": "simulated" if metric.simulates else split,
        "num_examples": measured.num_examples,
        "num_samples": getattr(metric, "num_samples", None),  # K
        "binarization": data.binarization,
        "dequantization": "uniform" if data.preparation.dequantize else "none",
        "likelihood": run.model.likelihood.name,
        "data_measure": data.measure,
        "data": data_facts(data),
        "step": run.step,
        "checkpoint_sha256": run.sha256,
        "numbers": measured.numbers,
        "warnings": measured.warnings,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seconds": measured.seconds,
        "matmul_precision": matmul_precision,
        "device": f"{device.platform}: {device.device_kind}",
    }
