"""What Hydra tells before it starts, what a job knows of its sweep, and what a sweep ends in."""

import json
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.command import is_sweep

_SWEEPS: list[Path] = []  # of this process, noted when they start: Hydra tells its caller nothing
_CONFIGS: dict[Path, bytes] = {}  # the `.hydra` files of runs that were there before


class Folders(Callback):
    """Notes folders before Hydra writes into them.

    A sweep can end in its table however its jobs ended, and a command that is refused leaves a run's `.hydra` alone.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a single run."""
        del kwargs
        _note_configs(Path(config.hydra.run.dir), ".hydra/*")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a sweep's first job."""
        del kwargs
        _SWEEPS.append(Path(config.hydra.sweep.dir))
        _note_configs(_SWEEPS[-1], "*/.hydra/*")


def _note_configs(folder: Path, pattern: str) -> None:
    _CONFIGS.clear()
    _CONFIGS.update({path.resolve(): path.read_bytes() for path in folder.glob(pattern)})


def restore_configs(folder: Path) -> None:
    """Writes back what a run's `.hydra` held before this command."""
    for path, content in _CONFIGS.items():
        if path.parent.parent == folder.resolve():
            path.write_bytes(content)


def note_failure(folder: Path, message: str, overrides: list[str]) -> None:
    """Writes the summary of a sweep's job that was refused before it started, so that its row is not missing."""
    path = folder / "summary.json"
    if not path.exists():
        path.write_text(json.dumps({"status": "failed", "message": message, "config_overrides": overrides}))


def report_if_sweep() -> None:
    """Prints the table of the sweep that this process ran, and writes its `results.csv`."""
    for sweep in _SWEEPS:
        if any(sweep.glob("*/summary.json")):
            from vaex.sweep import compare  # here, since it takes a second that --help need not wait

            print(compare([sweep]))
    _SWEEPS.clear()


def about_job(hydra: Any) -> dict[str, Any]:
    """Returns a job's overrides, and in a sweep its name (the swept keys) and group."""
    overrides = tuple(str(o) for o in hydra.overrides.task)
    if not is_sweep(hydra):
        return {"overrides": overrides}
    sweep = Path(hydra.sweep.dir)
    swept = swept_keys(sweep)
    pairs = [o.split("=", 1) for o in overrides if o.split("=", 1)[0] in swept]
    return {
        "overrides": overrides,
        "name": " ".join(f"{key.split('.')[-1]}={value}" for key, value in pairs),
        "group": "_".join(sweep.parts[-2:]),
    }


def swept_keys(sweep: Path) -> set[str]:
    """Returns the keys of a sweep with several values, read from the `multirun.yaml` that every launcher leaves."""
    config = OmegaConf.load(sweep / "multirun.yaml").hydra
    given = [f"{key}={value}" for key, value in (config.sweeper.get("params") or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*given, *config.overrides.task])
    return {str(o.key_or_group) for o in parsed if o.is_sweep_override()}
