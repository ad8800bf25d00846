"""Runs in their own folders: training, evaluation, figures, and everything that is left on disk."""

import logging
import threading
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from vaex._check import VaexError
from vaex.loggers import Progress
from vaex.metrics import summarise, summarise_decomposition
from vaex.training import checkpoint
from vaex.training.evaluate import Stopped
from vaex.training.job import Job, alone, ended
from vaex.training.loop import Fitted, Hooks, Seconds, default_steps_per_call, fit
from vaex.training.member import LOG, Member
from vaex.training.members import side_by_side
from vaex.training.memory import TooLarge, free_bytes
from vaex.training.monitor import Seen
from vaex.training.pack import Pack
from vaex.training.signals import StopFlag
from vaex.training.step import TrainState

DRAWS_WITHOUT_NLL = 16  # behind the distortion where the NLL is off


class Done(NamedTuple):
    """How a run ended."""

    summary: dict[str, Any]  # the contents of `summary.json`
    error: Exception | None = None  # what ended it, where its status is `failed`
    closing_lines: tuple[str, ...] = ()  # of its loggers: where the numbers went


def run(job: Job, stop: StopFlag) -> dict[str, Any]:
    """Returns the contents of `summary.json` after training, or at once where the folder holds a completed run.

    Raises:
        VaexError: where the folder belongs to another config, or its checkpoint is damaged.
    """
    with alone(job.folder):
        before = ended(job)
        if before is not None:
            LOG.info("%s is %s already; its summary.json stands", job.folder, before["status"])
            return before
        (done,) = run_pack([job], stop)
        if done.error is not None:
            raise done.error
        return done.summary


def run_pack(
    jobs: Sequence[Job],
    stop: StopFlag,
    *,
    strategy: str = "auto",
    size: int | None = None,
    seconds: Seconds | None = None,
) -> list[Done]:
    """Returns how each job ended, after training all of them side by side.

    What fails in one member's files or loggers ends that member; what fails in the program they share ends them all.

    Args:
        jobs: of one program and one data set, whose folders this process holds; each continues from the newest
            checkpoint that all of them have.
        stop: read between device calls.
        strategy: `auto`, `loop` or `vmap`.
        size: members that a `vmap` pack runs, where its numbers come from a larger one.
        seconds: is filled with where the wall time went.

    Raises:
        TooLarge: where the compiled program of several members needs more memory than there is.
        jax.errors.JaxRuntimeError: where memory was exhausted all the same; what was saved stays.
    """
    pack_run = _PackRun(jobs, stop, Seconds() if seconds is None else seconds)
    try:
        pack_run.run(strategy, size)
    except Exception as error:
        if isinstance(error, FloatingPointError):
            error = at_first_nan(error, len(jobs))
        smaller = len(jobs) > 1 and (isinstance(error, TooLarge) or out_of_memory(error))
        for member in pack_run.members:
            if smaller:
                member.interrupt("out of memory; goes on in a smaller pack")
            else:
                member.fail(error)
        if smaller:
            raise
    finally:
        pack_run.close()
    return [Done(member.summary, member.error, member.closing_lines) for member in pack_run.members]


def at_first_nan(error: FloatingPointError, num: int) -> VaexError:
    """Returns where JAX_DEBUG_NANS, which raised the error, found the first number that is none, and what to type."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    place = f" ({own[-1].filename}:{own[-1].lineno}: {own[-1].line})" if own else ""
    pack = "; the whole pack ends with it: hydra.launcher.max_pack=1 keeps its members apart" if num > 1 else ""
    return VaexError(
        f"{error}{place}{pack}; JAX_DEBUG_NANS ends a run at its first NaN: unset it, and the run ends as diverged, "
        "with the state before; or lower optimizer.learning_rate"
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether the device, or the host, had no memory left."""
    of_device = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return of_device or isinstance(error, MemoryError)


def common_step(jobs: Sequence[Job]) -> int:
    """Returns the newest step of which every job has a checkpoint, or 0."""
    steps = [set(checkpoint.steps(job.folder / "checkpoint")) for job in jobs]
    return max(set.intersection(*steps), default=0)


class _PackRun:
    """The members of a pack and what they do together."""

    def __init__(self, jobs: Sequence[Job], stop: StopFlag, seconds: Seconds):
        self.stop, self.seconds = stop, seconds
        self.members = [Member(job) for job in jobs]
        self._opening: threading.Thread | None = None

    @property
    def _draws(self) -> int:
        """Behind the distortion, and the NLL where it is on."""
        return self.members[0].job.nll_num_samples or DRAWS_WITHOUT_NLL

    @property
    def live(self) -> list[Member]:
        """The members that have not failed."""
        return [member for member in self.members if member.error is None]

    def run(self, strategy: str, size: int | None) -> None:
        start, states = common_step([member.job for member in self.members]), {}
        log = logging.LoggerAdapter(LOG, {"runs": tuple(str(member.job.folder) for member in self.members)})
        for note in dict.fromkeys(note for member in self.members for note in member.notes()):
            log.info(note)
        for warning in dict.fromkeys(warning for member in self.members for warning in member.job.data.warnings):
            log.warning(warning)
        for member in self.members:
            with member.kept_apart():
                member.warn_of_units()
                states[member] = member.state_at(start)
        members = self.live  # from here on a place in the pack is a place in this list
        if not members:
            return
        recipes, data = [member.job.recipe for member in members], members[0].job.data
        side = side_by_side(len(members), strategy, size=size)
        free = free_bytes(side.devices[0], len(side.devices))  # before the data are there, which the program counts
        pack = Pack(recipes, data, side)
        steps_per_call = members[0].job.trainer.steps_per_call or default_steps_per_call(pack)
        for member in members:
            member.summary["pack_size"] = max(len(members), size or 0)
        self._check_memory(pack, steps_per_call, free)
        with self.seconds.of("files"):
            for member in members:
                with member.kept_apart():
                    member.begin(start)
        if not self.live:
            return
        self._opening = threading.Thread(target=self._open, args=(self.live, start), name="vaex-loggers")
        fitted = self._train(pack, members, [states[member] for member in members], start, steps_per_call)
        self._attach()
        self._finish(pack, members, fitted)

    def _finish(self, pack: Pack, members: list[Member], fitted: Fitted) -> None:
        """Notes how training ended, and what came out."""
        interrupted = any(outcome.status == "interrupted" for outcome in fitted.outcomes)
        for member, outcome in zip(members, fitted.outcomes, strict=True):
            member.note_end(outcome, self.seconds)
            if outcome.status == "diverged" and member.error is None and not interrupted:
                with member.kept_apart():
                    member.save(fitted.at, outcome.state, self.seconds)
        if interrupted:
            for member in self.live:  # one that has diverged lacks its numbers, too
                member.interrupt(f"stopped by a signal after step {fitted.at}")
            return
        if any(member.job.monitor.keeps for member in members):
            fitted = self._at_best(pack, members, fitted)
        try:
            numbers = self._numbers(pack, fitted)
        except Stopped:
            for member in self.live:
                member.interrupt("stopped by a signal during the last evaluation")
            return
        with self.seconds.of("figures"):
            for member, of_member, outcome in zip(members, numbers, fitted.outcomes, strict=True):
                member.note_numbers(of_member)
                if member.error is None:
                    with member.kept_apart():
                        member.draw(outcome.state)

    def _at_best(self, pack: Pack, members: list[Member], fitted: Fitted) -> Fitted:
        """Returns how training ended, with the parameters of each member's best evaluation."""
        outcomes = []
        for member, outcome in zip(members, fitted.outcomes, strict=True):
            with member.kept_apart():
                outcome = outcome._replace(state=member.at_best(outcome.state))
            outcomes.append(outcome)
        return fitted._replace(states=pack.scatter([outcome.state for outcome in outcomes]), outcomes=outcomes)

    def _open(self, members: list[Member], start: int) -> None:
        for member in members:
            with member.kept_apart():
                member.open(start)

    def _attach(self) -> None:
        """Waits for the loggers to be open, and tells them what they missed; once."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        with self.seconds.of("loggers"):
            if opening.ident is None:
                opening.start()
            opening.join()
            for member in self.members:
                with member.kept_apart():
                    member.attach()

    def _check_memory(self, pack: Pack, steps_per_call: int, free: int) -> None:
        """Compiles; refuses a pack of several that would not fit. A run by itself may try."""
        with self.seconds.of("compile"):
            need = pack.compile(steps_per_call)
        if pack.num > 1 and need > free:
            raise TooLarge(pack.num, need, free)

    def _train(
        self, pack: Pack, members: list[Member], states: list[TrainState | None], start: int, steps_per_call: int
    ) -> Fitted:
        if all(state is None for state in states):
            before = None
        else:
            before = [m.fresh() if state is None else state for m, state in zip(members, states, strict=True)]
        with Progress(pack.recipe.num_steps, members[0].job.name, start, members=len(members)) as progress:

            def begun(step: int, diverged: int) -> None:
                """While the devices train: opens the loggers, and compiles what comes later."""
                progress.update(step, diverged)
                if self._opening is None:
                    return
                if self._opening.ident is None:
                    self._opening.start()
                    pack.compile_evaluation(self._draws)
                elif not self._opening.is_alive():
                    self._attach()

            def row(m: int, step: int, split: str, values: dict[str, float]) -> None:
                with members[m].kept_apart():
                    members[m].row(step, split, values)
                if split != "train":
                    progress.elbo(m, values["elbo"])

            def save(step: int, states: Sequence[TrainState]) -> None:
                self._attach()  # what a checkpoint stands for has been told to every logger
                with self.seconds.of("save"):
                    for member, state in zip(members, states, strict=True):
                        if member.error is None:
                            with member.kept_apart():
                                member.save(step, state, self.seconds)

            def keep(m: int, state: TrainState) -> None:
                with self.seconds.of("save"), members[m].kept_apart():
                    members[m].keep(state, self.seconds)

            def seen(m: int, found: Seen) -> None:
                members[m].seen = found

            return fit(
                pack,
                before,
                start=start,
                steps_per_call=steps_per_call,
                checkpoint_every=members[0].job.trainer.checkpoint_every,
                hooks=Hooks(
                    row=row,
                    progress=begun,
                    checkpoint=save,
                    seen=seen,
                    best=keep,
                    should_stop=lambda: bool(self.stop) or not self.live,
                    seconds=self.seconds,
                ),
                monitors=[member.job.monitor for member in members],
                seen=[member.seen for member in members],
            )

    def _numbers(self, pack: Pack, fitted: Fitted) -> list[dict[str, dict[str, Any]]]:
        """Returns every member's numbers by split."""
        num_samples, recipe = self.members[0].job.nll_num_samples, pack.recipe
        of_members: list[dict[str, dict[str, Any]]] = [{} for _ in range(pack.num)]
        with self.seconds.of("evaluate"):
            for name in pack.splits:
                size = len(getattr(pack.data, name))
                with Progress(size, f"evaluation, {self._draws} draws each,", unit="example") as progress:
                    found = pack.estimates(fitted.states, name, self._draws, lambda: bool(self.stop), progress.update)
                parts = pack.decompositions(fitted.states, name) or [None] * pack.num
                # The target objective: with the weights that the schedules end at.
                terms = pack.terms(fitted.states, name, recipe.num_steps)
                for numbers, (estimate, mse), at_end, own in zip(of_members, found, terms, parts, strict=True):
                    numbers[name] = summarise(
                        estimate,
                        num_dims=int(np.prod(pack.data.event_shape)),
                        log_jacobian=pack.log_jacobian,
                        is_density=recipe.model.likelihood.is_density,
                        log_cell=pack.data.log_cell,
                        num_samples=num_samples,
                    ) | {
                        "objective": at_end["objective"] - pack.log_jacobian,
                        **({"block_size": int(at_end["block_size"])} if "block_size" in at_end else {}),
                        "beta": at_end.get("beta"),
                        "effective_beta": at_end.get("effective_beta"),
                        "observation_noise": at_end.get("observation_noise"),
                        **summarise_decomposition(own, size),
                        "mse": float(np.mean(mse, dtype=np.float64)),
                    }
        return of_members

    def close(self) -> None:
        self._attach()
        with self.seconds.of("loggers"):
            for member in self.members:
                member.close()
