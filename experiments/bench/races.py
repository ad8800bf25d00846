"""Training side by side: ours and its rivals take turns, A B C A B C, on the same examples of the same model."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments.bench.problem import PROBLEMS, Problem
from experiments.bench.rows import Goal, Row
from experiments.bench.worker import ROOT, NotMeasured, Worker, contestant
from vaex._check import VaexError

TORCH = ROOT / ".venv-torch" / "bin" / "python"
LOSS_TOLERANCE = 0.05  # initialisers and noise differ; a model trained for half as long differs by more


@dataclass(frozen=True)
class Rival:
    """A rival in one or several settings, of which the fastest counts, and what ours is to reach against it."""

    name: str
    module: str
    unit: str  # what is compared: steps/s or s/epoch
    goal: Goal | None = None
    option: str = ""
    settings: tuple[int, ...] = ()
    python: Path = Path(sys.executable)

    def entries(self, problem: Problem, examples: Path) -> "list[Entry]":
        """Returns a contestant a setting."""
        start = partial(contestant, self.python, f"rivals.{self.module}", problem, examples)
        return [Entry(f"{self.name} ({self.option}={value})", start(str(value))) for value in self.settings] or [
            Entry(self.name, start())
        ]


@dataclass
class Entry:
    """One contestant in one setting, and what it did."""

    label: str
    command: list[str]
    version: str = ""
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    reason: str = ""  # why it was not measured

    def raw(self) -> dict[str, Any]:
        """Returns everything, for JSON."""
        numbers = {"version": self.version, "seconds": self.seconds, "loss_after_training": self.losses}
        return numbers | ({"not_measured": self.reason} if self.reason else {})


def rivals(problem: Problem) -> list[Rival]:
    """Returns who takes part."""
    cores = os.cpu_count() or 1
    goal = Goal(">=", 4.0) if problem.name == "digits" else Goal(">=", 1.8)
    # Its default is a thread a core; small layers may be faster on one, so that one is shown too.
    torch = [
        Rival("PyTorch, eager", "torch_eager", "steps/s", goal if n == cores else None, "threads", (n,), TORCH)
        for n in sorted({cores, 1}, reverse=True)
    ]
    if problem.name == "digits":
        return torch
    executions = (1, 117)  # its default, and four an epoch of 468 steps
    return [
        *torch,
        Rival("Keras 3 fit, JAX", "keras_fit", "s/epoch", Goal("<=", 1.1), "steps_per_execution", executions),
        Rival("NumPyro SVI, scan", "numpyro_svi", "s/epoch", Goal("<=", 1.1)),
        Rival("bare JAX scan", "bare_scan", "s/epoch"),
        Rival("JAX, a dispatch a step", "dispatch", "s/epoch"),
    ]


def race(name: str, repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the rows of one problem, and the raw numbers of every contestant."""
    from experiments.bench.ours import examples

    problem = PROBLEMS[name]
    try:
        x = examples(problem)
    except VaexError as error:
        where = "" if os.environ.get("VAEX_DATA_DIR") else " (set VAEX_DATA_DIR to the folder of the original files)"
        return [Row(name, "all rivals", "", reason=f"the data are not here{where}: {error}")], {}
    path = scratch / f"{name}.npy"
    np.save(path, x)
    steps = problem.num_steps(len(x))

    ours = Entry("ours", contestant(sys.executable, "ours", problem, path))
    against = [(rival, rival.entries(problem, path)) for rival in rivals(problem)]
    everyone = [ours, *(entry for _, entries in against for entry in entries)]
    take_turns(everyone, repeats)
    rows = [row(problem, steps, ours, rival, entries) for rival, entries in against]
    return rows, {"steps": steps, "examples": len(x), "contestants": {entry.label: entry.raw() for entry in everyone}}


def take_turns(entries: list[Entry], repeats: int) -> None:
    """Fills in what each entry did: warm-ups first, then one run each, over and over."""
    with ExitStack() as stack:
        workers = []
        for entry in entries:
            try:
                worker = stack.enter_context(Worker(entry.command))
                entry.version = worker.warm_up()
                workers.append((entry, worker))
            except NotMeasured as reason:
                entry.reason = str(reason)
        for repeat in range(1, repeats + 1):
            for entry, worker in workers:
                if entry.reason:
                    continue
                try:
                    seconds, loss = worker.train(repeat)
                except NotMeasured as reason:
                    entry.reason = str(reason)
                    continue
                entry.seconds.append(seconds)
                entry.losses.append(loss)
                print(f"  {repeat} of {repeats}: {seconds:8.3f} s  {entry.label}", file=sys.stderr, flush=True)


def other_work(losses: Sequence[float], our_losses: Sequence[float]) -> str:
    """Returns why two contestants did not do the same work, or nothing: the losses after it tell."""
    theirs, mine = median(losses), median(our_losses)
    if abs(theirs - mine) <= LOSS_TOLERANCE * abs(mine):
        return ""
    return f"not the same work: its loss after training is {theirs:.4g}, ours {mine:.4g}"


def row(problem: Problem, steps: int, ours: Entry, rival: Rival, entries: list[Entry]) -> Row:
    """Returns ours against the fastest of a rival's settings."""
    measured = [entry for entry in entries if not entry.reason]
    best = min(measured, key=lambda entry: median(entry.seconds)) if measured else entries[0]
    reason = f"ours: {ours.reason}" if ours.reason else best.reason
    reason = reason or other_work(best.losses, ours.losses)
    if reason:
        return Row(problem.name, best.label, rival.unit, goal=rival.goal, reason=reason)

    def shown(entry: Entry) -> list[float]:
        return [steps / s if rival.unit == "steps/s" else s / problem.num_epochs for s in entry.seconds]

    return Row(problem.name, best.label, rival.unit, shown(ours), shown(best), rival.goal)
