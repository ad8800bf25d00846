"""What a card could do at most, from its maker's data sheet, and what a program asks of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from vaex.data import batch_indices
from vaex.training import Pack
from vaex.training.members import Each
from vaex.training.step import run_steps


@dataclass(frozen=True)
class Card:
    """Bytes per second of the memory, and dense matrix products in operations per second by their format."""

    bandwidth: float
    rates: Mapping[str, float]


_HOPPER = {"tf32": 494.7e12, "float32": 66.9e12, "bfloat16": 989.4e12}
_AMPERE = {"tf32": 156e12, "float32": 19.5e12, "bfloat16": 312e12}
CARDS = {  # by JAX's `device_kind`
    "NVIDIA H100 80GB HBM3": Card(3.35e12, _HOPPER),
    "NVIDIA H200": Card(4.8e12, _HOPPER),
    "NVIDIA A100-SXM4-80GB": Card(2.04e12, _AMPERE),
}


@dataclass(frozen=True)
class Work:
    """What one step of all members of a pack asks of the device."""

    flops: float  # as the program was written
    bytes_moved: float  # at least
    library_calls: int  # in the compiled program, whose bytes XLA does not know


def work(pack: Pack, states: Each, size: int) -> Work:
    """Returns the operations and bytes of one step, of a program of `size` steps.

    XLA counts the body of the loop once, since the number of steps is an argument. Operations are counted before
    compilation, which replaces matrix products by calls into libraries that count as nothing; bytes after it, since
    before it nothing is fused, and at least those of reading and writing the state once.
    """
    indices = batch_indices(pack.data.seed, len(pack.data.train), pack.recipe.batch_size, 0, size)
    shared = (pack.preparation, pack.seed, pack.train, pack.members.batches(indices), np.int32(0), np.int32(0))
    lowered, *_ = pack.members.lower(run_steps, pack.recipes, states, *shared)
    compiled = lowered.compile()
    counted = (compiled.cost_analysis() or {}).get("bytes accessed", 0.0)
    of_state = sum(leaf.nbytes for leaf in jax.tree.leaves(states))
    return Work(
        flops=lowered.cost_analysis()["flops"],
        bytes_moved=max(counted, 2.0 * of_state),
        library_calls=compiled.as_text().count(" custom-call("),
    )


def card_of(device: Any) -> Card | None:
    """Returns what is known of a device, or nothing."""
    return CARDS.get(device.device_kind)
