"""What Hydra's `run_job` does before a job: its folder, its `.hydra`, its log.

Without the four copies of the config that it makes, which take longer than the files; a test holds the files to those
of the basic launcher.
"""

from pathlib import Path
from typing import Any

import yaml
from hydra.core.utils import JobReturn, configure_log
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper


def prepare(config: DictConfig, folder: Path) -> JobReturn:
    """Returns Hydra's record of a job, after making its folder and setting up its logging.

    Args:
        config: of the job, with its `hydra` node.
        folder: the job's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configure_log(config.hydra.job_logging, config.hydra.verbose)
    content: Any = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    of_hydra = {"hydra": content.pop("hydra")}
    overrides = of_hydra["hydra"]["overrides"]["task"]
    if config.hydra.output_subdir is not None:
        files = {"config.yaml": content, "hydra.yaml": of_hydra, "overrides.yaml": overrides}
        _write(folder / config.hydra.output_subdir, files)
    name = str(config.hydra.job.name)
    return JobReturn(overrides=overrides, cfg=config, hydra_cfg=config, working_dir=str(Path.cwd()), task_name=name)


def _write(folder: Path, files: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            # As `OmegaConf.to_yaml` writes a config
            yaml.dump(
                content,
                file,
                default_flow_style=False,
                allow_unicode=True,
                sort_keys=False,
                Dumper=get_omega_conf_dumper(),
            )
