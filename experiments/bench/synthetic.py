"""Images of a size, without files: what a step costs does not depend on what they show."""

from dataclasses import dataclass

import numpy as np

from vaex.data import Data, Raw

NUM_TRAIN, NUM_TEST = 12_800, 1_000


@dataclass(frozen=True, kw_only=True)
class Synthetic(Data):
    """Grey images of independent pixels, each with a mean of its own."""

    shape: tuple[int, ...] = (28, 28, 1)

    @property
    def name(self) -> str:
        """What the data set is called."""
        return "synthetic"

    def read(self) -> Raw:
        """Returns the images; those of a shape are always the same."""
        rng = np.random.default_rng(0)
        brightest = rng.integers(1, 256, self.shape)
        train, test = (
            (rng.random((num, *self.shape), np.float32) * brightest).astype(np.uint8) for num in (NUM_TRAIN, NUM_TEST)
        )
        return Raw(train=train, test=test, levels=256)
