"""One run among the members of a pack: its folder, its loggers, its numbers; what fails in it stays in it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vaex._check import VaexError
from vaex._write import of_writing
from vaex.data import Dataset
from vaex.loggers import Jsonl, Log, RunInfo
from vaex.metrics import ALARMS, alarms, summarise_decomposition
from vaex.part import canonical, to_dict
from vaex.training import checkpoint, figures, precision
from vaex.training.files import write_json
from vaex.training.job import Job, data_facts, facts
from vaex.training.loop import Outcome, Seconds
from vaex.training.monitor import Seen
from vaex.training.named import named
from vaex.training.step import TrainState, init_state

LOG = logging.getLogger("vaex")


class Member:
    """A job at work. An exception in its files, figures or loggers ends it as `failed`, and nothing else."""

    def __init__(self, job: Job):
        self.job = job
        self.recipe = canonical(job.recipe)
        self.facts = facts(job)
        self.logs: list[Log] = []
        self._opened: list[Log] = []  # not yet among `logs`
        self._early: list[tuple[int, str, dict[str, float]]] | None = []  # rows that they have to be told
        self.spent_before = 0.0  # seconds of training in earlier processes
        self.seen = Seen()  # what the evaluations said that the run watches
        self.error: Exception | None = None
        self.summary: dict[str, Any] = {**self._identity(), "status": "failed", "message": "stopped by an exception"}
        # The lines of one run belong into its own log file; see `experiments.member_logs`.
        self.log = logging.LoggerAdapter(LOG, {"runs": (str(job.folder),)})

    @contextlib.contextmanager
    def kept_apart(self) -> Iterator[None]:
        """What fails inside fails this member; once it has failed, nothing more is to be done for it."""
        try:
            yield
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Marks the member as failed."""
        refusal = of_writing(error)  # of the disk: the same command goes on, once it takes more
        self.error = self.error or refusal or error
        if refusal is not None:
            self.interrupt(str(refusal))
            return
        if self.job.group is not None and not isinstance(error, VaexError):
            self.log.info("failed", exc_info=error)  # into its own log; the console has the message
        self.summary |= {"status": "failed", "message": f"{type(error).__name__}: {error}"}

    def interrupt(self, message: str) -> None:
        """Marks the member as one that goes on later."""
        self.summary |= {"status": "interrupted", "message": message}

    def _identity(self) -> dict[str, Any]:
        """The keys of `summary.json` known beforehand, in its order, with null for the numbers."""
        numbers = (
            *("elbo", "elbo_se", "rate", "distortion", "objective", "nll", "nll_se", "nll_num_samples", "ess"),
            *("mse", "bits_per_dim", "active_units"),
            *(*summarise_decomposition(None, 0), "effective_beta", "observation_noise"),
        )
        return {
            "status": None,
            "message": "",
            "alarms": [],
            "step": 0,
            "seed": int(self.recipe.seed),
            "beta": None,
            **dict.fromkeys(numbers),
            "validation": None,
            "latent_dim": self.recipe.model.latent_dim,
            "likelihood": self.recipe.model.likelihood.name,
            "data_measure": self.job.data.measure,
            "num_test": len(self.job.data.test),
            "num_parameters": None,
            "train_seconds": None,
            "compile_seconds": None,
            "steps_per_second": None,
            "pack_size": None,
            "config_overrides": list(self.job.overrides),
        }

    def warn_of_units(self) -> None:
        """Logs a warning where the data are far from what networks start for."""
        std = float(np.sqrt(np.mean(np.square(self.job.data.stats.std))))
        if self.recipe.model.likelihood.support == "real" and not 1e-2 < std < 1e2:
            self.log.warning(
                "the training data have standard deviation %.3g; learned scales are bounded to [e^-7, e^7], and "
                "networks start for numbers near 1: data.rescale=standardize is undone on output",
                std,
            )

    def notes(self) -> tuple[str, ...]:
        """Returns what was done to the data, what the likelihood is, and what a reader of the numbers must know."""
        recipe = self.job.recipe
        likelihood = f"likelihood: {recipe.model.likelihood.describe()}"
        of_products = precision.notes(recipe.matmul_precision, recipe.evaluation_precision)
        return (*self.job.data.notes, likelihood, *of_products, *self._small_splits())

    def _small_splits(self) -> Iterator[str]:
        size, data = self.recipe.batch_size, self.job.data
        for name, split in (("validation", data.validation), ("test", data.test)):
            if self.recipe.objective.of_batch and split is not None and len(split) < size:
                yield (
                    f"the {name} split holds {len(split)} examples, fewer than trainer.batch_size={size}: what is not "
                    f"a mean over examples, such as objective, is that of one block of {len(split)}"
                )

    def state_at(self, start: int) -> TrainState | None:
        """Returns what to train from: a checkpoint's state, one with `trainer.init_from`'s parameters, or None: fresh.

        Raises:
            VaexError: where a checkpoint is damaged, or of another model.
        """
        folder = self.job.folder / "checkpoint"
        found = checkpoint.latest(folder, start) if start else None
        if found is not None:
            self.spent_before = float(found.meta["train_seconds"])
            self.seen = Seen(**found.meta.get("seen", {}))
            self.log.info("continuing %s from step %d of %d", self.job.folder, found.step, self.recipe.num_steps)
            return checkpoint.from_arrays(self.fresh(), found.arrays, str(folder))
        if self.job.trainer.init_from:
            source = Path(self.job.trainer.init_from).expanduser()
            arrays, fresh = checkpoint.eval_arrays(checkpoint.require(source)), self.fresh()
            params = checkpoint.from_arrays(fresh.params, arrays, f"trainer.init_from={source}")
            return fresh._replace(params=params, ema=fresh.ema if isinstance(fresh.ema, tuple) else params)
        return None

    def fresh(self) -> TrainState:
        """Returns the state before the first step, on the host."""
        return jax.device_get(init_state(self.recipe, self.job.data.stats))

    def begin(self, start: int) -> None:
        """Writes `run.json` and opens `metrics.jsonl`, which go on after step `start`.

        Raises:
            VaexError: where a logger cannot do what it was asked for.
        """
        for logger in self.job.loggers.values():
            logger.check(self._info(start))
        checkpoint.forget_after(self.job.folder / "checkpoint", start)
        if self.seen.step is None:
            checkpoint.forget_best(self.job.folder / "checkpoint")
        write_json(self.job.folder / "run.json", self.facts)
        self.logs = [Jsonl().open(self._info(start))]

    def open(self, start: int) -> None:
        """Opens the other loggers; they wait for servers and processes, and training need not wait for them."""
        self._opened = [logger.open(self._info(start)) for logger in self.job.loggers.values()]

    def attach(self) -> None:
        """Hands the rows that came meanwhile to the loggers that have been opened."""
        for log in self._opened:
            for row in self._early or ():
                log.metrics(*row)
        self.logs += self._opened
        self._opened, self._early = [], None

    def _info(self, start: int) -> RunInfo:
        job = self.job
        return RunInfo(
            folder=job.folder,
            name=job.name,
            wandb_id=self.facts["wandb_id"],
            group=job.group,
            job_type="train",
            config=named(job.config),
            tags=(job.data.name, job.recipe.model.likelihood.name),
            num_steps=self.recipe.num_steps,
            resumed_at=start or None,
            single=job.group is None,
        )

    def row(self, step: int, split: str, values: dict[str, float]) -> None:
        """Hands one row to the loggers."""
        for log in self.logs:
            log.metrics(step, split, values)
        if self._early is not None:
            self._early.append((step, split, values))

    def save(self, at: int, state: TrainState, seconds: Seconds) -> None:
        """Writes a checkpoint."""
        checkpoint.save(self.job.folder / "checkpoint", at, state, self._meta(seconds))

    def keep(self, state: TrainState, seconds: Seconds) -> None:
        """Writes the state of the best evaluation so far; without what only training needs."""
        checkpoint.save_best(self.job.folder / "checkpoint", _to_evaluate(state), self._meta(seconds))

    def at_best(self, state: TrainState) -> TrainState:
        """Returns the state with the parameters to evaluate: the best evaluation's, if the run keeps them.

        Raises:
            VaexError: if they are damaged, or not those of the best evaluation.
        """
        if not self.job.monitor.keeps or self.seen.step is None:
            return state
        folder = self.job.folder / "checkpoint"
        found = checkpoint.best(folder)
        if found is None or found.step != self.seen.step:
            raise VaexError(f"{folder} does not hold the best evaluation, of step {self.seen.step}; restore it")
        best = checkpoint.from_arrays(_to_evaluate(self.fresh()), found.arrays, str(folder))
        return state.with_eval_params(best.params)._replace(objective_state=best.objective_state)

    def _meta(self, seconds: Seconds) -> dict[str, Any]:
        return {
            "train_seconds": self.spent_before + seconds["train"],
            "recipe": to_dict(self.recipe),
            "preparation": to_dict(self.job.data.preparation),
            "data": data_facts(self.job.data),
            **({"seen": asdict(self.seen)} if self.job.monitor.watches else {}),
        }

    def note_end(self, outcome: Outcome, seconds: Seconds) -> None:
        """Notes how training ended."""
        step, spent = int(outcome.state.step), self.spent_before + seconds["train"]
        if self.error is None:
            self.summary |= {"status": outcome.status, "message": outcome.message}
            if outcome.status == "completed" and outcome.message:
                self.log.info(outcome.message)
        self.summary |= {
            "step": step,
            "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(outcome.state.params)),
            "train_seconds": spent,
            "compile_seconds": seconds["compile"],
            "steps_per_second": step / spent if spent else None,
        }

    def note_numbers(self, numbers: Mapping[str, Mapping[str, Any]]) -> None:
        """Notes the numbers of each split, and which of them a sweeper is told."""
        name = self.job.trainer.monitor
        split = "validation" if "validation" in numbers else "test"
        if self.job.monitor.keeps:
            self.summary["best_step"] = self.seen.step
            self.log.info("the numbers are those of the best evaluation, of step %s", self.seen.step)
        self.summary |= {
            **numbers["test"],
            "validation": numbers.get("validation"),
            "monitor": {"name": name, "split": split, "value": numbers[split][name]},
        }

    def draw(self, state: TrainState) -> None:
        """Writes the figures and hands them to the loggers."""
        job = self.job
        self.log.info(compression(job.data, self.recipe.model.latent_dim))
        self.log.info("test: %s", _shown(self.summary))
        if not job.data.is_image:
            return
        preparation = job.data.preparation
        about = self.recipe.model, preparation, state.eval_params, job.data.test, self.recipe.evaluation_precision
        for name, path in figures.draw(job.folder / "figures", *about).items():
            for log in self.logs:
                log.figure(name, path, int(state.step))

    def close(self) -> None:
        """Writes `summary.json` and closes the loggers; each of them, whatever another one does."""
        self.summary["alarms"] = alarms(self.summary)
        for tag in self.summary["alarms"]:
            self.log.warning("%s (%s): %s", tag, ALARMS[tag].rule, ALARMS[tag].remedy)
        with self.kept_apart():
            write_json(self.job.folder / "summary.json", self.summary)
        for log in self.logs:
            try:
                log.close(self.summary, 0 if self.summary["status"] == "completed" else 1)
            except Exception as error:  # the run is complete, and the other loggers still hold theirs
                self.log.warning("%s could not be closed: %s: %s", type(log).__name__, type(error).__name__, error)
        for line in self.closing_lines:
            self.log.info(line)

    @property
    def closing_lines(self) -> tuple[str, ...]:
        """Where the numbers went, or how to send them there."""
        return tuple(filter(None, (log.closing_line for log in self.logs)))


def _to_evaluate(state: TrainState) -> TrainState:
    """Returns the state without what only training needs."""
    return state._replace(params=state.eval_params, ema=(), opt_state=())


def compression(data: Dataset, latent_dim: int) -> str:
    """Returns what the code of one example saves, in numbers and in bytes: `784 numbers -> 32 (24.5:1), ...`."""
    numbers = int(np.prod(data.event_shape))
    stored, code = numbers * data.train.dtype.itemsize, 4 * latent_dim
    return (
        f"{numbers} numbers -> {latent_dim} ({numbers / latent_dim:.1f}:1), "
        f"{stored} bytes -> {code} bytes ({stored / code:.1f}:1)"
    )


def _shown(summary: Mapping[str, Any]) -> str:
    """The numbers of the end in one line; nats per datum."""

    def with_se(name: str) -> str:
        se = summary[f"{name}_se"]
        return f"{name} {summary[name]:.2f}" + ("" if se is None else f" +- {se:.2f}")

    known = [with_se(name) for name in ("elbo", "nll") if summary[name] is not None]
    return "  ".join([*known, f"rate {summary['rate']:.2f}", f"distortion {summary['distortion']:.2f}", "(nats)"])
