"""What a logger is: a configured `Logger` opens a live `Log` for one run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, SupportsFloat, runtime_checkable


@dataclass(frozen=True)
class RunInfo:
    """What a logger may know of its run."""

    folder: Path
    name: str
    """The swept keys, e.g. `beta=4 seed=1`, or empty for a plain run."""
    wandb_id: str
    """Random, kept in `run.json` by the runner and reused on resume."""
    group: str | None
    """The sweep."""
    job_type: str
    """`train`, `eval` or `report`."""
    config: dict[str, Any]
    """Nested and numeric; a group's node carries the name of its choice in place of `_target_`."""
    tags: tuple[str, ...]
    num_steps: int
    resumed_at: int | None
    """Step of the checkpoint this run continues from; None for a fresh run."""
    single: bool = True
    """False for a member of a sweep."""


@runtime_checkable
class Log(Protocol):
    """A logger at work on one run. The steps of its calls never decrease."""

    @property
    def closing_line(self) -> str | None:
        """The line to print at the end: where the numbers went or how to send them there; None has nothing to say."""
        ...

    def metrics(self, step: int, split: str, values: Mapping[str, SupportsFloat | None]) -> None:
        """Records numbers of one split (`train`, `validation` or `test`) after `step` steps."""
        ...

    def figure(self, name: str, path: Path, step: int) -> None:
        """Records the PNG at `path`, under a name such as `reconstructions`."""
        ...

    def close(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Records the contents of `summary.json`, whose `status` says how the run ended, and lets go."""
        ...


@runtime_checkable
class Logger(Protocol):
    """A configured logger, such as `Wandb(project="vaex")`."""

    def check(self, run: RunInfo) -> None:
        """Raises `VaexError`, before training, where the run cannot be logged as it was asked for."""
        ...

    def open(self, run: RunInfo) -> Log:
        """Returns a live log for `run`, continuing what an earlier process left if the run was resumed."""
        ...
