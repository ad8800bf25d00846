"""Steady state: a pack of members, by either strategy, against one run by itself, in processes that take turns."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench.problem import PROBLEMS, Problem
from experiments.bench.races import Entry, other_work, take_turns
from experiments.bench.rows import Goal, Row
from experiments.bench.worker import contestant

# Members by strategy. Stacked convolutions are so slow on a CPU that two members show it.
MEMBERS = {
    "digits": {"loop": 20, "vmap": 20},
    "784-400-20": {"loop": 20, "vmap": 20},
    "conv": {"loop": 20, "vmap": 2},
}
GOALS = {("digits", "loop"): Goal(">=", 1.8)}


def pack(repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the member-steps per second of packs against those of one run, in the loop that both train in.

    One run is what `python -m experiments.train` is: a process with one device. A pack has a host device a core.
    """
    from experiments.bench.ours import examples

    rows, raw = [], {}
    for name, members in MEMBERS.items():
        problem, path = PROBLEMS[name], scratch / f"pack-{name}.npy"
        x = examples(problem)
        np.save(path, x)

        def entry(num: int, strategy: str, problem: Problem = problem, path: Path = path) -> Entry:
            command = contestant(sys.executable, "ours", problem, path, str(num), strategy)
            return Entry(f"{problem.name}: {strategy} of {num}", command)

        alone = entry(1, "loop")
        packs = {strategy: entry(num, strategy) for strategy, num in members.items()}
        everyone = [alone, *packs.values()]
        take_turns(everyone, repeats)
        steps = problem.num_steps(len(x))
        rows += [row(name, steps, strategy, packs[strategy], alone) for strategy in members]
        raw[name] = {"steps": steps, "members": members, "contestants": {one.label: one.raw() for one in everyone}}
    return rows, raw


def row(name: str, steps: int, strategy: str, together: Entry, alone: Entry) -> Row:
    """Returns a pack against one run by itself: the steps of all members in a second."""
    num, goal = MEMBERS[name][strategy], GOALS.get((name, strategy))
    case, what, unit = "pack", f"{together.label}, one run alone", "member-steps/s"
    reason = together.reason or alone.reason or other_work(alone.losses, together.losses)
    if reason:
        return Row(case, what, unit, goal=goal, reason=reason)
    ours, theirs = ([n * steps / s for s in e.seconds] for n, e in ((num, together), (1, alone)))
    return Row(case, what, unit, ours, theirs, goal)
