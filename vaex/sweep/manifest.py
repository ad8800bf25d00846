"""`sweep.json`: what a sweep consists of, and how far it is; written from the start, whole or not at all."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaex._check import VaexError
from vaex.training.earlier import FORMAT, says_what_was
from vaex.training.files import check, read_json, write_json

VERSION = 1
NAME = "sweep.json"
ENDED = ("completed", "diverged", "failed")
# What may differ between a sweep and the command that continues it; a run's own settings are compared by the run.
_MAY_DIFFER = ("logger", "output_dir", "trainer.steps_per_call", "data.stream")


@dataclass
class Entry:
    """One job."""

    num: int
    overrides: list[str]
    directory: str  # within the sweep's folder
    status: str = "pending"  # running, completed, diverged, failed, interrupted
    message: str = ""
    pack: int | None = None  # its place in `packs`


@dataclass
class PackEntry:
    """Jobs that train as one program."""

    jobs: list[int]  # their numbers
    strategy: str
    size: int  # members that run at once; a `vmap` pack that is resumed keeps it
    probes: int = 0  # compilations that only told how much memory a size needs
    halvings: int = 0  # how often it had to be made smaller while it ran


@dataclass
class Manifest:
    """The content of `sweep.json`."""

    folder: Path
    jobs: list[Entry] = field(default_factory=list)
    packs: list[PackEntry] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)  # command, seconds by part, the report's W&B run

    @property
    def is_old(self) -> bool:
        """Whether an earlier version began the sweep, which knew fewer keys."""
        return self.about.get("format", 1) < FORMAT

    def write(self) -> None:
        """Writes the file."""
        content = {
            "version": VERSION,
            **self.about,
            "jobs": list(map(vars, self.jobs)),
            "packs": list(map(vars, self.packs)),
        }
        write_json(self.folder / NAME, content)

    def job(self, num: int) -> Entry:
        """Returns a job by its number."""
        return next(entry for entry in self.jobs if entry.num == num)

    def note(self, nums: Iterable[int], status: str, message: str = "") -> None:
        """Notes how jobs are, and writes the file."""
        for num in nums:
            entry = self.job(num)
            entry.status, entry.message = status, message
        self.write()

    def note_packs(self, packs: Sequence[PackEntry]) -> None:
        """Replaces the packs, and writes the file."""
        self.packs = list(packs)
        for place, pack in enumerate(self.packs):
            for num in pack.jobs:
                self.job(num).pack = place
        self.write()


def read_manifest(folder: Path) -> Manifest | None:
    """Returns the content of a sweep's `sweep.json`, or None where there is none.

    Raises:
        VaexError: where it is damaged, or of a version that this one does not know.
    """
    path = folder / NAME
    if not path.exists():
        return None
    content = read_json(path)
    if content.get("version") != VERSION:
        raise VaexError(f"{path}: expected version {VERSION}, got {content.get('version')!r}; start in a new folder")
    try:
        jobs = [Entry(**entry) for entry in content.pop("jobs")]
        packs = [PackEntry(**entry) for entry in content.pop("packs")]
        for entry in (*jobs, *packs):
            for key, kind in _KINDS[type(entry)].items():
                check(getattr(entry, key), kind, path, key)
    except (TypeError, KeyError) as error:
        raise VaexError(f"{path} is damaged ({error}); restore it, or start in a new folder") from None
    for job in jobs:
        refuse_outside(folder, job)
    return Manifest(folder, jobs, packs, {key: value for key, value in content.items() if key != "version"})


_KINDS: dict[type, dict[str, Any]] = {
    Entry: {
        "num": int,
        "overrides": [str],
        "directory": str,
        "status": str,
        "message": str,
        "pack": (int, type(None)),
    },
    PackEntry: {"jobs": [int], "strategy": str, "size": int, "probes": int, "halvings": int},
}


def refuse_outside(folder: Path, job: Entry) -> None:
    """Raises `VaexError` for a job whose folder lies outside the sweep's: by its path, or through a link."""
    own = Path(job.directory)
    if own.is_absolute() or ".." in own.parts or not (folder / own).resolve().is_relative_to(folder.resolve()):
        raise VaexError(
            f"{folder}: the folder of job {job.num}, {job.directory!r}, lies outside the sweep's, where a sweep reads "
            "and writes nothing; type for example 'hydra.sweep.subdir=${hydra.job.num}', or name that run by itself"
        )


def open_manifest(folder: Path, jobs: Sequence[Entry], whole: bool) -> Manifest:
    """Returns the manifest of a sweep that starts, or goes on, with these jobs; nothing is written yet.

    Args:
        folder: the sweep's.
        jobs: all of them, or a batch of a sweeper that sends several.
        whole: whether there are no others.

    Raises:
        VaexError: where the folder holds a run, or a sweep of other jobs, or its `sweep.json` is damaged.
    """
    if (folder / "run.json").exists():
        raise VaexError(f"{folder} holds a run, not a sweep; choose another hydra.sweep.dir")
    manifest = read_manifest(folder) or Manifest(folder, about={"format": FORMAT})
    manifest.about["command"] = shlex.join(sys.argv)
    known = {entry.num: entry for entry in manifest.jobs}
    owners = {entry.directory: entry.num for entry in manifest.jobs}
    for job in jobs:
        refuse_outside(folder, job)
        other = owners.setdefault(job.directory, job.num)
        if other != job.num:
            raise VaexError(
                f"jobs {other} and {job.num} share the folder {folder / job.directory}; type for example "
                "'hydra.sweep.subdir=${hydra.job.num}'"
            )
        before = known.get(job.num)
        if before is None:
            manifest.jobs.append(job)
        elif (
            _lasting(before.overrides, manifest.is_old) != _lasting(job.overrides, manifest.is_old)
            or before.directory != job.directory
        ):
            raise VaexError(
                f"{folder} holds another sweep: its job {job.num} is {_shown(before.overrides)}, now "
                f"{_shown(job.overrides)}; type the command it was started with, or choose another hydra.sweep.dir"
            )
        else:
            before.overrides = job.overrides
    if whole and len(known) > len(jobs):
        raise VaexError(
            f"{folder} holds a sweep of {len(known)} jobs, now {len(jobs)}; type the command it was started with, or "
            "choose another hydra.sweep.dir"
        )
    return manifest


def _lasting(overrides: Sequence[str], old: bool) -> list[str]:
    """Returns the overrides that make a job what it is; of an old sweep those that only say what was then do not."""

    def key(override: str) -> str:
        return override.lstrip("+~").split("=", 1)[0]

    own = [o for o in overrides if not any(key(o) == m or key(o).startswith(m + ".") for m in _MAY_DIFFER)]
    return sorted(o for o in own if not (old and says_what_was(o)))


def _shown(overrides: Sequence[str]) -> str:
    return " ".join(overrides) or "without overrides"
