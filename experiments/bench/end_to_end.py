"""20 jobs from the start of the process to its exit: against what they must cost, and other ways to run them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from experiments.bench.commands import train
from experiments.bench.races import TORCH, other_work
from experiments.bench.rows import Goal, Row
from experiments.bench.sweeps import cache_in, named, parts, start_up, start_up_of, sweep_of
from experiments.bench.turns import Command, Timed, take_turns

CASE, NUM_STEPS = "sweep", 2_000
BETAS, SEEDS = (0.25, 0.5, 1, 2, 4), 4  # of experiment=digits_beta
RUNS = tuple((beta, seed) for beta in BETAS for seed in range(SEEDS))
AT_ONCE = 2  # scripts
FOUR = ("objective.beta=1",)  # leaves the seeds: 4 jobs
LAUNCHERS = {
    "basic": ("hydra/launcher=basic",),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
}
# One job of the sweep as a single run, several times as long: what it does beside its first steps (it opens loggers,
# and compiles its evaluation) is no part of a step's time. Its NLL comes after the training that is looked at.
LONGER = 5
ALONE = (
    "schedule@objective.beta_schedule=linear",
    "objective.beta_schedule.fraction=0.5",
    "evaluation.nll_num_samples=0",
    "logger=none",
)
TORCH_THREADS = {"torch, 1 thread": {"OMP_NUM_THREADS": "1"}, "torch, default threads": {}}


def sweep(repeats: int, scratch: Path, num_steps: int = NUM_STEPS) -> tuple[list[Row], dict[str, Any]]:
    """Returns the wall times of 20 jobs, and of 4, against the sum of their parts, other launchers and plain scripts.

    Compilations lie in a cache of this case that is filled before the first turn, for everyone but `flax`.
    """
    data = scratch / "digits.npz"
    write_digits(data)
    trial = torch_trial(scratch, data, num_steps // 20)
    everyone = contestants(scratch, data, num_steps, torch=faster(trial))
    for place, name in enumerate(("ours", "alone", "basic, 4 jobs", "flax, cache shared")):
        everyone[name].warm_up(scratch / f"warm-up-{place}")
    take_turns(everyone, repeats, scratch / CASE)
    raw = {name: one.raw() for name, one in everyone.items()}
    return rows(everyone), raw | {"trial": {name: one.raw() for name, one in trial.items()}}


def contestants(scratch: Path, data: Path, num_steps: int, torch: str) -> dict[str, Timed]:
    """Returns everyone by name, in the order of their turns."""
    cache, length = cache_in(scratch), (f"trainer.num_steps={num_steps}",)
    cold = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    twenty, four = (
        {f"{name}{jobs}": sweep_of((*length, *of_jobs, *words), cache) for name, words in LAUNCHERS.items()}
        for jobs, of_jobs in (("", ()), (", 4 jobs", FOUR))
    )
    return {
        "ours": sweep_of(length, cache),
        "ours, logger=none": sweep_of((*length, "logger=none"), cache),
        "start-up": start_up_of(length, cache),
        "alone": Timed(
            lambda folder: [train(folder, f"trainer.num_steps={LONGER * num_steps}", *ALONE)], of_run, cache
        ),
        **twenty,
        "ours, 4 jobs": sweep_of((*length, *FOUR), cache),
        **four,
        # 20 processes each: twice at most, and once where no goal is at stake.
        torch: scripts("torch_job", str(TORCH), data, num_steps, TORCH_THREADS[torch], most=2),
        "flax": scripts("flax_job", sys.executable, data, num_steps, cold, most=2),
        "flax, cache shared": scripts("flax_job", sys.executable, data, num_steps, cache, most=2),
    }


def scripts(
    name: str,
    python: str,
    data: Path,
    num_steps: int,
    environment: Mapping[str, str],
    most: int,
    runs: tuple[tuple[float, int], ...] = RUNS,
) -> Timed:
    """Returns a process a job, two at a time, as a contestant."""

    def commands(folder: Path) -> list[Command]:
        start = [python, "-m", f"experiments.bench.scripts.{name}", str(data)]
        return [[*start, str(folder / f"{b}-{s}"), str(b), str(s), str(num_steps)] for b, s in runs]

    return Timed(commands, of_scripts, environment, at_once=AT_ONCE, most=most)


def torch_trial(scratch: Path, data: Path, num_steps: int) -> dict[str, Timed]:
    """Returns two short scripts side by side with each number of threads: 20 of the slower one would take too long."""
    trial = {
        name: scripts("torch_job", str(TORCH), data, num_steps, threads, most=1, runs=RUNS[:AT_ONCE])
        for name, threads in TORCH_THREADS.items()
    }
    next(iter(trial.values())).warm_up(scratch / "warm-up-trial")
    take_turns(trial, 1, scratch / "trial")
    return trial


def faster(settings: Mapping[str, Timed]) -> str:
    """Returns the name of a rival's faster setting, the one that counts; the first where none was measured."""
    measured = {name: median(one.wall) for name, one in settings.items() if not one.reason}
    return min(measured, key=measured.__getitem__, default=next(iter(settings)))


def write_digits(path: Path) -> None:
    """Writes what the scripts train and test on: the grey values, and the 0s and 1s, that our runs see."""
    from vaex.data import Digits
    from vaex.likelihoods import Bernoulli

    loaded = Digits().load(Bernoulli())
    train, test = (np.asarray(loaded.preparation(np.asarray(split))) for split in (loaded.train, loaded.test))
    np.savez(path, train=train.reshape(len(train), -1), test=test.reshape(len(test), -1))


def of_run(folder: Path) -> dict[str, Any]:
    """Returns the seconds that the steps of one job take a run by itself, and those that it compiled for."""
    summary = json.loads((folder / "summary.json").read_text())
    return {"train": summary["train_seconds"] / LONGER, "compile": summary["compile_seconds"]}


def of_scripts(folder: Path) -> dict[str, Any]:
    """Returns the mean ELBO of the scripts."""
    elbos = [json.loads(path.read_text())["elbo"] for path in sorted(folder.glob("*/result.json"))]
    return {"jobs": len(elbos), "elbo": mean(elbos)}


def rows(everyone: Mapping[str, Timed]) -> list[Row]:
    """Returns the table's rows, of contestants that have taken their turns."""
    ours, found = everyone["ours"], against_the_sum(everyone)
    for jobs in ("", ", 4 jobs"):
        for name in LAUNCHERS:
            found.append(against(f"{name}{jobs}", everyone[f"ours{jobs}"], everyone[f"{name}{jobs}"], Goal("<=", 1)))
    torch = next(name for name in TORCH_THREADS if name in everyone)
    # In the example's style each process compiles for itself; with a cache between them it is a better script.
    for name, goal in ((torch, Goal(">=", 2.5)), ("flax", Goal(">=", 3)), ("flax, cache shared", None)):
        found.append(against(name, ours, everyone[name], goal, "jobs/min"))
    return found + part_rows(everyone)


def against_the_sum(everyone: Mapping[str, Timed]) -> list[Row]:
    """Returns our wall time against S, a sum by turn.

    - start-up: from the start of the process until the launcher hands over its jobs, all imports made, less composing;
      measured in a process that ends there,
    - composing: `compose` of the sweep's `sweep.json`,
    - compile: `compile` there, which is every program of a pack on every device, or in a row of its own the
      `compile_seconds` of a run by itself,
    - half of 20 lone step times, for as many steps as a job has: half of 20 times `of_run`'s `train`.
    """
    alone, stub, found = everyone["alone"], everyone["start-up"], []
    for name in ("ours", "ours, logger=none"):
        ours = everyone[name]
        reason = ours.reason or alone.reason or stub.reason
        for whose in ("a pack's", "a lone run's"):
            what = f"{name}: S, start-up + composing + {whose} compile + half of 20 lone step times"
            if reason:
                found.append(Row(CASE, what, "s", goal=Goal("<=", 1.3), reason=reason))
                continue
            said = [one["seconds"] for one in ours.found]
            compiled = said if whose == "a pack's" else alone.found
            terms = zip(start_up(stub), said, compiled, alone.found, strict=True)
            sums = [s + o["compose"] + c["compile"] + len(RUNS) / 2 * a["train"] for s, o, c, a in terms]
            found.append(Row(CASE, what, "s", ours.wall, sums, Goal("<=", 1.3)))
    return found


def against(name: str, ours: Timed, theirs: Timed, goal: Goal | None, unit: str = "s") -> Row:
    """Returns our wall time, or jobs a minute, against theirs."""
    reason = ours.reason or theirs.reason
    if not reason:
        losses, our_losses = ([-found["elbo"] for found in one.found] for one in (theirs, ours))
        reason = other_work(losses, our_losses)
    if reason:
        return Row(CASE, name, unit, goal=goal, reason=reason)
    mine, others = (one.wall if unit == "s" else [60 * len(RUNS) / s for s in one.wall] for one in (ours, theirs))
    return Row(CASE, name, unit, mine, others, goal)


def part_rows(everyone: Mapping[str, Timed]) -> list[Row]:
    """Returns a row for each part of our wall time, and for what S takes from a run by itself."""
    ours, stub, alone = everyone["ours"], everyone["start-up"], everyone["alone"]
    reason = ours.reason or stub.reason or alone.reason
    if reason:
        return [Row(CASE, "parts", "s", reason=reason)]
    lone = {
        "of S, half of 20 lone step times": [len(RUNS) / 2 * one["train"] for one in alone.found],
        "of S, a lone run's compile": [one["compile"] for one in alone.found],
    }
    return [Row(CASE, what, "s", seconds) for what, seconds in (named(parts(ours, start_up(stub))) | lone).items()]
