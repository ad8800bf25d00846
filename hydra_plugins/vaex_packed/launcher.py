"""The plugin itself: tiny, since Hydra executes it for every application of the environment."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig


@dataclass
class PackedLauncherConf:
    """`hydra/launcher=packed`."""

    _target_: str = "hydra_plugins.vaex_packed.launcher.PackedLauncher"
    train_pack: str = "experiments.packed.train_pack"  # the function of an application that trains a batch of jobs
    strategy: str = "auto"  # loop | vmap; auto: loop on a CPU, else vmap
    max_pack: int | None = None  # members that train at once; null: as many as memory allows
    on_failure: str = "fail"  # record: exit status 0 also where jobs failed or diverged
    retry: Any = field(default_factory=list)  # [failed]: train those again, in a sweep that is continued
    dry_run: bool = False  # print the plan, and stop there
    fail_fast: bool = False  # start no other pack once a job has failed or diverged
    zip: Any = field(default_factory=list)  # [KEY,KEY]: their values one by one, not every combination
    executor: str = "local"


ConfigStore.instance().store(group="hydra/launcher", name="packed", node=PackedLauncherConf, provider="vaex_packed")


class ComposedOnce:
    """Hydra's config loader; a job's config that the sweeper composed to validate it is the one that is launched."""

    def __init__(self, loader: Any):
        self._loader, self._composed, self.seconds = loader, {}, 0.0
        self.launching = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Returns a job's config, for a job that is launched the one that was composed to validate it."""
        validated = self._composed.setdefault(tuple(sweep_overrides), [])
        if self.launching and validated:
            return validated.pop()
        start = time.perf_counter()
        config = self._loader.load_sweep_config(master_config, sweep_overrides)
        self.seconds += time.perf_counter() - start
        if not self.launching:
            validated.append(config)  # two jobs may have the same overrides
        return config


class PackedLauncher(Launcher):
    """Hands a batch of jobs to the application's own function, which knows what can train together."""

    def __init__(self, train_pack: str, **settings: Any):
        self.train_pack, self.settings = train_pack, settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra gives."""
        self.loader = ComposedOnce(hydra_context.config_loader)
        hydra_context.config_loader = self.loader  # type: ignore[assignment]
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Returns how each job ended."""
        train = get_method(self.train_pack)  # imported here: jax takes a second
        self.loader.launching = True
        try:
            about = {"task_function": self.task_function, **self.settings}
            return train(self.hydra_context, self.config, job_overrides, initial_job_idx, **about)
        finally:
            self.loader.launching = False
