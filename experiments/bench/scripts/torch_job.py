# pyright: reportMissingImports=false
# (PyTorch lives in .venv-torch.)
"""PyTorch, eager: one run, with dynamic binarization, a rising weight of the KL, four evaluations and a checkpoint."""

import sys

import torch

from experiments.bench.rivals.torch_eager import VAE
from experiments.bench.scripts.job import PROBLEM, Job


def main(job: Job) -> None:
    """Trains, and writes `result.json` and `model.pt`."""
    torch.manual_seed(job.seed)
    train, test = (torch.from_numpy(job.arrays[name]) for name in ("train", "test"))
    model = VAE(PROBLEM, train.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=PROBLEM.learning_rate)
    losses, elbos = {}, {}
    for step, weight, batch in job.batches():
        optimizer.zero_grad()
        distortion, rate = model.terms(torch.bernoulli(train[batch]))
        loss = distortion + weight * rate
        loss.backward()
        optimizer.step()
        if job.logs(step + 1):
            losses[step + 1] = loss.item()
        if job.evaluates(step + 1):
            with torch.no_grad():
                elbos[step + 1] = -model(test).item()
    job.folder.mkdir(parents=True, exist_ok=True)
    job.write(losses, elbos)
    torch.save(model.state_dict(), job.folder / "model.pt")


if __name__ == "__main__":
    main(Job.of(sys.argv[1:]))
