"""`python -m experiments.compare sweep=DIR`: a sweep's rate-distortion table and `results.csv`."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.command import CONF, command, mistakes


@hydra.main(version_base="1.3", config_path=CONF, config_name="compare")
def task(cfg: DictConfig) -> None:
    """Prints the table of one sweep, or of several joined."""
    from vaex.sweep import compare, latest_sweep

    named = [cfg.sweep] if isinstance(cfg.sweep, str) else list(cfg.sweep)
    output = Path(cfg.output_dir)
    with mistakes(HydraConfig.get()):
        print(compare([latest_sweep(output) if name == "latest" else Path(name) for name in named]))


def main() -> None:
    """Runs the command."""
    command(task, "compare")


if __name__ == "__main__":
    sys.exit(main())
