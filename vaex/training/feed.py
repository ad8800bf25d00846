"""The batches of a training split that does not fit into memory: read ahead in threads, by grain."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vaex.data import batch_indices
from vaex.data.rows import Rows

THREADS = 4
BYTES = 2**24  # of one device call's batches, at most: malloc uses such blocks again, and larger ones are fresh pages


class Batches:
    """Batch t of training as element t: a function of (seed, t) alone, so that a resumed run reads what it would have.

    Rows are read in the order of the file, which a disk likes better, and put into that of the batch.
    """

    def __init__(self, rows: Rows, seed: int, batch_size: int, num_steps: int):
        self.rows, self.seed, self.batch_size, self.num_steps = rows, seed, batch_size, num_steps

    def __len__(self) -> int:
        return self.num_steps

    def __getitem__(self, index: Any) -> Shaped[np.ndarray, "B *event"]:
        """Returns the batch of a step, counted from 0."""
        (places,) = batch_indices(self.seed, len(self.rows), self.batch_size, int(index), 1)
        order = np.argsort(places, kind="stable")
        batch = np.empty((self.batch_size, *self.rows.shape[1:]), self.rows.dtype)
        batch[order] = self.rows[places[order]]
        return batch


class Feed:
    """Hands out the batches of a device call; those of the next ones are read meanwhile."""

    def __init__(self, rows: Rows, seed: int, batch_size: int, num_steps: int):
        self.batches = Batches(rows, seed, batch_size, num_steps)
        self._next: Iterator[Any] | None = None
        self._step = 0  # of the batch that comes next

    def most_steps(self) -> int:
        """Returns how many steps a device call may take, so that its batches are no burden."""
        rows = self.batches.rows
        return max(1, BYTES // max(1, self.batches.batch_size * rows.nbytes // max(1, len(rows))))

    def block(self, start: int, count: int, size: int) -> Shaped[np.ndarray, "S B *event"]:
        """Returns the batches of `count` steps from `start`, padded to `size` steps."""
        shape = (self.batches.batch_size, *self.batches.rows.shape[1:])
        block = np.zeros((size, *shape), self.batches.rows.dtype)
        if count and (self._next is None or start != self._step):
            self._next, self._step = self._from(start, size), start
        for i in range(count):
            block[i] = next(self._next)  # type: ignore[arg-type]
        self._step += count
        return block

    def _from(self, start: int, size: int) -> Iterator[Any]:
        import grain  # takes a second

        source: Any = self.batches
        ahead = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=max(THREADS, 2 * size))
        return iter(grain.MapDataset.source(source)[start:].to_iter_dataset(ahead))
