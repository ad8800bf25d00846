"""Checkpoints: one safetensors file and one metadata file, the last two kept.

No array format notices a flipped byte, so the metadata hold the arrays' SHA-256; they are written last, so a checkpoint
with metadata is complete.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from vaex._check import VaexError
from vaex._write import make_folder, writing
from vaex.lines import pasted, setting
from vaex.training.files import check, read_json, write_bytes, write_json

_KEPT = 2
_BEST = "best"


class Checkpoint(NamedTuple):
    """What one checkpoint holds."""

    step: int  # of the state: where a diverged run stands still
    at: int  # of the run's loop, which went on for its pack
    arrays: dict[str, np.ndarray]  # by the path of the leaf in the state
    meta: dict[str, Any]


def to_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Returns every leaf by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    # safetensors writes garbage for arrays that are not contiguous
    return {jax.tree_util.keystr(path): np.require(leaf, requirements="C") for path, leaf in leaves}


def from_arrays[T](like: T, arrays: Mapping[str, np.ndarray], where: str) -> T:
    """Returns a tree of the structure of `like`, filled by path.

    Raises:
        VaexError: where the arrays are those of another model.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(like)
    leaves = []
    extra = set(arrays) - {jax.tree_util.keystr(path) for path, _ in paths}
    if extra:
        raise VaexError(
            f"{where} is of another model: it also has {sorted(extra)[0]}; use the config that it was trained with"
        )
    for path, leaf in paths:
        name = jax.tree_util.keystr(path)
        if name not in arrays:
            raise VaexError(f"{where} is of another model: it has no {name}; use the config that it was trained with")
        if arrays[name].shape != leaf.shape:
            raise VaexError(
                f"{where} is of another model: {name} has shape {arrays[name].shape}, expected {leaf.shape}; "
                "use the config that it was trained with"
            )
        if arrays[name].dtype != leaf.dtype:
            raise VaexError(f"{where} is damaged: {name} holds {arrays[name].dtype}, expected {leaf.dtype}; restore it")
        leaves.append(arrays[name])
    return jax.tree_util.tree_unflatten(structure, leaves)


def save(folder: Path, at: int, tree: Any, meta: Mapping[str, Any]) -> None:
    """Writes the checkpoint of a state (which has a `step`) when its loop is at a step; the two newest remain."""
    _write(folder, f"step_{at:010d}", tree, meta)
    _remove(_metadata_files(folder)[:-_KEPT])


def save_best(folder: Path, tree: Any, meta: Mapping[str, Any]) -> None:
    """Writes the state of the best evaluation so far, in the place of the one before."""
    _write(folder, _BEST, tree, meta)


def best(folder: Path) -> Checkpoint | None:
    """Returns the state of the best evaluation; None where none was kept.

    Raises:
        VaexError: where it is damaged.
    """
    path = folder / f"{_BEST}.json"
    return _read(path, "to evaluate the last one instead") if path.exists() else None


def forget_best(folder: Path) -> None:
    """Removes the best evaluation of an attempt that a run does not go on from."""
    _remove([path for path in (folder / f"{_BEST}.json",) if path.exists()])


def _write(folder: Path, name: str, tree: Any, meta: Mapping[str, Any]) -> None:
    make_folder(folder)  # and none above it: a run whose folder vanished has ended
    from safetensors.numpy import save as serialise

    content = serialise(to_arrays(tree))
    digest = hashlib.sha256(content).hexdigest()
    write_bytes(folder / f"{name}.safetensors", content)
    write_json(folder / f"{name}.json", {"step": int(tree.step), "sha256": digest, **meta})


def forget_after(folder: Path, at: int) -> None:
    """Removes the checkpoints beyond a step that a run goes on from: they would outlive those that it writes next."""
    _remove([path for path in _metadata_files(folder) if _at(path) > at])


def _remove(metadata: list[Path]) -> None:
    for path in metadata:
        with writing(path):
            path.unlink()  # first: arrays without metadata are no checkpoint
            path.with_suffix(".safetensors").unlink(missing_ok=True)


def steps(folder: Path) -> list[int]:
    """Returns where the loop was at each checkpoint in a folder, oldest first."""
    return [_at(path) for path in _metadata_files(folder)]


def latest(folder: Path, at: int | None = None) -> Checkpoint | None:
    """Returns the newest checkpoint, or the one at a step; None where there is none.

    Raises:
        VaexError: where it is damaged; nothing falls back to an older one in silence.
    """
    found = [path for path in _metadata_files(folder) if at is None or _at(path) <= at]
    if not found:
        return None
    return _read(
        found[-1], f"to go on from the one before it ({found[-2].stem})" if len(found) > 1 else "to start again"
    )


def _read(meta_path: Path, otherwise: str) -> Checkpoint:
    """Returns a checkpoint; `otherwise` is what removing it is good for."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise

    arrays_path = meta_path.with_suffix(".safetensors")
    try:
        meta, content = read_json(meta_path, step=int, sha256=str), arrays_path.read_bytes()
        check(meta.setdefault("train_seconds", 0.0), (int, float), meta_path, "train_seconds")
        if hashlib.sha256(content).hexdigest() != meta["sha256"]:
            raise VaexError(f"the SHA-256 of {arrays_path.name} is not the one written with it")
        at = meta["step"] if meta_path.stem == _BEST else _at(meta_path)
        return Checkpoint(int(meta["step"]), int(at), deserialise(content), meta)
    except (VaexError, OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        line = pasted("rm", str(meta_path), str(arrays_path))
        raise VaexError(f"checkpoint {meta_path.with_suffix('')} is damaged: {error}\n{otherwise}: {line}") from None


def require(run_dir: Path) -> Checkpoint:
    """Returns what to evaluate of a run's folder: its best evaluation if it keeps that, else its newest checkpoint.

    Raises:
        VaexError: where there is no such folder, or no checkpoint in it.
    """
    if not run_dir.is_dir():
        raise VaexError(f"expected the folder of a run, got {run_dir}, which does not exist")
    found = best(run_dir / "checkpoint") or latest(run_dir / "checkpoint")
    if found is None:
        raise VaexError(f"{run_dir} holds no checkpoint; train there first: {setting('hydra.run.dir', run_dir)}")
    return found


def eval_arrays(found: Checkpoint) -> dict[str, np.ndarray]:
    """Returns the arrays of the parameters to evaluate (the averaged ones where there are any), by path within them."""
    for prefix in (".ema", ".params"):
        arrays = {k[len(prefix) :]: v for k, v in found.arrays.items() if k.startswith(prefix + "[")}
        if arrays:
            return arrays
    return {}


def _metadata_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step_*.json") if path.stem.removeprefix("step_").isdecimal())


def _at(metadata: Path) -> int:
    return int(metadata.stem.removeprefix("step_"))
