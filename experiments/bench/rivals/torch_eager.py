# pyright: reportMissingImports=false
# (PyTorch lives in .venv-torch.)
"""PyTorch, eager, with its default Adam. The option is the number of threads."""

import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.bench.problem import EVALUATED, Problem
from experiments.bench.worker import Run, serve


def mlp(layers: tuple[tuple[int, int], ...]) -> nn.Sequential:
    """Returns Dense layers with ReLU between them."""
    modules = [module for sizes in layers for module in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(*modules[:-1])


class VAE(nn.Module):
    """The model, on a batch."""

    def __init__(self, problem: Problem, dim: int):
        super().__init__()
        self.encoder = mlp(problem.encoder_layers(dim))
        self.decoder = mlp(problem.decoder_layers(dim))

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns distortion and rate, nats per example."""
        mean, log_scale = self.encoder(x).chunk(2, dim=-1)
        z = mean + log_scale.exp() * torch.randn_like(mean)
        bce = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = 0.5 * (mean.square() + (2 * log_scale).exp() - 2 * log_scale - 1).sum()
        return bce / len(x), kl / len(x)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the negative ELBO, nats per example."""
        distortion, rate = self.terms(x)
        return distortion + rate


def build(problem: Problem, x: np.ndarray, num_threads: str) -> Run:
    """Returns the contestant."""
    torch.set_num_threads(int(num_threads))
    data = torch.from_numpy(x)

    def run(seed: int) -> tuple[float, float]:
        torch.manual_seed(seed)
        model = VAE(problem, data.shape[1])
        optimizer = torch.optim.Adam(model.parameters(), lr=problem.learning_rate)
        start = time.perf_counter()
        for _ in range(problem.num_epochs):
            for batch in torch.randperm(len(data)).split(problem.batch_size):
                optimizer.zero_grad()
                loss = model(data[batch])
                loss.backward()
                optimizer.step()
        seconds = time.perf_counter() - start
        with torch.no_grad():
            return seconds, model(data[:EVALUATED]).item()

    return run


if __name__ == "__main__":
    serve(build, "torch")
