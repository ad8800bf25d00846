"""The order of the batches: a function of its arguments only, so that a resumed run sees what it would have seen."""

from functools import lru_cache

import numpy as np
from jaxtyping import Int32

from vaex import _check


def batch_indices(
    seed: int, num_train: int, batch_size: int, first_step: int, num_steps: int
) -> Int32[np.ndarray, "num_steps batch_size"]:
    """Returns which training examples make up the batches of steps `first_step` to `first_step + num_steps - 1`.

    The batches cut an endless stream of permutations, one per epoch. A batch may straddle two epochs, so every epoch
    visits each example exactly once and none is dropped.

    Args:
        seed: `data.seed`, which alone sets the order.
        num_train: number of training examples.
        batch_size: examples in a batch; may exceed `num_train`.
        first_step: the first batch wanted, counted from 0.
        num_steps: how many batches.
    """
    _check.seed("data.seed", seed)
    _check.whole("num_train", num_train)
    _check.whole("batch_size", batch_size)
    start, stop = first_step * batch_size, (first_step + num_steps) * batch_size
    stream = np.empty(stop - start, np.int32)
    position = start
    while position < stop:
        epoch, offset = divmod(position, num_train)
        taken = min(num_train - offset, stop - position)
        stream[position - start : position - start + taken] = _permutation(seed, epoch, num_train)[offset:][:taken]
        position += taken
    return stream.reshape(num_steps, batch_size)


@lru_cache(maxsize=4)  # a call rarely reaches over more than two epochs, and the next one starts where it ended
def _permutation(seed: int, epoch: int, num_train: int) -> Int32[np.ndarray, " num_train"]:
    # Philox is keyed by counters: any epoch's permutation is drawn without the ones before it.
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(num_train).astype(np.int32)
