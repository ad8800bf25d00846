"""The packs of a sweep, one after another: each as large as memory allows, none lost where it does not."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import jax

from vaex._check import VaexError
from vaex._write import CannotWrite
from vaex.sweep.manifest import Manifest, PackEntry
from vaex.sweep.plan import balanced, packs_of
from vaex.training import Job, run_pack
from vaex.training.job import alone, ended
from vaex.training.loop import Seconds
from vaex.training.memory import TooLarge
from vaex.training.run import Done
from vaex.training.signals import StopFlag

LOG = logging.getLogger("vaex")
Around = Callable[[Sequence[Job]], contextlib.AbstractContextManager[Any]]


def plan(manifest: Manifest, jobs: Mapping[int, Job], strategy: str, most: int | None) -> list[PackEntry]:
    """Returns the packs of the jobs: those that the manifest knows keep their size, the rest is planned anew."""
    kept = []
    for pack in manifest.packs:
        fits = pack.strategy == resolve(strategy, pack.size) and (most is None or pack.size <= most)
        left = pack.jobs if fits else [num for num in pack.jobs if num not in jobs]
        kept += [replace(pack, jobs=left)] if left else []
    taken = {num for pack in kept for num in pack.jobs}
    rest = {num: job for num, job in jobs.items() if num not in taken}
    return [*kept, *(PackEntry(nums, resolve(strategy, len(nums)), len(nums)) for nums in packs_of(rest, most))]


def resolve(strategy: str, size: int) -> str:
    """Returns the strategy of a pack: `auto` is `loop` on a CPU and for a single run, else `vmap`."""
    if strategy != "auto":
        return strategy
    return "loop" if size == 1 or jax.default_backend() == "cpu" else "vmap"


def train_packs(
    manifest: Manifest,
    jobs: Mapping[int, Job],
    stop: StopFlag,
    *,
    seconds: Seconds,
    fail_fast: bool = False,
    around: Around = lambda jobs: contextlib.nullcontext(),
) -> dict[int, Done]:
    """Returns how each job ended, by number; `sweep.json` follows.

    Args:
        manifest: whose packs are trained, as far as their jobs are among `jobs`.
        jobs: what is left to do.
        stop: ends the sweep after the call that runs, with checkpoints.
        seconds: is filled with where the wall time went.
        fail_fast: starts no other pack after one with a member that failed or diverged.
        around: entered around each pack, such as to open its members' logs.
    """
    done: dict[int, Done] = {}
    queue = [pack for pack in manifest.packs if set(pack.jobs) & set(jobs)]
    while queue and not stop:
        pack = queue.pop(0)
        nums = [num for num in pack.jobs if num in jobs]
        manifest.note(nums, "running")
        try:
            with around([jobs[num] for num in nums]):
                of_pack = _train(pack, {num: jobs[num] for num in nums}, stop, own := Seconds())
            seconds.add(own)
        except (
            TooLarge,
            MemoryError,
            jax.errors.JaxRuntimeError,
        ) as error:  # all are of memory
            smaller = _smaller(pack, nums, error)
            LOG.info(
                "%s\n%d jobs go on as %s", error, len(nums), " + ".join(f"a pack of {len(p.jobs)}" for p in smaller)
            )
            manifest.note_packs([p for old in manifest.packs for p in (smaller if old is pack else [old])])
            manifest.note(nums, "pending")
            queue = [*smaller, *queue]
            continue
        done |= of_pack
        if any(isinstance(one.error, CannotWrite) and one.error.whole_disk for one in of_pack.values()):
            queue.clear()  # the others would train for nothing
        for num, one in of_pack.items():
            manifest.job(num).status = one.summary["status"]
            manifest.job(num).message = one.summary["message"]
        manifest.write()
        if fail_fast and any(one.summary["status"] in ("failed", "diverged") for one in of_pack.values()):
            break
    return done


def _train(pack: PackEntry, jobs: Mapping[int, Job], stop: StopFlag, seconds: Seconds) -> dict[int, Done]:
    found: dict[int, Done] = {}
    left: dict[int, Job] = {}
    with ExitStack() as stack:
        for num, job in jobs.items():
            try:
                stack.enter_context(alone(job.folder))
                before = ended(job)
            except VaexError as error:  # its folder is another's: nothing is written there, and the others go on
                found[num] = Done({"status": "failed", "message": str(error)}, error)
                continue
            if before is None:
                left[num] = job
            else:
                found[num] = Done(before)
        if left:
            results = run_pack(list(left.values()), stop, strategy=pack.strategy, size=pack.size, seconds=seconds)
            found |= zip(left, results, strict=True)
    return {num: found[num] for num in jobs}


def _smaller(pack: PackEntry, nums: Sequence[int], error: Exception) -> list[PackEntry]:
    """Returns the parts of a pack that did not fit into memory."""
    if isinstance(error, TooLarge):
        size, pack = min(error.fits, len(nums) - 1), replace(pack, probes=pack.probes + 1)
    else:
        size, pack = len(nums) // 2, replace(pack, halvings=pack.halvings + 1)
    parts = balanced(nums, size)
    return [replace(pack, jobs=part, size=len(parts[0])) for part in parts]
