"""What the launcher `packed` runs: a batch of a sweep's jobs, prepared by Hydra one by one, trained as few programs."""

import dataclasses
import logging
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, env_override, filter_overrides, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from experiments import hooks
from experiments.assemble import assemble, plain
from experiments.command import SHOWN, Stopped, continuation
from experiments.device import open_files, prepare_jax
from experiments.member_logs import MemberLogs
from experiments.prepare import prepare
from experiments.unheeded import is_grid
from vaex._check import VaexError, one_of, whole
from vaex._write import CannotWrite
from vaex.lines import command_line
from vaex.sweep.manifest import ENDED

LOG = logging.getLogger("vaex")
FILES_A_MEMBER = 6  # lock, log file, metrics.jsonl, W&B's, and some to spare
FILES_BESIDE = 100
_RETRIED = ("failed",)


@dataclasses.dataclass(frozen=True)
class Settings:
    """`hydra.launcher`."""

    strategy: str = "auto"
    max_pack: int | None = None
    on_failure: str = "fail"
    retry: Sequence[str] = ()
    dry_run: bool = False
    executor: str = "local"
    fail_fast: bool = False
    zip: Sequence[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.retry, str):
            object.__setattr__(self, "retry", (self.retry,))
        one_of("hydra.launcher.strategy", self.strategy, ("auto", "loop", "vmap"))
        one_of("hydra.launcher.on_failure", self.on_failure, ("fail", "record"))
        one_of("hydra.launcher.executor", self.executor, ("local",))
        if self.max_pack is not None:
            whole("hydra.launcher.max_pack", self.max_pack)
        for status in self.retry:
            if status == "diverged":
                raise VaexError(
                    "hydra.launcher.retry=[diverged]: the same numbers would diverge again; the sweep prints, for each "
                    "such run, the command that trains it in a new folder with a smaller learning rate"
                )
            one_of("hydra.launcher.retry", status, _RETRIED)


@dataclasses.dataclass
class Prepared:
    """One job of the batch."""

    num: int
    overrides: list[str]
    config: DictConfig
    directory: str  # within the sweep's folder
    folder: Path
    ret: JobReturn | None = None  # Hydra's record, once its folder is made
    job: Any = None  # of vaex.training, where it is to be trained
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    refused: str = ""  # why its parts could not be built


def train_pack(
    context: HydraContext,
    config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    initial_job_idx: int,
    *,
    task_function: TaskFunction,
    **launcher: Any,
) -> list[JobReturn]:
    """Returns how each job of a batch ended.

    Raises:
        VaexError: before anything is written, where the batch or the sweep's folder cannot be what was meant.
        Stopped: after a signal, with checkpoints.
    """
    sweep = Path(str(config.hydra.sweep.dir))
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    batch = _Batch(context, config, task_function, Settings(**launcher), sweep)
    todo = batch.begin(job_overrides, initial_job_idx)
    return batch.dry(todo) if batch.settings.dry_run else batch.run(todo)


class _Batch:
    """A batch of jobs, from their overrides to their `JobReturn`s."""

    def __init__(
        self, context: HydraContext, config: DictConfig, task_function: TaskFunction, settings: Settings, sweep: Path
    ):
        from vaex.training.loop import Seconds

        self.context, self.config, self.task_function = context, config, task_function
        self.settings, self.sweep = settings, sweep
        self.seconds, self.logs = Seconds(), MemberLogs()

    def begin(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[Prepared]:
        """Returns the jobs that are left to do; nothing has been written by then."""
        from vaex.sweep import manifest

        prepare_jax(num_devices=len(job_overrides))  # before jax is used
        if not job_overrides:
            raise VaexError("an empty sweep; type for example -m 'seed=range(0,4)'")
        if self.settings.zip and not is_grid(self.config.hydra):
            raise VaexError("hydra.launcher.zip is read by hydra/sweeper=grid, the default; leave out hydra/sweeper=")
        self.jobs = [self._composed(list(words), first + i) for i, words in enumerate(job_overrides)]
        self._refuse_what_no_pack_honours()
        entries = [manifest.Entry(job.num, job.overrides, job.directory) for job in self.jobs]
        self.manifest = manifest.open_manifest(self.sweep, entries, self._is_whole())
        left = [job for job in self.jobs if self._is_left(job)]
        if left and self.manifest.is_old:
            self._refuse_changed()
        return left

    def dry(self, todo: Sequence[Prepared]) -> list[JobReturn]:
        """Prints the plan; nothing is left behind."""
        datasets: dict[Any, Any] = {}
        for job in todo:
            _in_effect(job.config)
            try:
                job.job = assemble(plain(job.config), job.folder, datasets)
            except VaexError as error:
                job.refused = str(error)
        self._say_plan(self._packs(_ready(todo)), todo)
        return [JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED) for job in self.jobs]

    def run(self, todo: Sequence[Prepared]) -> list[JobReturn]:
        """Trains what is left to do, and returns how each job of the batch ended."""
        hooks.note_start()
        self.manifest.write()
        with self.seconds.of("folders"):
            self._prepare(todo)
        ready = _ready(todo)
        packs = self._packs(ready)
        self._say_plan(packs, todo)
        self.manifest.note_packs(packs)
        halted = self.settings.fail_fast and any(job.refused for job in todo)
        done, exit_code = ({}, None) if halted else self._train(ready)
        for job in self.jobs:
            trained = done[job.num].summary if job.num in done else None
            job.summary = trained or hooks.read_summary(job.folder) or job.summary
            entry = self.manifest.job(job.num)
            entry.status = job.summary.get("status", entry.status)
            entry.message = job.summary.get("message", entry.message)
        self._note_seconds(first_batch=self.jobs[0].num == 0)
        for one in done.values():
            if isinstance(one.error, CannotWrite):
                raise one.error
        if exit_code:
            raise Stopped(exit_code, self.config.hydra)
        self._say_diverged()
        if self.settings.fail_fast:
            self._stop_at_failure(todo)
        return [self._returned(job) for job in self.jobs]

    def _stop_at_failure(self, todo: Sequence[Prepared]) -> None:
        """Raises `VaexError` where a job of this command has failed and others are left, here or in a batch to come."""
        failed = [job for job in todo if job.summary.get("status") in ("failed", "diverged")]
        left = sum(entry.status not in ENDED for entry in self.manifest.jobs)
        if failed and (left or not self._is_whole()):
            lines = [f"{job.folder}: {job.summary['status']}: {job.summary.get('message')}" for job in failed[:SHOWN]]
            raise VaexError(
                "\n".join(lines)
                + f"\nstopped there (hydra.launcher.fail_fast=true) with {left} job{'s' * (left != 1)} "
                f"of {len(self.manifest.jobs)} left; continue with: {continuation(self.config.hydra)}"
            )

    def _packs(self, ready: Mapping[int, Any]) -> list[Any]:
        """Returns the packs of the sweep, those that have ended before included."""
        from vaex.sweep.packs import plan

        return plan(self.manifest, ready, self.settings.strategy, self.most())

    def most(self) -> int | None:
        """Returns how many members a pack may have: as typed, else as many as this process may have files open."""
        if self.settings.max_pack is not None:
            return self.settings.max_pack
        return max(1, (open_files() - FILES_BESIDE) // FILES_A_MEMBER)

    def _note_seconds(self, first_batch: bool) -> None:
        """Notes where the wall time of this command went, in all its batches."""
        self.seconds.spent["compose"] = getattr(self.context.config_loader, "seconds", 0.0)
        before = {} if first_batch else self.manifest.about.get("seconds", {})
        for name, spent in self.seconds.spent.items():
            earlier = 0.0 if name == "compose" else before.get(name, 0.0)  # of which the loader keeps the sum
            before[name] = round(earlier + spent, 4)
        self.manifest.about["seconds"] = before
        self.manifest.write()

    def _composed(self, overrides: list[str], num: int) -> Prepared:
        """Returns a job with its config and folder; nothing is written."""
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = num
        _in_effect(config)
        if str(config.hydra.sweep.dir) != str(self.config.hydra.sweep.dir):
            raise VaexError(
                f"hydra.sweep.dir differs between jobs ({config.hydra.sweep.dir}, {self.config.hydra.sweep.dir}); "
                "type hydra.sweep.subdir=... for the folders of jobs within the sweep's"
            )
        directory = str(OmegaConf.select(config, "hydra.sweep.subdir"))
        folder = (self.sweep / directory).absolute()
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(folder)
        task = [str(word) for word in config.hydra.overrides.task]
        return Prepared(num, task, config, directory, folder)

    def _refuse_what_no_pack_honours(self) -> None:
        jobs = self.jobs
        for job in jobs:
            if job.config.hydra.job.chdir:
                raise VaexError(
                    "hydra.job.chdir=true: expected false, since the runs of a pack share one process; leave it out, "
                    "or type hydra/launcher=basic"
                )
            if job.config.hydra.job.env_set != jobs[0].config.hydra.job.env_set:
                raise VaexError(
                    "hydra.job.env_set differs between jobs, which share one process in a pack; set it before the "
                    "command, or type hydra/launcher=basic"
                )

    def _is_whole(self) -> bool:
        """Whether no other batch follows."""
        return hooks.is_basic_sweeper(self.config) and self.config.hydra.sweeper.max_batch_size is None

    def _refuse_changed(self) -> None:
        """Refuses jobs of an old sweep that would now train to other numbers than those that have ended."""
        from vaex.training.earlier import refuse_changed

        for job in self.jobs:
            _in_effect(job.config)
            refuse_changed(self.sweep, {"config": plain(job.config)})

    def _is_left(self, job: Prepared) -> bool:
        """Whether a job is to be trained; refuses the folder of another one."""
        from vaex.training.job import refuse_other_settings

        if (job.folder / "run.json").exists():
            _in_effect(job.config)
            refuse_other_settings(job.folder, plain(job.config))
        job.summary = hooks.read_summary(job.folder) or {}
        status = job.summary.get("status")
        return status not in ("completed", "diverged", "failed") or status in self.settings.retry

    def _prepare(self, jobs: Sequence[Prepared]) -> None:
        """Makes each job's folder, and builds its parts."""
        datasets: dict[Any, Any] = {}
        fixed = hooks.fixed_keys(self.sweep)
        for job in jobs:
            _in_effect(job.config)
            job.ret = prepare(job.config, job.folder)
            self.logs.take(job.folder)
            self.context.callbacks.on_job_start(config=job.config, task_function=self.task_function)
            try:
                about = hooks.about_job(job.config.hydra, fixed)
                job.job = assemble(plain(job.config), job.folder, datasets, **about)
            except Exception as error:  # of one job: the others are trained
                job.refused = str(error) if isinstance(error, VaexError) else f"{type(error).__name__}: {error}"
                hooks.note_failure(job.folder, job.refused, job.overrides)
                with self.logs.of([job.folder]):
                    LOG.info("refused", exc_info=error, extra={"runs": (str(job.folder),)})

    def _say_plan(self, packs: Sequence[Any], todo: Sequence[Prepared]) -> None:
        from vaex.sweep.plan import describe

        left, ready = {job.num for job in todo}, _ready(todo)
        nums = [[num for num in pack.jobs if num in ready] for pack in packs]
        before = Counter(job.summary["status"] for job in self.jobs if job.num not in left)
        refused = [job for job in todo if job.refused]
        beside = [f"{count} {status} already" for status, count in before.items()]
        beside += [f"{len(refused)} refused"] * bool(refused)
        overrides = {job.num: job.overrides for job in self.jobs}
        zipped = [key.lstrip("+") for key in self.settings.zip]
        print(describe(list(filter(None, nums)), overrides, beside, zipped), flush=True)
        for job in refused:
            print(f"job {job.num} ({' '.join(job.overrides)}): {job.refused}", file=sys.stderr, flush=True)

    def _train(self, ready: Mapping[int, Any]) -> tuple[dict[int, Any], int | None]:
        """Returns how each job that is ready ended, and the exit code of a signal, if one came."""
        from vaex.sweep.packs import train_packs
        from vaex.sweep.svg import preload
        from vaex.training import StopFlag

        threading.Thread(target=preload, daemon=True).start()  # while the devices train

        env_set = self.config.hydra.job.env_set
        with StopFlag() as stop, env_override({str(k): str(v) for k, v in env_set.items()}):
            done = train_packs(
                self.manifest,
                ready,
                stop,
                seconds=self.seconds,
                fail_fast=self.settings.fail_fast,
                around=lambda jobs: self.logs.of([job.folder for job in jobs]),
            )
        hooks.note_lines([line for one in done.values() for line in one.closing_lines])
        return done, stop.exit_code if stop else None

    def _say_diverged(self) -> None:
        for job in self.jobs:
            if job.summary.get("status") == "diverged":
                rate = job.config.optimizer.learning_rate
                words = [
                    word for word in filter_overrides(job.overrides) if not word.startswith("optimizer.learning_rate=")
                ]
                line = command_line("train", *words, f"optimizer.learning_rate={rate / 10:g}")
                LOG.warning("%s diverged: %s\ntry: %s", job.folder, job.summary["message"], line)

    def _returned(self, job: Prepared) -> JobReturn:
        ret = job.ret or JobReturn(overrides=job.overrides, cfg=job.config, hydra_cfg=job.config)
        status = job.summary.get("status")
        message = f"{job.folder}: {status}: {job.summary.get('message')}"
        if status == "completed":
            ret.status, ret.return_value = JobStatus.COMPLETED, job.summary["monitor"]["value"]
        else:
            ret.status, ret.return_value = JobStatus.FAILED, VaexError(message)
            if self.settings.on_failure == "fail":
                hooks.note_unfinished(message)
            if hooks.is_basic_sweeper(self.config):  # it would stop at the first, and has no use for the values
                ret.status, ret.return_value = JobStatus.COMPLETED, None
        if job.ret is not None:
            self.context.callbacks.on_job_end(config=job.config, job_return=ret)
        return ret


def _in_effect(config: DictConfig) -> None:
    """Makes `${hydra:...}` in a job's config mean that job; Hydra's own `set_config` would copy it."""
    HydraConfig.instance().cfg = config  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]


def _ready(todo: Sequence[Prepared]) -> dict[int, Any]:
    return {job.num: job.job for job in todo if job.job is not None}
