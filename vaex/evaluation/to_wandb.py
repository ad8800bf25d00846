"""An evaluation as a W&B run of its own, of job type `eval`, in the group of the run that it is of."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaex.evaluation.runs import Finished
from vaex.loggers import RunInfo, Wandb
from vaex.training.evaluations import Entry
from vaex.training.files import read_json
from vaex.training.named import named


def check(run: Finished) -> None:
    """Raises `VaexError`, before anything is measured, where W&B's environment would merge the evaluations."""
    logger = run.job.loggers.get("wandb")
    if logger is not None:
        logger.check(_info(run, run.job.folder, {}))


def log_entries(run: Finished, entries: Sequence[Entry], folder: Path, logger: Wandb) -> str | None:
    """Returns the line that says where the numbers went, after logging them; `final/METRIC.NUMBER` in the summary.

    Args:
        run: that they are of; its own files stay as they are.
        entries: what was measured.
        folder: where W&B may write.
        logger: as the run was logged.
    """
    keys = ("version", "settings", "seed", "split", "matmul_precision")
    settings = {one["metric"]: {key: one[key] for key in keys} for one in entries}
    log = logger.open(_info(run, folder, settings))
    summary: dict[str, Any] = {"status": "completed", "warnings": [w for one in entries for w in one["warnings"]]}
    for one in entries:
        summary |= {f"{one['metric']}.{key}": value for key, value in one["numbers"].items()}
    log.close(summary, 0)
    return log.closing_line


def _info(run: Finished, folder: Path, settings: Mapping[str, Any]) -> RunInfo:
    of_run = read_json(run.job.folder / "run.json")
    return RunInfo(
        folder=folder,
        name=" ".join(filter(None, (run.job.name, "eval"))),
        wandb_id=secrets.token_hex(4),
        group=of_run.get("group"),
        job_type="eval",
        config={
            **named(of_run.get("config", {})),
            "run": {"id": of_run.get("id"), "wandb_id": of_run.get("wandb_id")},
            "metric": settings,
        },
        tags=(run.job.data.name, run.model.likelihood.name),
        num_steps=run.step,
        resumed_at=None,
        single=False,
    )
