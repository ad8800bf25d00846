"""Finished runs: which there are under a folder, and what each of them has learned."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from vaex._check import VaexError
from vaex.models import VAE
from vaex.part import canonical, to_dict
from vaex.sweep.results import read_sweep
from vaex.training import Job, checkpoint
from vaex.training.files import read_json
from vaex.training.job import data_facts, same_data
from vaex.typing import Params, Stats


class Finished(NamedTuple):
    """A run whose training has ended."""

    job: Job
    model: VAE
    params: Params  # those to evaluate: the averaged ones where there are any
    step: int
    sha256: str  # of the checkpoint's arrays


def folders_of(folder: Path) -> tuple[list[Path], list[str]]:
    """Returns the folders of the completed runs of a run or a sweep, and why others of the sweep are left out.

    Raises:
        VaexError: where there is no completed run.
    """
    if not folder.is_dir():
        raise VaexError(f"run={folder}: expected the folder of a run or a sweep, which does not exist; type run=latest")
    if any((folder / name).exists() for name in ("run.json", "summary.json", "checkpoint")):
        if (why := _unfinished(folder)) is not None:
            raise VaexError(f"run={folder}: {why}")
        return [folder], []
    found, notes = [], []
    for result in read_sweep(folder):
        why = _unfinished(result.folder)
        if why is None:
            found.append(result.folder)
        else:
            notes.append(f"{result.folder} is left out: {why}")
    if not found:
        raise VaexError(f"run={folder}: no run to evaluate in it; {notes[0]}")
    return found, notes


def _unfinished(folder: Path) -> str | None:
    """Returns why a run is not to be evaluated, and what to type; None where it is."""
    summary = folder / "summary.json"
    status = read_json(summary).get("status") if summary.exists() else None
    if status == "completed" and checkpoint.steps(folder / "checkpoint"):
        return None
    if status == "completed":
        return "it holds no checkpoint; restore its folder checkpoint/, or train again in a new folder"
    if status == "diverged":  # it would end there again
        return "its status is diverged, not completed; train again with a lower optimizer.learning_rate"
    what = "it is not completed" if status is None else f"its status is {status}, not completed"
    return f"{what}; continue it with hydra.run.dir={folder}"


def finished(job: Job) -> Finished:
    """Returns what a job's folder has learned.

    Raises:
        VaexError: where there is no checkpoint, it is damaged, or of another run or other data.
    """
    found, recipe = checkpoint.require(job.folder), canonical(job.recipe)
    model = recipe.model
    facts = data_facts(job.data)
    if not same_data(found.meta.get("data"), facts):
        raise VaexError(f"{job.folder} was trained on other data ({found.meta.get('data')}, now {facts}); restore them")
    differing = _difference(found.meta.get("recipe", {}), to_dict(recipe))
    if differing is not None:
        what = "model" if differing.startswith("model.") else "run"
        raise VaexError(
            f"the checkpoint in {job.folder} is of another {what} than its run.json: {differing}; "
            "restore the run's own checkpoint/"
        )
    zeros = np.zeros(model.event_shape, np.float32)
    like = jax.eval_shape(model.init, jax.random.key(0), Stats(zeros, zeros))
    params = checkpoint.from_arrays(like, checkpoint.eval_arrays(found), str(job.folder))
    return Finished(job, model, params, found.step, str(found.meta["sha256"]))


def _difference(there: object, here: object, path: str = "") -> str | None:
    """Returns the first setting that differs; those that another version of a part lacks are none."""
    if isinstance(there, dict) and isinstance(here, dict):
        found = (_difference(there[key], here[key], f"{path}.{key}".lstrip(".")) for key in here if key in there)
        return next(filter(None, found), None)
    return None if there == here else f"{path} is {there} in the checkpoint and {here} in run.json"


def packs_of(runs: Sequence[Finished]) -> list[list[Finished]]:
    """Returns the runs that one program evaluates: of one structure, on one data set."""
    packs: dict[object, list[Finished]] = {}
    for run in runs:
        leaves, structure = jax.tree.flatten((run.model, run.params))
        shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype.name) for leaf in leaves)
        packs.setdefault((id(run.job.data), structure, shapes), []).append(run)
    return list(packs.values())
