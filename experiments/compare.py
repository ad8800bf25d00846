"""`python -m experiments.compare sweep=DIR`: a sweep's rate-distortion table, `results.csv` and `report.html`."""

import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig

from experiments.command import CONF, command, mistakes
from experiments.named import folder
from vaex._check import VaexError
from vaex.trust import modules


@hydra.main(version_base="1.3", config_path=CONF, config_name="compare")
def task(cfg: DictConfig) -> None:
    """Prints the table of one sweep, or of several joined, and the paths of `results.csv` and `report.html`."""
    from vaex.sweep import compare, latest_sweep

    with mistakes(HydraConfig.get()):
        by = list(cfg.group_by) if isinstance(cfg.group_by, ListConfig) else cfg.group_by
        _check_keys("axis", [] if cfg.axis is None else [cfg.axis])
        _check_keys("group_by", by if isinstance(by, list) else [] if by is None else [by])
        # A sweep that is named twice counts once
        named = list(dict.fromkeys(cfg.sweep)) if isinstance(cfg.sweep, ListConfig) else [cfg.sweep]
        if not named:
            raise VaexError("sweep: expected the folders of sweeps, got none; type sweep=latest")
        output = folder("output_dir", cfg.output_dir, "outputs")
        if not isinstance(cfg.wandb, bool):
            raise VaexError(f"wandb: expected true or false, got {cfg.wandb!r}; type wandb=false")
        modules(cfg.trust)  # nothing that a sweep's folder names is imported to compare it
        sweeps = [latest_sweep(output) if name == "latest" else folder("sweep", name) for name in named]
        print(compare(sweeps, axis=cfg.axis, group_by=by, wandb=cfg.wandb))


def _check_keys(name: str, keys: Sequence[object]) -> None:
    for key in keys:
        if not isinstance(key, str):
            raise VaexError(f"{name}: expected a swept key, got {key!r}; for example {name}=objective.beta")


def main() -> None:
    """Runs the command."""
    command(task, "compare")


if __name__ == "__main__":
    sys.exit(main())
