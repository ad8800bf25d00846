"""What one run is made of, and whose its folder is."""

import fcntl
import functools
import os
import platform
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from vaex._check import VaexError
from vaex._write import make_folder, writing
from vaex.data import Dataset
from vaex.lines import setting
from vaex.loggers import Logger, Wandb
from vaex.training import earlier
from vaex.training.files import check, read_json
from vaex.training.monitor import Monitor, monitor_of
from vaex.training.recipe import Recipe
from vaex.training.trainer import Trainer

_MAY_DIFFER = (
    "logger",
    "output_dir",
    "trainer.steps_per_call",
    "experiment",
    "data.stream",
)  # no number depends on them
_NO_ID = "/\\#?%:"  # as W&B has it
_PACKAGES = ("vaex-jax", "jax", "jaxlib", "flax", "optax", "numpy", "hydra-core", "wandb")


@dataclass(frozen=True)
class Job:
    """Everything one run is made of."""

    recipe: Recipe
    data: Dataset
    trainer: Trainer
    folder: Path
    nll_num_samples: int = 500
    loggers: Mapping[str, Logger] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)  # resolved, with _target_
    overrides: tuple[str, ...] = ()
    name: str = ""  # the swept keys
    group: str | None = None  # the sweep

    def __post_init__(self) -> None:
        self.recipe.check_data(self.data)
        assert self.monitor  # refuses what cannot be watched

    @cached_property
    def monitor(self) -> Monitor:
        """What the run watches on its validation split."""
        return monitor_of(self.trainer, self.recipe, self.data.validation is not None)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds the folder for this process; the lock goes with the process, however it ends.

    Raises:
        VaexError: where another process holds it.
    """
    make_folder(folder, parents=True)
    with writing(folder / ".lock"):
        lock = (folder / ".lock").open("a")  # which empties nothing, should it be a link
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VaexError(f"{folder} is in use by another process; wait for it, or choose another folder") from None
        yield


def ended(job: Job) -> dict[str, Any] | None:
    """Returns the summary of the job's folder where its run has ended, or None where there is something left to do.

    Raises:
        VaexError: where the folder holds a run with another recipe, data or trainer setting.
    """
    before = refuse_other_settings(job.folder, job.config)
    if before is None:
        return None
    if differing := data_differences(before.get("data"), data_facts(job.data)):
        raise VaexError(
            f"{job.folder} was trained on other data ({differing}); "
            "restore them, or leave out hydra.run.dir to start a new run"
        )
    summary = job.folder / "summary.json"
    content = read_json(summary, status=str) if summary.exists() else {"status": None}
    if content["status"] in ("completed", "diverged"):
        return content
    earlier.refuse_changed(job.folder, before)
    return None


def refuse_other_settings(folder: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the `run.json` of a folder, or None where there is none.

    Raises:
        VaexError: where it is of a run with another config.
    """
    path = folder / "run.json"
    if not path.exists():
        return None
    before = read_json(path)
    for key in ("id", "wandb_id"):  # of which paths are made
        check(before.get(key, ""), str, path, key)
        if set(before.get(key, "")) & set(_NO_ID):
            raise VaexError(f"{path} is damaged ({key}: {before[key]!r} holds one of {_NO_ID}); restore it")
    changed = _differences(earlier.config_of(before), config, but=earlier.not_compared(before))
    if changed:
        known = _flatten(before.get("config", {}))
        lines = [earlier.line_for(key, old) for key, (old, _) in changed.items() if key not in known]
        differing = [f"{key}={_typed(old)} there, {_typed(new)} now" for key, (old, new) in changed.items()]
        line = "; ".join(lines) or "type the command it was started with"
        raise VaexError(
            f"{folder} holds a run with other settings ({'; '.join(differing)}); "
            f"{line}; or choose another folder and, to start a new run from its parameters, add "
            f"{setting('trainer.init_from', folder)}"
        )
    return before


def facts(job: Job) -> dict[str, Any]:
    """Returns the contents of `run.json`; the ids are those that are there already, if any."""
    path = job.folder / "run.json"
    before = read_json(path) if path.exists() else {}
    device = jax.devices()[0]
    wandb_id = Wandb.run_id(os.environ) if job.group is None else None
    return {
        "format": earlier.FORMAT,
        "id": before.get("id", secrets.token_hex(4)),
        "wandb_id": before.get("wandb_id") or wandb_id or secrets.token_hex(4),
        "group": job.group,
        "command": shlex.join(sys.argv),
        "cwd": str(Path.cwd()),  # what relative paths of the config are relative to
        "config_overrides": list(job.overrides),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "git_commit": _git_commit(),
        "data": data_facts(job.data),
        "config": dict(job.config),
    }


def data_facts(data: Dataset) -> dict[str, Any]:
    """Returns what tells one data set from another: its name, sizes, and the SHA-256 of its arrays."""
    sizes = {"num_train": len(data.train), "num_test": len(data.test)}
    content = {} if data.content is None else {"content": data.content}  # float32 may hold less than the file
    exact = {"rescaled_in": "float64"} if data.exact else {}  # earlier versions rounded to float32 first
    return {"name": data.name, **sizes, "sha256": data.sha256, **content, **exact}


def data_differences(there: object, now: Mapping[str, Any]) -> str:
    """Returns what tells a run's data from those at hand, or nothing: a file may have another name by now.

    What an earlier version did not write is not compared, but for `rescaled_in`, which it did in another way.
    """
    known = there if isinstance(there, Mapping) and there else dict.fromkeys(now)
    keys = [key for key in now if key != "name" and (key in known or key == "rescaled_in")]
    pairs = ((key, known.get(key), now[key]) for key in keys)
    return ", ".join(f"{key} {old} there, {value} now" for key, old, value in pairs if old != value)


def _flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(config, Mapping) and config:
        return {k: v for name, value in config.items() for k, v in _flatten(value, f"{prefix}{name}.").items()}
    return {prefix.rstrip("."): list(config) if isinstance(config, tuple) else config}


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], but: Sequence[str] = ()
) -> dict[str, tuple[Any, Any]]:
    """Returns the keys whose values differ, and the values, leaving out those on which no number depends."""
    old, new = _flatten(before), _flatten(now)
    keys = [k for k in {**old, **new} if not any(k == m or k.startswith(m + ".") for m in (*_MAY_DIFFER, *but))]
    return {k: (old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)}


def _typed(value: Any) -> str:
    return "null" if value is None else str(value)


@functools.cache  # once a sweep, as the next one
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _git_commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
