"""Sweeps with known numbers, written without training."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.loggers.conftest import bare_wandb, offline_records
from vaex.sweep.results import read_sweep
from vaex.sweep.settings import Comparison, arrange

__all__ = ["bare_wandb", "offline_records"]
MEASURE = "digits, dynamic binarization, counting measure"


def summary(**changes: Any) -> dict[str, Any]:
    """A completed job's, whose ELBO is minus the sum of its rate and distortion."""
    found = {
        "status": "completed",
        "message": "",
        "step": 100,
        "rate": 4.0,
        "distortion": 20.0,
        "nll": 23.0,
        "nll_se": 0.2,
        "nll_num_samples": 50,
        "mse": 0.05,
        "active_units": 8,
        "likelihood": "bernoulli",
        "data_measure": MEASURE,
        "num_test": 359,
        **changes,
    }
    return {"elbo": None if found["rate"] is None else -found["rate"] - found["distortion"], **found}


def run_json(**changes: Any) -> dict[str, Any]:
    found = {
        "wandb_id": "aaaa1111",
        "command": "experiments/train.py -m objective.beta=1,2",
        "versions": {"vaex-jax": "0.1.0", "jax": "0.12.0"},
        "device": {"platform": "cpu", "kind": "cpu", "count": 1},
        "git_commit": None,
        "data": {"name": "digits"},
        "config": {"latent_dim": 16, "objective": {"beta": 1.0}, "logger": {}},
    }
    return found | changes


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Path]:
    """Writes one finished job: `job("0", "objective.beta=1 seed=0", nll=23.0)`."""

    def write(name: str, overrides: str, *, sweep: str = "sweep", run: dict[str, Any] | None = None, **numbers: Any):
        folder = tmp_path / sweep / name
        folder.mkdir(parents=True)
        content = summary(**numbers) | {"config_overrides": overrides.split()}
        (folder / "summary.json").write_text(json.dumps(content))
        (folder / "run.json").write_text(json.dumps(run_json(**(run or {}))))
        return folder

    return write


@pytest.fixture
def grid(job: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes a sweep: each key a setting's overrides, each value a list of numbers, a dict a seed."""

    def write(settings: dict[str, list[dict[str, Any]]], sweep: str = "sweep") -> Path:
        number = 0
        for overrides, seeds in settings.items():
            for seed, numbers in enumerate(seeds):
                job(str(number), f"{overrides} seed={seed}", sweep=sweep, **numbers)
                number += 1
        return tmp_path / sweep

    return write


@pytest.fixture
def betas(grid: Callable[..., Path]) -> Path:
    """Four betas, two seeds: 1 is the best, 2 as good within a standard error, 4 has collapsed."""
    return grid(
        {
            "objective.beta=0.5": [{"rate": 9.0, "distortion": 16.0, "nll": n} for n in (24.0, 24.2)],
            "objective.beta=1": [{"rate": r, "distortion": 19.0, "nll": n} for r, n in ((5.0, 22.5), (5.2, 22.7))],
            "objective.beta=2": [{"rate": 3.0, "distortion": 21.0, "nll": n, "active_units": 7} for n in (22.6, 22.75)],
            "objective.beta=4": [
                {"rate": 0.0, "distortion": 27.0, "nll": 27.0, "active_units": 0},
                {"rate": 0.001, "distortion": 27.0, "nll": 27.0, "active_units": 0},
            ],
        }
    )


@pytest.fixture
def arranged() -> Callable[..., Comparison]:
    """Reads and arranges."""
    return lambda sweep, **options: arrange(read_sweep(sweep), **options)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = Path("/usr/bin/chromium")
    if not path.exists():
        pytest.skip(f"{path} is not there: the page is not looked at in a real browser (apt-get install chromium)")
    with api.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=str(path), args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def figures() -> Callable[..., None]:
    """Draws a run's figures: cell (row, column) of a sheet has the grey level `base + 10 row + column`."""

    def draw(folder: Path, base: int = 0, shift: int = 0) -> None:
        (folder / "figures").mkdir()
        for name, rows in (("reconstructions", 4), ("samples", 10)):
            levels = base + shift * (np.arange(rows)[:, None] > 0) + 10 * np.arange(rows)[:, None] + np.arange(10)
            pixels = np.kron(levels, np.ones((6, 4))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "figures" / f"{name}.png")

    return draw
