"""`python -m experiments.compare sweep=DIR`: a sweep's rate-distortion table, `results.csv` and `report.html`."""

import sys
from pathlib import Path

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

    by = cfg.group_by if cfg.group_by is None or isinstance(cfg.group_by, str) else list(cfg.group_by)
    named = list(cfg.sweep) if isinstance(cfg.sweep, ListConfig) else [cfg.sweep]
    output = Path(cfg.output_dir)
    with mistakes(HydraConfig.get()):
        if not isinstance(cfg.wandb, bool):
            raise VaexError(f"wandb: expected true or false, got {cfg.wandb!r}; type wandb=false")
        modules(cfg.trust)  # nothing that a sweep's folder names is imported to compare it
        sweeps = [latest_sweep(output) if name == "latest" else folder("sweep", name) for name in named]
        print(compare(sweeps, axis=cfg.axis, group_by=by, wandb=cfg.wandb))


def main() -> None:
    """Runs the command."""
    command(task, "compare")


if __name__ == "__main__":
    sys.exit(main())
