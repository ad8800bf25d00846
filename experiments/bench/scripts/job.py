"""What the scripts have alike: their words, the order of the batches, the weights, and what they leave.

NumPy only: the PyTorch script imports this from an environment without vaex.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from experiments.bench.problem import PROBLEMS

PROBLEM = PROBLEMS["digits"]
LOG_EVERY, EVALUATIONS = 200, 4


@dataclass(frozen=True)
class Job:
    """One run: `python -m experiments.bench.scripts.NAME DATA FOLDER BETA SEED NUM_STEPS`."""

    data: Path  # .npz with grey values in [0, 1] to train on, and 0s and 1s to test on
    folder: Path
    beta: float
    seed: int
    num_steps: int

    @classmethod
    def of(cls, words: list[str]) -> "Job":
        """Returns the job that the words of a command say."""
        data, folder, beta, seed, num_steps = words
        return cls(Path(data), Path(folder), float(beta), int(seed), int(num_steps))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The data, float32 [N, D] by split."""
        with np.load(self.data) as file:
            return {name: file[name] for name in ("train", "test")}

    def batches(self) -> Iterator[tuple[int, float, np.ndarray]]:
        """Yields each step's number, from 0, its weight of the KL and the indices of its examples, in whole batches."""
        rng, size, num = np.random.default_rng(self.seed), PROBLEM.batch_size, len(self.arrays["train"])
        order = np.empty(0, np.int64)
        for step in range(self.num_steps):
            if len(order) < size:
                order = rng.permutation(num)
            weight = self.beta * min(1.0, step / (0.5 * self.num_steps))
            yield step, weight, order[:size]
            order = order[size:]

    def logs(self, step: int) -> bool:
        """Whether the loss of this step, counted from 1, is noted."""
        return step % LOG_EVERY == 0

    def evaluates(self, step: int) -> bool:
        """Whether the test split is evaluated after this step."""
        return step % max(1, self.num_steps // EVALUATIONS) == 0

    def write(self, losses: dict[int, float], elbos: dict[int, float]) -> None:
        """Writes `result.json`; `elbo` is the last of the test split's."""
        content = {"beta": self.beta, "seed": self.seed, "loss": losses, "elbos": elbos}
        (self.folder / "result.json").write_text(json.dumps(content | {"elbo": list(elbos.values())[-1]}))
