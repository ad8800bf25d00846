"""`python -m experiments.train KEY=VALUE ...`: one run, or with `-m` a sweep."""

import logging
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.command import CONF, Stopped, command, mistakes

LOG = logging.getLogger("vaex")


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
def task(cfg: DictConfig) -> float:
    """Returns the monitored number of one job, after training it in its folder."""
    from experiments.assemble import assemble, plain
    from experiments.device import prepare_jax
    from experiments.hooks import about_job

    own = HydraConfig.get()
    folder = Path(own.runtime.output_dir)
    with mistakes(own):
        prepare_jax()
        from vaex._check import VaexError
        from vaex.training import StopFlag, run

        job = assemble(plain(cfg), folder, **about_job(own))
        with StopFlag() as stop:  # from here on there is a state to save
            summary = run(job, stop)
        if summary["status"] == "interrupted":
            raise Stopped(stop.exit_code, own)
        if summary["status"] != "completed":
            raise VaexError(f"{folder}: {summary['status']}: {summary['message']}")
    LOG.info("run: %s", folder)
    return summary["monitor"]["value"]


def main() -> None:
    """Runs the command; see `experiments.command` for exit codes and messages."""
    command(task)


if __name__ == "__main__":
    sys.exit(main())
