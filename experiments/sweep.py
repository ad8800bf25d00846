"""What a job knows of its sweep, and what a sweep ends in."""

from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.command import is_sweep

_SWEEPS: list[Path] = []  # of this process, noted when they start: Hydra tells its caller nothing


class NoteSweep(Callback):
    """Notes the sweep's folder, so that the command can end in its table however its jobs ended."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before the first job."""
        del kwargs
        _SWEEPS.append(Path(config.hydra.sweep.dir))


def report_if_sweep() -> None:
    """Prints the table of the sweep that this process ran, and writes its `results.csv`."""
    from vaex.sweep import compare

    for sweep in _SWEEPS:
        if any(sweep.glob("*/summary.json")):
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
    """Returns the keys of a sweep with more than one value: read from its `multirun.yaml`, which every launcher leaves."""
    config = OmegaConf.load(sweep / "multirun.yaml").hydra
    given = [f"{key}={value}" for key, value in (config.sweeper.get("params") or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*given, *config.overrides.task])
    return {str(o.key_or_group) for o in parsed if o.is_sweep_override()}
