"""What Hydra tells before it starts, what a job knows of its sweep, and what a sweep ends in."""

import json
import logging
import re
import shlex
import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.command import is_sweep

LOG = logging.getLogger("vaex")


@dataclass
class _Sweep:
    """A sweep of this process."""

    folder: Path
    was_there: bool
    multirun: bytes | None  # what its `multirun.yaml` held before
    unfinished: list[str] = field(default_factory=list)  # jobs that did not complete, where that is a failure
    lines: list[str] = field(default_factory=list)  # where its runs' loggers put their numbers


_SWEEPS: list[_Sweep] = []  # noted when they start: Hydra tells its caller nothing
_CONFIGS: dict[Path, bytes] = {}  # the `.hydra` files of runs that were there before


class Folders(Callback):
    """Notes folders before Hydra writes into them.

    A sweep can end in its report however its jobs ended, and a command that is refused leaves what was there alone.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a single run."""
        del kwargs
        _note_configs(Path(config.hydra.run.dir), ".hydra/*")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a sweep's first job."""
        del kwargs
        folder = Path(config.hydra.sweep.dir)
        multirun = folder / "multirun.yaml"
        _SWEEPS.append(_Sweep(folder, folder.exists(), multirun.read_bytes() if multirun.exists() else None))
        _note_configs(folder, "*/.hydra/*")


def _note_configs(folder: Path, pattern: str) -> None:
    _CONFIGS.clear()
    _CONFIGS.update({path.resolve(): path.read_bytes() for path in folder.glob(pattern)})


def restore_configs(folder: Path) -> None:
    """Writes back what a run's `.hydra` held before this command."""
    for path, content in _CONFIGS.items():
        if path.parent.parent == folder.resolve():
            path.write_bytes(content)


def leave_as_it_was(folder: Path) -> None:
    """Undoes what Hydra wrote into a sweep's folder before its first job: nothing was trained there."""
    for sweep in _SWEEPS:
        if sweep.folder == folder and sweep.multirun is not None:
            (folder / "multirun.yaml").write_bytes(sweep.multirun)
        elif sweep.folder == folder:
            (folder / "multirun.yaml").unlink(missing_ok=True)
            if not sweep.was_there and {path.name for path in folder.glob("*")} <= {".lock"}:
                shutil.rmtree(folder)
    _SWEEPS[:] = [sweep for sweep in _SWEEPS if sweep.folder != folder]


def note_failure(folder: Path, message: str, overrides: Sequence[str]) -> None:
    """Writes the summary of a sweep's job that was refused before it started, so that its row is not missing."""
    path = folder / "summary.json"
    if not path.exists():
        content = {"status": "failed", "message": message, "config_overrides": list(overrides)}
        path.write_text(json.dumps(content))


def note_unfinished(message: str) -> None:
    """Notes that a job of the sweep did not complete, for the exit status."""
    for sweep in _SWEEPS[-1:]:
        sweep.unfinished.append(message)


def note_lines(lines: Sequence[str]) -> None:
    """Notes where the numbers of a sweep's runs went, to be said once for all."""
    for sweep in _SWEEPS[-1:]:
        sweep.lines += lines


def report_if_sweep() -> list[str]:
    """Returns the jobs that failed, after printing the report of the sweep that this process ran."""
    unfinished: list[str] = []
    for sweep in list(_SWEEPS):
        unfinished += sweep.unfinished
        if not (sweep.folder / "sweep.json").exists() and not any(sweep.folder.glob("*/")):
            leave_as_it_was(sweep.folder)  # refused before its first job
        elif any(sweep.folder.rglob("summary.json")):
            text = _compared(sweep.folder)
            if line := closing_line(sweep.lines, sweep.folder):
                LOG.info(line)
            print(text, flush=True)
    _SWEEPS.clear()
    return unfinished


def _compared(folder: Path) -> str:
    from vaex.sweep import compare, manifest  # here, since it takes a second that --help need not wait

    start = time.perf_counter()
    text = compare([folder])
    of_sweep = manifest.read_manifest(folder)
    if of_sweep is not None and "seconds" in of_sweep.about:
        of_sweep.about["seconds"]["report"] = round(time.perf_counter() - start, 4)
        of_sweep.write()
    return text


def about_job(hydra: Any, swept: Collection[str] | None = None) -> dict[str, Any]:
    """Returns a job's overrides, and in a sweep its name (the swept keys) and group.

    Args:
        hydra: its `hydra` node.
        swept: the keys that a sweep varies; read from its `multirun.yaml` where they are not given.
    """
    overrides = tuple(str(o) for o in hydra.overrides.task)
    if not is_sweep(hydra):
        return {"overrides": overrides}
    sweep = Path(hydra.sweep.dir)
    swept = swept_keys(sweep) if swept is None else swept
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


def is_basic_sweeper(config: DictConfig) -> bool:
    """Whether Hydra's own sweeper asks, which uses no return value but raises what it finds in one."""
    return str(config.hydra.sweeper._target_).endswith(".BasicSweeper")


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Returns the `summary.json` of a run, or None where there is none that can be read."""
    with suppress(OSError, ValueError):
        return json.loads((folder / "summary.json").read_text())
    return None


def closing_line(lines: Sequence[str], sweep: Path) -> str | None:
    """Returns what to type, or where to look, for all members' W&B runs, in one line."""
    if any(line.startswith("wandb sync ") for line in lines):
        words = dict.fromkeys(word for line in lines for word in shlex.split(line)[2:])
        inside = re.compile(rf"{re.escape(str(sweep.absolute()))}/[^/]+/wandb/offline-run-[^/]+")
        if all(inside.fullmatch(word) for word in words):
            root, own = shlex.quote(str(sweep)), any(sweep.glob("wandb/offline-run-*"))  # the report's
            return f"wandb sync {root}/*/wandb/offline-run-*" + f" {root}/wandb/offline-run-*" * own
        return " ".join(["wandb sync", *map(shlex.quote, words)])
    address = next((line for line in lines if "/runs/" in line), None)
    return address and f"{address.split('/runs/')[0]}/groups/{'_'.join(sweep.parts[-2:])}"
