"""Training from a file that stays on disk against the same training from memory, in the loop that a run uses."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench.ours import recipe
from experiments.bench.problem import Problem
from experiments.bench.races import other_work
from experiments.bench.rows import Goal, Row
from experiments.bench.turns import run, say
from experiments.bench.worker import NotMeasured
from experiments.device import prepare_jax
from vaex.data import Data, Raw
from vaex.data.rows import Rows
from vaex.likelihoods import Bce
from vaex.training import Pack
from vaex.training.loop import Hooks, fit

CASE = "stream"
PROBLEM = Problem("stream", hidden=(64,), latent_dim=16, batch_size=128, num_epochs=2)
NUM, SHAPE = 60_000, (64, 64, 1)  # 246 MB of grey values; the page cache holds them: no disk is measured
NUM_TEST = 500
GOAL = Goal("<=", 1.1)


@dataclass(frozen=True, kw_only=True)
class OnDisk(Data):
    """Grey images in a `.npy` file; in memory with `stream=False`."""

    path: str

    @property
    def name(self) -> str:
        """What the data set is called."""
        return "on_disk"

    def read(self) -> Raw:
        """Returns the images, memory-mapped."""
        train = np.load(self.path, mmap_mode="r")
        return Raw(Rows(train), np.array(train[:NUM_TEST]), levels=256)


def stream(repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the seconds of an epoch from disk against those from memory, in turns in one process."""
    path = scratch / "stream.npy"
    write(path)
    what = f"in memory ({path.stat().st_size / 1e6:.0f} MB, page cache warm)"
    try:
        found = json.loads(run([sys.executable, "-m", "experiments.bench.stream", str(path), str(repeats)]))
    except NotMeasured as reason:
        return [Row(CASE, what, "s/epoch", goal=GOAL, reason=str(reason))], {}
    return [row(what, found)], {"steps": PROBLEM.num_steps(NUM), **found}


def row(what: str, found: dict[str, Any]) -> Row:
    """Returns the stream against the memory, unless they trained to something else."""
    reason = other_work(found["losses"]["memory"], found["losses"]["disk"])
    if reason:
        return Row(CASE, what, "s/epoch", goal=GOAL, reason=reason)
    disk, memory = ([s / PROBLEM.num_epochs for s in found["seconds"][name]] for name in ("disk", "memory"))
    return Row(CASE, what, "s/epoch", disk, memory, GOAL)


def write(path: Path) -> None:
    """Writes the images: random bytes, since what a step costs does not depend on what they show."""
    np.save(path, np.random.default_rng(0).integers(0, 256, (NUM, *SHAPE), np.uint8))


def contestants(path: str) -> dict[str, Callable[[int], tuple[float, float]]]:
    """Returns training from disk and from memory: of a seed, the seconds and the loss after it."""

    def train(loaded: Any, seed: int) -> tuple[float, float]:
        one = recipe(PROBLEM, Bce(), loaded.event_shape, seed=seed, num_steps=PROBLEM.num_steps(len(loaded.train)))
        losses = {}
        hooks = Hooks(row=lambda m, step, split, values: losses.update({split: values["loss"]}))
        fit(Pack([one], replace(loaded, seed=seed)), hooks=hooks)
        return hooks.seconds["train"], losses["test"]

    kinds = {"disk": True, "memory": False}
    return {
        name: partial(train, OnDisk(path=path, stream=streams, binarize="none").load(Bce()))
        for name, streams in kinds.items()
    }


def main(path: str, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Returns the seconds and losses of both, in turns."""
    prepare_jax()
    everyone = contestants(path)
    for train in everyone.values():
        train(0)  # compiles, imports grain, and reads the file into the page cache
    seconds: dict[str, list[float]] = {name: [] for name in everyone}
    losses: dict[str, list[float]] = {name: [] for name in everyone}
    for repeat in range(1, repeats + 1):
        for name, train in everyone.items():
            spent, loss = train(repeat)
            seconds[name].append(spent)
            losses[name].append(loss)
            say(f"{repeat} of {repeats}: {spent:8.3f} s  {name}")
    return {"seconds": seconds, "losses": losses}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
