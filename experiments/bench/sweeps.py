"""The command of a sweep from the start of its process to its exit, and what the sweep says of its parts."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from experiments.bench.turns import Command, Timed

STUB = "experiments.bench.called"
PARTS = {
    "start-up": "start-up, to the launcher's call, less composing",
    "compose": "composing, by Hydra",
    "folders": "folders, recipes, data",
    "loggers": "W&B and run.json",
    "rest": "rest, exit included",
}


def command(folder: Path, *overrides: str) -> Command:
    """Returns the command of a sweep in its folder: `experiment=digits_beta`, 5 betas x 4 seeds."""
    return [
        sys.executable,
        "-m",
        "experiments.train",
        "experiment=digits_beta",
        *overrides,
        f"hydra.sweep.dir={folder}",
    ]


def sweep_of(overrides: tuple[str, ...], environment: Mapping[str, str], most: int | None = None) -> Timed:
    """Returns a sweep as a contestant."""
    return Timed(lambda folder: [command(folder, *overrides)], of_sweep, environment, most=most)


def start_up_of(overrides: tuple[str, ...], environment: Mapping[str, str]) -> Timed:
    """Returns a sweep as a contestant that ends where the launcher hands over its jobs."""
    words = (*overrides, f"hydra.launcher.train_pack={STUB}.train_pack")
    return Timed(lambda folder: [command(folder, *words)], of_called, environment)


def cache_in(scratch: Path) -> dict[str, str]:
    """Returns the environment that keeps every compilation, of programs of any size, in a folder of the case."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(scratch / "jax-cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def of_sweep(folder: Path) -> dict[str, Any]:
    """Returns the mean ELBO of a sweep's runs, and the seconds of its parts where it says them."""
    elbos = [json.loads(path.read_text())["elbo"] for path in sorted(folder.glob("*/summary.json"))]
    manifest = folder / "sweep.json"
    seconds = json.loads(manifest.read_text())["seconds"] if manifest.exists() else {}
    return {"jobs": len(elbos), "elbo": mean(elbos), "seconds": seconds}


def of_called(folder: Path) -> dict[str, Any]:
    """Returns when the launcher handed over its jobs, and the seconds of composing until then."""
    return json.loads((folder / "called.json").read_text())


def start_up(one: Timed) -> list[float]:
    """Returns the seconds from the start of the process to the launcher's call, less those of composing."""
    return [said["monotonic"] - start - said["compose"] for start, said in zip(one.starts, one.found, strict=True)]


def parts(ours: Timed, starts: list[float]) -> dict[str, list[float]]:
    """Returns the seconds of each part of a sweep by turn, `rest` being what no other part holds.

    Args:
        ours: the sweep.
        starts: the seconds of its start-up by turn, measured by `start_up_of`, which may have taken more turns.
    """
    names = dict.fromkeys(name for found in ours.found for name in found["seconds"])
    by_part = {name: [found["seconds"].get(name, 0.0) for found in ours.found] for name in names}
    known = {"start-up": starts[: len(ours.wall)], **by_part}
    return known | {"rest": [wall - sum(of_turn) for wall, *of_turn in zip(ours.wall, *known.values(), strict=True)]}


def named(seconds: dict[str, list[float]]) -> dict[str, list[float]]:
    """Returns the parts by what they are called in the table."""
    return {f"of it, {PARTS.get(name, name)}": values for name, values in seconds.items()}
