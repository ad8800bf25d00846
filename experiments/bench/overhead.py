"""What a job costs beyond training it, where there are many: a sweep of 200 jobs of a few steps."""

from pathlib import Path
from typing import Any

from experiments.bench.rows import Goal, Row
from experiments.bench.sweeps import cache_in, named, parts, start_up, start_up_of, sweep_of
from experiments.bench.turns import Timed, take_turns

CASE, JOBS = "overhead", 200
TAKEN_OFF = ("start-up", "compose", "compile", "train", "evaluate")  # what is left is ours, and W&B's
WANDB = "jsonl and wandb"


def overhead(repeats: int, scratch: Path, jobs: int = JOBS) -> tuple[list[Row], dict[str, Any]]:
    """Returns the milliseconds a job that a sweep takes beyond `TAKEN_OFF`, and beyond W&B where it logs there."""
    few = ("objective.beta=1", f"seed=range(0,{jobs})", "trainer.num_steps=20", "evaluation.nll_num_samples=0")
    cache = cache_in(scratch)
    everyone = {
        "start-up": start_up_of(few, cache),
        "logger=none": sweep_of((*few, "logger=none"), cache),
        WANDB: sweep_of(few, cache, most=2),  # minutes
    }
    sweep_of((*few[:1], *few[2:], "logger=none"), cache).warm_up(scratch / "warm-up")  # of four jobs
    take_turns(everyone, repeats, scratch / CASE)
    found = rows("logger=none", everyone, TAKEN_OFF, jobs) + rows(WANDB, everyone, (*TAKEN_OFF, "loggers"), jobs)
    return found, {name: one.raw() for name, one in everyone.items()}


def rows(name: str, everyone: dict[str, Timed], taken_off: tuple[str, ...], jobs: int) -> list[Row]:
    """Returns what is left of a sweep's wall time without some of its parts, and each part of that: ms a job."""
    ours, stub = everyone[name], everyone["start-up"]
    what, unit, goal = f"{name}: wall time - {' - '.join(taken_off)}", "ms/job", Goal("<=", 60)
    reason = ours.reason or stub.reason
    if reason:
        return [Row(CASE, what, unit, goal=goal, reason=reason)]
    ms = {part: [1e3 * s / jobs for s in seconds] for part, seconds in parts(ours, start_up(stub)).items()}
    left = {part: values for part, values in ms.items() if part not in taken_off}
    total = [sum(of_turn) for of_turn in zip(*left.values(), strict=True)]
    return [Row(CASE, what, unit, total, goal=goal), *(Row(CASE, part, unit, v) for part, v in named(left).items())]
