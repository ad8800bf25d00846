"""Weights & Biases: one run a member, held as an object, offline by itself where there is no key or no server."""

import contextlib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from vaex._check import VaexError, one_of
from vaex.loggers import wandb_service as service
from vaex.loggers.base import RunInfo
from vaex.loggers.jsonl import finite

MODES = ("online", "offline", "disabled", "shared")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Wandb:
    """History `train/*`, `validation/*`, `test/*` against `step`, summary `final/*`, media `figures/*`.

    What is typed here wins over W&B's environment variables, and they win over our defaults, which are this project
    and the run's folder, group, name and tags.
    """

    project: str = "vaex"
    entity: str | None = None
    group: str | None = None
    name: str | None = None
    tags: Sequence[str] | None = None
    notes: str | None = None
    mode: str | None = None
    log_model: bool = False
    """Whether the checkpoint is logged as an artifact when the run closes."""

    def __post_init__(self) -> None:
        if self.mode is not None:
            one_of("logger.wandb.mode", self.mode, MODES)
        if isinstance(self.tags, str):
            raise VaexError(
                f"logger.wandb.tags: expected a list, got {self.tags!r}; type logger.wandb.tags=[{self.tags}]"
            )

    @staticmethod
    def run_id(environ: Mapping[str, str]) -> str | None:
        """Returns the id that the environment wants for a single run, which the runner then keeps in `run.json`."""
        return environ.get("WANDB_RUN_ID") or None

    def check(self, run: RunInfo) -> None:
        """Raises `VaexError` where W&B's environment would merge the members of a sweep, or names no mode."""
        environ = _environment()
        _refuse_merging(environ, run)
        if self.mode is None and "WANDB_MODE" in environ:
            one_of("WANDB_MODE", environ["WANDB_MODE"], (*MODES, "dryrun", "run"))

    def open(self, run: RunInfo) -> "WandbLog":
        """Returns a log of the W&B run `run.wandb_id`, or one that does nothing where W&B is disabled or fails."""
        self.check(run)
        environ = _environment()
        mode = self.mode or environ.get("WANDB_MODE")
        log = WandbLog(run.folder / "checkpoint" if self.log_model else None)
        if mode != "disabled":  # importing wandb takes a second
            log.start(self, run, environ)
        return log

    def settings(self, run: RunInfo, environ: Mapping[str, str]) -> Any:
        """Returns fresh settings (`wandb.init` writes into them): our defaults, the environment, what was typed."""
        import wandb

        settings = wandb.Settings(
            project="vaex",
            root_dir=str(run.folder.absolute()),
            run_id=run.wandb_id,
            run_name=run.name or None,
            run_group=run.group,
            run_job_type=run.job_type,
            run_tags=run.tags or None,
            resume="allow",
            reinit="create_new",
            console="off",
            silent=True,
            init_timeout=20.0,  # a server that answers but does not serve; then offline
            finish_timeout=600.0 if self.log_model else 30.0,  # a server that went away; `wandb sync` does the rest
            finish_timeout_raises=True,
            # Listing every installed package takes two thirds of a member's start; run.json has the versions.
            x_save_requirements=run.single,
        )
        # The key is W&B's own business: in its settings it would count as one given in code.
        settings.update_from_env_vars({name: value for name, value in environ.items() if name != "WANDB_API_KEY"})
        typed = {
            "project": None if self.project == "vaex" else self.project,
            "entity": self.entity,
            "run_group": self.group,
            "run_name": self.name,
            "run_tags": None if self.tags is None else tuple(self.tags),
            "run_notes": self.notes,
            "mode": self.mode,
        }
        settings.update_from_dict(typed)  # skips what is None
        return settings


class WandbLog:
    """The live run. Whatever goes wrong inside W&B, it warns once, stops logging there, and training goes on."""

    def __init__(self, model: Path | None) -> None:
        self._model = model
        self._run: Any = None
        self.closing_line: str | None = None

    def start(self, logger: Wandb, run: RunInfo, environ: Mapping[str, str]) -> None:
        """Begins, or resumes, the run; offline where W&B cannot be reached."""
        # W&B's own error reports would keep the process's end waiting for a server that is not there.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        with self._kept_alive(), service.exit_hooks_kept():
            self._start(logger, run, environ)

    def _start(self, logger: Wandb, run: RunInfo, environ: Mapping[str, str]) -> None:
        import wandb

        quiet = wandb.Settings.model_validate({"silent": environ.get("WANDB_SILENT", True)})
        wandb.termsetup(quiet, None)  # quiet while it sets up, too
        session = wandb.setup(quiet).settings  # with what `wandb offline` or `wandb login` left
        settings = logger.settings(run, environ)
        mode = settings.mode if "mode" in settings.model_fields_set else session.mode
        base_url = settings.base_url if "base_url" in settings.model_fields_set else session.base_url
        if mode not in ("online", "shared", "run"):
            return self._init(settings, run)
        if (reason := service.why_offline(base_url)) is None:
            try:
                return self._init(settings, run)
            except Exception as error:
                reason = str(error) or type(error).__name__
                service.give_up(base_url, reason)
                if not service.restart():
                    raise
        asked = " although mode=online was asked for" if "mode" in settings.model_fields_set else ""
        service.warn_once(
            f"W&B: {reason}; runs stay offline{asked}, to be sent with `wandb login` and `wandb sync` "
            "(logger.wandb.mode=offline says that this is meant, logger=none does without W&B)"
        )
        quiet.mode = "offline"  # or other parts of W&B go looking for the server
        wandb.setup(quiet)
        offline = logger.settings(run, environ)
        offline.mode = "offline"
        return self._init(offline, run)

    def _init(self, settings: Any, run: RunInfo) -> None:
        import wandb

        self._run = wandb.init(settings=settings, config=run.config, allow_val_change=True)
        self._run.define_metric("step")
        for split in SPLITS:
            self._run.define_metric(f"{split}/*", step_metric="step")
        self.closing_line = _sync_line(self._run) if self._run.offline else self._run.url

    def metrics(self, step: int, split: str, values: Mapping[str, SupportsFloat | None]) -> None:
        """Adds `split/name` to the history row of this step."""
        if self._run is not None:
            with self._kept_alive():
                row = {f"{split}/{name}": float(value) for name, value in values.items() if value is not None}
                self._log(step, row)

    def figure(self, name: str, path: Path, step: int) -> None:
        """Adds a copy of the PNG as `figures/name` to the history row of this step."""
        if self._run is not None:
            import wandb

            with self._kept_alive():
                self._log(step, {f"figures/{name}": wandb.Image(str(path))})

    def media(self, make: Callable[[], dict[str, Any]]) -> None:
        """Adds what `make` returns, W&B's own tables and pages by name, to the history's next row."""
        if self._run is not None:
            with self._kept_alive():
                self._run.log(make())

    def _log(self, step: int, row: dict[str, Any]) -> None:
        # `step` twice: as the axis that define_metric names, and as W&B's own row number, so that a resumed run does
        # not repeat the rows which the server has seen.
        self._run.log({"step": step, **row}, step=step)

    def close(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Sets `final/*` and the status tag, logs the checkpoint if asked to, and finishes the run."""
        if self._run is not None:
            with self._kept_alive():
                self._close(self._run, summary, exit_code)
            self._run = None

    def _close(self, run: Any, summary: Mapping[str, Any], exit_code: int) -> None:
        status = str(summary.get("status", ""))
        try:
            run.summary.update({f"final/{key}": _plain(value) for key, value in summary.items()})
            run.tags = tuple(
                dict.fromkeys([*(run.tags or ()), *([status] if status else []), *summary.get("alarms", ())])
            )
            if self._model is not None and self._model.is_dir():
                _log_model(run, self._model, status)
            run.finish(exit_code=exit_code)
        except Exception as error:
            self.closing_line = _sync_line(run)  # whatever is on the disk can still be sent
            if isinstance(error, TimeoutError):
                service.give_up(run.settings.base_url, "the server went away")
            raise

    @contextlib.contextmanager
    def _kept_alive(self) -> Iterator[None]:
        """Training survives what happens inside."""
        try:
            yield
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._run = None
        service.warn_once(f"W&B stopped working ({type(error).__name__}: {error}); everything else goes on without it")
        service.forget_if_dead(error)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("WANDB_") and value}


def _refuse_merging(environ: Mapping[str, str], run: RunInfo) -> None:
    """Raises `VaexError` where the environment would make the members of a sweep one run."""
    for name in ("WANDB_RUN_ID", "WANDB_NAME"):
        if not run.single and name in environ:
            raise VaexError(
                f"{name}={environ[name]}: expected for a single run only, for it would merge the members of a sweep; "
                f"type unset {name}"
            )


def _sync_line(run: Any) -> str:
    """The command that sends this run; one that was resumed has a folder for each part that was offline."""
    own = Path(run.settings.sync_dir)
    name = re.compile(rf"offline-run-[\d_]+-{re.escape(run.id)}(-\d+)?")
    parts = {own} | {part for part in own.parent.iterdir() if name.fullmatch(part.name)}
    return " ".join(["wandb sync", *(shlex.quote(str(part)) for part in sorted(parts))])


def _log_model(run: Any, folder: Path, status: str) -> None:
    import wandb

    artifact = wandb.Artifact(f"model-{run.id}", type="model", metadata={"status": status})
    artifact.add_dir(str(folder))
    run.log_artifact(artifact)


def _plain(value: Any) -> Any:
    """Numbers as `summary.json` has them."""
    return finite(value) if isinstance(value, float) else value
