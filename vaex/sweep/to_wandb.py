"""The report of a sweep in W&B, where its runs are there too."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vaex.loggers import RunInfo, wandb_report
from vaex.sweep.manifest import ENDED, read_manifest
from vaex.sweep.results import Result
from vaex.sweep.settings import Comparison, Setting, deviation
from vaex.sweep.table import NUMBERS
from vaex.training.named import named, shared

_NAMES = (*NUMBERS, "active_units")


def log_report(sweep: Path, comparison: Comparison, html: Path) -> None:
    """Logs the table by setting and the page as the report run of the sweep's group; nothing where no run is in W&B."""
    member = next((result for result in comparison.results if _is_logged(result)), None)
    if member is None:
        return
    settings = member.run["config"]["logger"]["wandb"]
    of_logger = {key: settings[key] for key in ("project", "entity", "group", "mode") if key in settings}
    run = RunInfo(
        folder=sweep,
        name="report",
        wandb_id=_run_id(sweep, member),
        group=member.run.get("group") or "_".join(sweep.parts[-2:]),
        job_type="report",
        config=shared([named(result.run["config"]) for result in comparison.results if "config" in result.run]),
        tags=(),
        num_steps=0,
        resumed_at=None,
        single=False,
    )
    columns, rows = results_table(comparison)
    wandb_report.log(of_logger, run, columns, rows, html)


def _is_logged(result: Result) -> bool:
    """W&B leaves a folder in every run that it logs, and none where it is disabled."""
    configured = "wandb" in (result.run.get("config", {}).get("logger") or {})
    return configured and "wandb_id" in result.run and (result.folder / "wandb").is_dir()


def _run_id(sweep: Path, member: Result) -> str:
    """The id of the report's run: that of last time, or one made of a member's, which is random.

    A sweep that may be running writes its `sweep.json` itself.
    """
    made = hashlib.sha256(f"report of {member.run['wandb_id']}".encode()).hexdigest()[:8]
    manifest = read_manifest(sweep)
    if manifest is None:
        return made
    if "wandb_report" not in manifest.about and all(entry.status in ENDED for entry in manifest.jobs):
        manifest.about["wandb_report"] = made
        manifest.write()
    return manifest.about.get("wandb_report", made)


def results_table(comparison: Comparison) -> tuple[list[str], list[list[Any]]]:
    """Returns the table by setting with each spread in a column of its own, so that W&B can sort and draw."""
    names = [comparison.names[key] for key in comparison.keys]
    shown = (*_NAMES, *comparison.headlines)
    numbers = [column for name in shown for column in (_short(name), f"{_short(name)}_sd")]
    columns = [*names, "n", *numbers, "status", "data_measure"]
    rows = [
        [
            *(setting.values[key] for key in comparison.keys),
            len(setting.completed),
            *_numbers(setting, shown),
            setting.statuses,
            panel.measure,
        ]
        for panel in comparison.panels
        for setting in panel.settings
    ]
    return columns, rows


def _short(name: str) -> str:
    return name.removesuffix("_units")


def _numbers(setting: Setting, names: Sequence[str]) -> list[float | None]:
    cells: list[float | None] = []
    for name in names:
        values = setting.numbers(name)
        cells += [setting.mean(name), deviation(values) if len(values) > 1 else None]
    return cells
