"""The Hydra sweeper `grid`: Hydra's own basic one, with jobs that the application makes of the values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.utils import get_method


@dataclass
class GridSweeperConf(BasicSweeperConf):
    """`hydra/sweeper=grid`."""

    _target_: str = "hydra_plugins.vaex_packed.sweeper.GridSweeper"
    jobs: str = "experiments.grid.jobs"  # the function of an application that returns the overrides of every job


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="vaex_packed")


class GridSweeper(BasicSweeper):
    """Hydra's basic sweeper, which asks the application for the jobs."""

    def __init__(self, jobs: str, **settings: Any):
        super().__init__(**settings)
        self.jobs = jobs

    def split_arguments(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, overrides: Sequence[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Returns the overrides of each job, in batches."""
        assert self.config is not None
        assert self.hydra_context is not None
        jobs = get_method(self.jobs)(overrides, self.config, self.hydra_context.config_loader)
        return list(self.split_overrides_to_chunks(jobs, max_batch_size))
