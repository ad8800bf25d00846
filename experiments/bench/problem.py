"""The models that are trained side by side, said once for every contestant.

NumPy only: the PyTorch rival imports this from an environment without vaex.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

EVALUATED = 1000  # examples whose loss after training shows that all contestants did the same work


@dataclass(frozen=True)
class Problem:
    """A VAE with ReLU layers D - hidden - Z - hidden reversed - D, binary cross-entropy, closed-form KL, and Adam."""

    name: str
    hidden: tuple[int, ...]
    latent_dim: int
    batch_size: int
    num_epochs: int
    learning_rate: float = 1e-3
    channels: tuple[int, ...] = ()  # of convolutions instead of layers, each of which halves the image

    def encoder_layers(self, dim: int) -> tuple[tuple[int, int], ...]:
        """Returns (in, out) of each layer; the last gives means and log-scales."""
        return tuple(pairwise((dim, *self.hidden, 2 * self.latent_dim)))

    def decoder_layers(self, dim: int) -> tuple[tuple[int, int], ...]:
        """Returns (in, out) of each layer; the last gives logits."""
        return tuple(pairwise((self.latent_dim, *reversed(self.hidden), dim)))

    def num_steps(self, num_train: int) -> int:
        """Returns the steps of one measured run."""
        return self.num_epochs * (num_train // self.batch_size)

    def order(self, seed: int, num_train: int) -> np.ndarray:
        """Returns shuffled indices [steps, batch_size], for contestants whose library does not shuffle."""
        rng = np.random.default_rng(seed)
        epochs = [rng.permutation(num_train) for _ in range(self.num_epochs)]
        return np.concatenate(epochs).astype(np.int32).reshape(-1, self.batch_size)


PROBLEMS = {
    # 100 passes over the digits are about a second of ours: long against the clock and the scheduler.
    "digits": Problem("digits", hidden=(128, 128), latent_dim=8, batch_size=64, num_epochs=100),
    "fashion_mnist": Problem("fashion_mnist", hidden=(400,), latent_dim=20, batch_size=128, num_epochs=1),
    # Of packs: the same model on drawn images, and the convolutions that conf/encoder/conv.yaml advises for the digits.
    "784-400-20": Problem("784-400-20", hidden=(400,), latent_dim=20, batch_size=128, num_epochs=1),
    "conv": Problem("conv", hidden=(), latent_dim=8, batch_size=64, num_epochs=2, channels=(32, 64)),
}
