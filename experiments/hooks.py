"""What Hydra tells before it starts, what a job knows of its sweep, and what a sweep ends in."""

import logging
import re
import shlex
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.command import is_sweep, said
from experiments.device import import_jax
from experiments.named import folder as folder_named
from experiments.unheeded import refuse_unheeded
from experiments.words import key_of
from vaex._check import VaexError
from vaex._write import write_bytes

LOG = logging.getLogger("vaex")


@dataclass
class _Sweep:
    """A sweep of this process, which holds its folder until the report is written."""

    folder: Path
    lock: ExitStack
    was_there: bool
    multirun: bytes | None  # what its `multirun.yaml` held before
    packed: bool  # by our launcher, which says when it starts
    started: bool = False
    unfinished: list[str] = field(default_factory=list)  # jobs that did not complete, where that is a failure
    lines: list[str] = field(default_factory=list)  # where its runs' loggers put their numbers


_WHERE: list[str] = []  # the key and the folder of the run or sweep of this command
_SWEEPS: list[_Sweep] = []  # noted when they start: Hydra tells its caller nothing
_CONFIGS: dict[Path, bytes] = {}  # the `.hydra` files of runs that were there before


class Folders(Callback):
    """Notes folders before Hydra writes into them.

    A sweep can end in its report however its jobs ended, and a command that is refused leaves what was there alone.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a single run."""
        del kwargs
        _WHERE[:] = ["hydra.run.dir", str(Path(config.hydra.run.dir).absolute())]
        with _ending():
            folder_named("output_dir", config.get("output_dir"), "outputs")
            refuse_unheeded(config.hydra)
        _note_configs(Path(config.hydra.run.dir), ".hydra/*")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a sweep's first job, and before it writes anything."""
        del kwargs
        folder, lock = Path(config.hydra.sweep.dir), ExitStack()
        _WHERE[:] = ["hydra.sweep.dir", str(folder)]
        was_there, multirun = folder.exists(), folder / "multirun.yaml"
        with _ending():
            folder_named("output_dir", config.get("output_dir"), "outputs")
            refuse_unheeded(config.hydra)
            import_jax()
            from vaex.training.job import alone  # here, since it takes a second that --help need not wait, as below

            lock.enter_context(alone(folder))
        before = multirun.read_bytes() if multirun.exists() else None
        packed = "train_pack" in config.hydra.launcher
        _SWEEPS.append(_Sweep(folder, lock, was_there, before, packed))
        _note_configs(folder, "*/.hydra/*")
        if not is_basic_sweeper(config):  # which leaves it itself; nobody else does
            OmegaConf.save(config, multirun)


@contextmanager
def _ending() -> Iterator[None]:
    """Ends the command at a mistake, since Hydra logs a callback's exceptions and goes on."""
    try:
        yield
    except VaexError as error:
        print(said(error, "train"), file=sys.stderr)
        sys.exit(1)


def _note_configs(folder: Path, pattern: str) -> None:
    _CONFIGS.clear()
    _CONFIGS.update({path.resolve(): path.read_bytes() for path in folder.glob(pattern)})


def restore_configs(folder: Path) -> None:
    """Writes back what a run's `.hydra` held before this command."""
    for path, content in _CONFIGS.items():
        if path.parent.parent == folder.resolve() and path.read_bytes() != content:
            write_bytes(path, content)


def where() -> list[str]:
    """Returns the key and the folder that make this command go on where it was; nothing before it had one."""
    return _WHERE


def note_start() -> None:
    """Notes that the sweep writes into its folder from now on."""
    for sweep in _SWEEPS[-1:]:
        sweep.started = True


def _leave_as_it_was(sweep: _Sweep) -> None:
    """Undoes what Hydra wrote into the folder of a sweep that was refused before its first job."""
    multirun = sweep.folder / "multirun.yaml"
    if sweep.multirun is not None:
        write_bytes(multirun, sweep.multirun)
        return
    multirun.unlink(missing_ok=True)
    if not sweep.was_there and {path.name for path in sweep.folder.glob("*")} <= {".lock"}:
        shutil.rmtree(sweep.folder)


def note_failure(folder: Path, message: str, overrides: Sequence[str]) -> None:
    """Writes the summary of a sweep's job that was refused before it started, so that its row is not missing."""
    from vaex.training.files import write_json

    if not (folder / "run.json").exists():
        content = {"status": "failed", "message": message, "config_overrides": list(overrides)}
        write_json(folder / "summary.json", content)


def note_unfinished(message: str) -> None:
    """Notes that a job of the sweep did not complete, for the exit status."""
    for sweep in _SWEEPS[-1:]:
        sweep.unfinished.append(message)


def note_lines(lines: Sequence[str]) -> None:
    """Notes where the numbers of a sweep's runs went, to be said once for all."""
    for sweep in _SWEEPS[-1:]:
        sweep.lines += lines


def started_sweeps() -> list[Path]:
    """Returns the folders of the sweeps that this process trains."""
    return [sweep.folder for sweep in _SWEEPS if sweep.started]


def report_if_sweep() -> list[str]:
    """Returns the jobs that failed, after printing the report of the sweep that this process ran."""
    unfinished: list[str] = []
    while _SWEEPS:
        sweep = _SWEEPS.pop(0)
        unfinished += sweep.unfinished if sweep.packed else _not_completed(sweep.folder)
        with sweep.lock:
            if not (sweep.started if sweep.packed else any(sweep.folder.glob("*/"))):
                _leave_as_it_was(sweep)
            elif any(sweep.folder.rglob("summary.json")):
                text = _compared(sweep.folder)
                if line := closing_line(sweep.lines, sweep.folder):
                    LOG.info(line)
                print(text, flush=True)
    return unfinished


def _not_completed(folder: Path) -> list[str]:
    """Returns the jobs that another launcher's sweep has left without an end."""
    from vaex.sweep import read_sweep

    if not any(folder.rglob("summary.json")):
        return []
    results = [job for job in read_sweep(folder) if job.status != "completed"]
    return [f"{job.folder}: {job.status}: {job.summary.get('message')}" for job in results]


def _compared(folder: Path) -> str:
    from vaex.sweep import compare, manifest

    start = time.perf_counter()
    text = compare([folder])
    of_sweep = manifest.read_manifest(folder)
    if of_sweep is not None and "seconds" in of_sweep.about:
        of_sweep.about["seconds"]["report"] = round(time.perf_counter() - start, 4)
        of_sweep.write()
    return text


def about_job(hydra: Any, fixed: Collection[str] | None = None) -> dict[str, Any]:
    """Returns a job's overrides, and in a sweep its name (the swept keys) and group.

    Args:
        hydra: its `hydra` node.
        fixed: the keys that a sweep does not vary; read from its `multirun.yaml` where they are not given.
    """
    overrides = tuple(str(o) for o in hydra.overrides.task)
    if not is_sweep(hydra):
        return {"overrides": overrides}
    sweep = Path(hydra.sweep.dir)
    fixed = fixed_keys(sweep) if fixed is None else fixed
    pairs = [o.split("=", 1) for o in overrides if "=" in o and key_of(o) not in fixed]
    return {
        "overrides": overrides,
        "name": " ".join(f"{key.split('.')[-1]}={value}" for key, value in pairs),
        "group": "_".join(sweep.parts[-2:]),
    }


def fixed_keys(sweep: Path) -> set[str]:
    """Returns the keys of a sweep with one value, read from its `multirun.yaml`; a sweeper may choose any others."""
    config = OmegaConf.load(sweep / "multirun.yaml").hydra
    given = [f"{key}={value}" for key, value in (config.sweeper.get("params") or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*given, *config.overrides.task])
    swept = {
        key_of(str(o.input_line)): o.is_sweep_override() for o in parsed
    }  # what was typed replaces the sweep's own
    return {key for key, varies in swept.items() if not varies}


def is_basic_sweeper(config: DictConfig) -> bool:
    """Whether Hydra's own sweeper or ours asks, which uses no return value but raises what it finds in one."""
    return str(config.hydra.sweeper._target_).endswith((".BasicSweeper", ".GridSweeper"))


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Returns the `summary.json` of a run, or None where there is none that can be read."""
    from vaex.training.files import read_json

    with suppress(VaexError):
        return read_json(folder / "summary.json", status=str)
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
