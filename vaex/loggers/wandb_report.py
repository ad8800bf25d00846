"""The report run of a group in W&B: one table and one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaex._check import VaexError
from vaex.loggers.base import RunInfo
from vaex.loggers.wandb import Wandb
from vaex.loggers.wandb_service import warn_once


def log(
    settings: Mapping[str, Any], run: RunInfo, columns: Sequence[str], rows: Sequence[Sequence[Any]], page: Path
) -> None:
    """Logs the table `results` and the page as the run `run.wandb_id`, which a second call updates.

    `settings` are those of the group's members. Whatever goes wrong is one warning.
    """
    try:
        opened = Wandb(**settings).open(run)
    except VaexError as error:
        warn_once(f"W&B: no report there ({error})")
        return

    def media() -> dict[str, Any]:
        import wandb

        # `inject` would have the page fetch a style sheet of W&B's.
        return {
            "results": wandb.Table(columns=list(columns), data=[list(row) for row in rows]),
            "report": wandb.Html(page.read_text(encoding="utf-8"), inject=False),
        }

    opened.media(media)
    opened.close({}, 0)
