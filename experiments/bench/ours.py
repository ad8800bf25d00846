"""The contestant of this project: `fit` as a run uses it, with its default number of steps a device call.

Its options are the members of a pack and the strategy; without them, one run by itself.
"""

import dataclasses
from statistics import mean

import numpy as np

from experiments.bench.problem import EVALUATED, PROBLEMS, Problem
from experiments.bench.synthetic import Synthetic
from experiments.bench.worker import Run, serve
from experiments.device import prepare_jax
from vaex import data, likelihoods
from vaex.data import Dataset
from vaex.likelihoods import Likelihood
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO
from vaex.optimizers import Adam
from vaex.training import Pack, Recipe
from vaex.training.loop import Hooks, fit
from vaex.training.members import side_by_side

_SOURCES = {
    "digits": (data.Digits(binarize="threshold"), likelihoods.Bernoulli()),
    "fashion_mnist": (data.FashionMnist(binarize="none"), likelihoods.Bce()),
    "784-400-20": (Synthetic(binarize="none"), likelihoods.Bce()),
    "conv": (data.Digits(binarize="threshold"), likelihoods.Bernoulli()),
}


def dataset(problem: Problem) -> Dataset:
    """Returns the data, cut to whole batches, so that one epoch is the same steps for everyone."""
    source, likelihood = _SOURCES[problem.name]
    loaded = source.load(likelihood)
    train = loaded.train[: len(loaded.train) // problem.batch_size * problem.batch_size]
    # Our decoder's bias starts at the data's mean; here at logit(1/2) = 0, as in the rivals.
    stats = loaded.stats._replace(mean=np.full_like(loaded.stats.mean, 0.5))
    return dataclasses.replace(loaded, train=train, test=train[:EVALUATED], validation=None, stats=stats)


def examples(problem: Problem) -> np.ndarray:
    """Returns what the rivals train on, float32 [N, D]: the numbers that our model sees."""
    loaded = dataset(problem)
    x = np.asarray(loaded.preparation(np.asarray(loaded.train)), np.float32)
    return np.ascontiguousarray(x.reshape(len(x), -1))


def recipe(
    problem: Problem,
    likelihood: Likelihood,
    event_shape: tuple[int, ...],
    *,
    seed: int,
    num_steps: int,
    precision: str = "float32",
    matmul_precision: str = "default",
) -> Recipe:
    """Returns one run of a problem."""
    networks = encoders.MLP(problem.hidden), decoders.MLP(tuple(reversed(problem.hidden)))
    if problem.channels:
        networks = encoders.Conv(problem.channels), decoders.Conv(tuple(reversed(problem.channels)))
    model = VAE(
        encoder=networks[0],
        decoder=networks[1],
        likelihood=likelihood,
        latent_dim=problem.latent_dim,
        event_shape=event_shape,
        precision=precision,
    )
    return Recipe(
        model=model,
        objective=ELBO(),
        optimizer=Adam(problem.learning_rate),
        seed=seed,
        num_steps=num_steps,
        batch_size=problem.batch_size,
        eval_every=num_steps,
        matmul_precision=matmul_precision,
    )


def build(problem: Problem, x: np.ndarray, members: str = "1", strategy: str = "auto") -> Run:
    """Returns our contestant; it reads the data as a run does, `x` is what it must be."""
    num = int(members)
    prepare_jax(num_devices=num)  # a host device a core for a pack, one for a run by itself: as the commands do
    loaded = dataset(problem)
    assert np.array_equal(np.asarray(loaded.preparation(np.asarray(loaded.train))).reshape(x.shape), x)
    about = (problem, _SOURCES[problem.name][1], loaded.event_shape)

    def run(seed: int) -> tuple[float, float]:
        recipes = [recipe(*about, seed=num * seed + m, num_steps=problem.num_steps(len(x))) for m in range(num)]
        losses = {}
        hooks = Hooks(row=lambda m, step, split, values: losses.update({(m, split): values["loss"]}))
        fit(Pack(recipes, dataclasses.replace(loaded, seed=seed), side_by_side(num, strategy)), hooks=hooks)
        # What a run reports as train_seconds: shuffling, training, and handing the numbers to the loggers.
        return hooks.seconds["train"], mean(losses[m, "test"] for m in range(num))

    return run


if __name__ == "__main__":
    assert set(_SOURCES) == set(PROBLEMS)
    serve(build, "jax")
