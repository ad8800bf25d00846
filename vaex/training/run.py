"""One run in its own folder: training, evaluation, figures, and everything that is left on disk."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vaex.data import Dataset
from vaex.loggers import Jsonl, Log, Progress, RunInfo
from vaex.metrics import summarise
from vaex.part import canonical, to_dict
from vaex.training import checkpoint, figures
from vaex.training.evaluate import Stopped, estimate_split, evaluate_terms
from vaex.training.files import write_json
from vaex.training.job import Job, alone, data_facts, ended, facts
from vaex.training.loop import Hooks, Outcome, Seconds, fit
from vaex.training.signals import StopFlag
from vaex.training.step import TrainState, init_state
from vaex.training.streams import stream

LOG = logging.getLogger("vaex")
DRAWS_WITHOUT_NLL = 16  # behind the distortion where the NLL is off


def run(job: Job, stop: StopFlag) -> dict[str, Any]:
    """Returns the contents of `summary.json` after training, or at once where the folder holds a completed run.

    Raises:
        VaexError: where the folder belongs to another config, or its checkpoint is damaged.
    """
    with alone(job.folder):
        done = ended(job)
        if done is not None:
            LOG.info("%s is %s already; its summary.json stands", job.folder, done["status"])
            return done
        return _Run(job, stop).run()


class _Run:
    """The state of one run between the callbacks of its loop."""

    def __init__(self, job: Job, stop: StopFlag):
        self.job, self.stop = job, stop
        self.recipe = canonical(job.recipe)
        self.seconds = Seconds()
        self.spent_before = 0.0
        self.facts = facts(job)
        self.logs: list[Log] = []

    def run(self) -> dict[str, Any]:
        job = self.job
        for note in (*job.data.notes, f"likelihood: {job.recipe.model.likelihood.describe()}"):
            LOG.info(note)
        self._warn_of_units()
        state, resumed_at = self._start()
        write_json(job.folder / "run.json", self.facts)
        info = RunInfo(
            folder=job.folder,
            name=job.name,
            wandb_id=self.facts["wandb_id"],
            group=job.group,
            job_type="train",
            config=_without_targets(job.config),
            tags=(job.data.name, job.recipe.model.likelihood.name),
            num_steps=self.recipe.num_steps,
            resumed_at=resumed_at,
            single=job.group is None,
        )
        summary: dict[str, Any] = {**self._identity(), "status": "failed", "message": "stopped by an exception"}
        try:
            for logger in (Jsonl(), *job.loggers.values()):
                self.logs.append(logger.open(info))
            outcome = self._train(state, resumed_at or 0)
            summary = self._finish(outcome)
        except BaseException as error:
            summary["message"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            write_json(job.folder / "summary.json", summary)
            for log in self.logs:
                log.close(summary, 0 if summary["status"] == "completed" else 1)
        for line in filter(None, (log.closing_line for log in self.logs)):
            LOG.info(line)
        return summary

    def _warn_of_units(self) -> None:
        std = float(np.sqrt(np.mean(np.square(self.job.data.stats.std))))
        if self.recipe.model.likelihood.support == "real" and not 1e-2 < std < 1e2:
            LOG.warning(
                "the training data have standard deviation %.3g; learned scales are bounded to [e^-7, e^7], and "
                "networks start for numbers near 1: data.rescale=standardize is undone on output",
                std,
            )

    def _identity(self) -> dict[str, Any]:
        """The keys of `summary.json` known beforehand, in its order, with null for the numbers."""
        numbers = (
            *("elbo", "elbo_se", "rate", "distortion", "objective", "nll", "nll_se", "nll_num_samples", "ess"),
            *("mse", "bits_per_dim", "active_units"),
        )
        return {
            "status": None,
            "message": "",
            "step": 0,
            "seed": int(self.recipe.seed),
            "beta": None,
            **dict.fromkeys(numbers),
            "likelihood": self.recipe.model.likelihood.name,
            "data_measure": self.job.data.measure,
            "num_test": len(self.job.data.test),
            "num_parameters": None,
            "train_seconds": None,
            "compile_seconds": None,
            "steps_per_second": None,
            "config_overrides": list(self.job.overrides),
        }

    def _start(self) -> tuple[TrainState, int | None]:
        """Returns the state to continue from and its step, or a fresh one and None."""
        state = init_state(self.recipe, self.job.data.stats)
        found = checkpoint.latest(self.job.folder / "checkpoint")
        if found is not None:
            state = checkpoint.from_arrays(state, found.arrays, str(self.job.folder / "checkpoint"))
            self.spent_before = float(found.meta["train_seconds"])
            LOG.info("continuing %s from step %d of %d", self.job.folder, found.step, self.recipe.num_steps)
            return state, found.step
        if self.job.trainer.init_from:
            source = Path(self.job.trainer.init_from).expanduser()
            arrays = checkpoint.eval_arrays(checkpoint.require(source))
            params = checkpoint.from_arrays(state.params, arrays, f"trainer.init_from={source}")
            state = state._replace(params=params, ema=state.ema if isinstance(state.ema, tuple) else params)
        return state, None

    def _train(self, state: TrainState, start: int) -> Outcome:
        label = self.job.name
        with Progress(self.recipe.num_steps, label, start) as progress:

            def row(step: int, split: str, values: dict[str, float]) -> None:
                for log in self.logs:
                    log.metrics(step, split, values)
                if split != "train":
                    progress.update(step, values["elbo"])

            hooks = Hooks(
                row=row,
                progress=progress.update,
                checkpoint=self._save,
                should_stop=lambda: bool(self.stop),
                seconds=self.seconds,
            )
            trainer = self.job.trainer
            return fit(
                self.recipe,
                self.job.data,
                state=state,
                steps_per_call=trainer.steps_per_call,
                checkpoint_every=trainer.checkpoint_every,
                hooks=hooks,
            )

    def _save(self, state: TrainState) -> None:
        meta = {
            "train_seconds": self.spent_before + self.seconds.train,
            "recipe": to_dict(self.recipe),
            "preparation": to_dict(self.job.data.preparation),
            "data": data_facts(self.job.data),
        }
        state = jax.device_get(state)
        checkpoint.save(self.job.folder / "checkpoint", int(state.step), state, meta)

    def _finish(self, outcome: Outcome) -> dict[str, Any]:
        job, state = self.job, outcome.state
        spent = self.spent_before + self.seconds.train
        step = int(state.step)
        summary = {
            **self._identity(),
            "status": outcome.status,
            "message": outcome.message,
            "step": step,
            "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
            "train_seconds": spent,
            "compile_seconds": self.seconds.compile,
            "steps_per_second": step / spent if spent else None,
        }
        if outcome.status == "diverged":
            self._save(state)
        if outcome.status == "interrupted":
            return summary
        try:
            summary |= self._numbers(state)
        except Stopped:
            return {**summary, "status": "interrupted", "message": "stopped by a signal during the last evaluation"}
        self._draw(state)
        LOG.info(compression(job.data, self.recipe.model.latent_dim))
        LOG.info("test: %s", _shown(summary))
        return summary

    def _numbers(self, state: TrainState) -> dict[str, Any]:
        job, recipe, model = self.job, self.recipe, self.recipe.model
        params, key = state.eval_params, stream(self.recipe.seed, "evaluation")
        preparation = canonical(job.data.preparation)
        num_samples = job.nll_num_samples
        log_jacobian = model.likelihood.log_jacobian(preparation.log_jacobian(job.data.event_shape))

        def numbers(split: np.ndarray) -> dict[str, Any]:
            on_device = jax.device_put(split)
            draws = num_samples or DRAWS_WITHOUT_NLL
            with Progress(len(split), f"evaluation, {draws} draws each,", unit="example") as progress:
                estimate, mse = estimate_split(
                    model, preparation, params, key, on_device, draws, lambda: bool(self.stop), progress.update
                )
            # The target objective: with the weights that the schedules end at.
            last, num_train = np.int32(recipe.num_steps), len(job.data.train)
            terms = evaluate_terms(recipe, preparation, params, state.objective_state, last, key, on_device, num_train)
            found = summarise(
                estimate,
                num_dims=int(np.prod(job.data.event_shape)),
                log_jacobian=log_jacobian,
                is_density=model.likelihood.is_density,
                discrete=job.data.discrete,
                num_samples=num_samples,
            )
            return found | {
                "objective": terms["objective"] - log_jacobian,
                "beta": terms.get("beta"),
                "mse": float(np.mean(mse, dtype=np.float64)),
            }

        found = numbers(job.data.test)
        split, watched = (
            ("test", found) if job.data.validation is None else ("validation", numbers(job.data.validation))
        )
        name = job.trainer.monitor
        return found | {"monitor": {"name": name, "split": split, "value": watched[name]}}

    def _draw(self, state: TrainState) -> None:
        job = self.job
        if not job.data.is_image:
            return
        key = stream(self.recipe.seed, "figures")
        preparation = canonical(job.data.preparation)
        paths = figures.draw(
            job.folder / "figures", self.recipe.model, preparation, state.eval_params, key, job.data.test
        )
        for name, path in paths.items():
            for log in self.logs:
                log.figure(name, path, int(state.step))


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


def _without_targets(config: Any) -> Any:
    if isinstance(config, Mapping):
        return {k: _without_targets(v) for k, v in config.items() if k != "_target_"}
    return config
