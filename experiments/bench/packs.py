"""Steady state: a pack of members, by either strategy, against one run by itself, in processes that take turns."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench.problem import PROBLEMS
from experiments.bench.races import Entry, other_work, take_turns
from experiments.bench.rows import Goal, Row
from experiments.bench.worker import contestant

MEMBERS = 20
MODELS = ("digits", "784-400-20", "conv")
GOALS = {("digits", "loop"): Goal(">=", 1.8)}
OPTIONS = {"alone": ("1", "loop"), "loop": (str(MEMBERS), "loop"), "vmap": (str(MEMBERS), "vmap")}  # of `ours.py`


def pack(repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the member-steps per second of packs against those of one run, in the loop that both train in.

    One run is what `python -m experiments.train` is: a process with one device. A pack has a host device a core.
    """
    from experiments.bench.ours import examples

    rows, raw = [], {}
    for name in MODELS:
        problem, path = PROBLEMS[name], scratch / f"pack-{name}.npy"
        x = examples(problem)
        np.save(path, x)
        entries = {
            key: Entry(f"{name}, {key}", contestant(sys.executable, "ours", problem, path, *words))
            for key, words in OPTIONS.items()
        }
        take_turns(list(entries.values()), repeats)
        steps = problem.num_steps(len(x))
        rows += [row(name, steps, strategy, entries[strategy], entries["alone"]) for strategy in ("loop", "vmap")]
        contestants = {entry.label: entry.raw() for entry in entries.values()}
        raw[name] = {"steps": steps, "members": MEMBERS, "contestants": contestants}
    return rows, raw


def row(name: str, steps: int, strategy: str, together: Entry, alone: Entry) -> Row:
    """Returns a pack against one run by itself: the steps of all members in a second."""
    case, what, unit = "pack", f"{name}: {strategy} of {MEMBERS}, one run alone", "member-steps/s"
    goal = GOALS.get((name, strategy))
    reason = together.reason or alone.reason or other_work(alone.losses, together.losses)
    if reason:
        return Row(case, what, unit, goal=goal, reason=reason)
    ours, theirs = ([n * steps / s for s in e.seconds] for n, e in ((MEMBERS, together), (1, alone)))
    return Row(case, what, unit, ours, theirs, goal)
