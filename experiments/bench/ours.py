"""The contestant of this project: `fit` as a run uses it, with its default number of steps a device call."""

import dataclasses

import numpy as np

from experiments.bench.problem import EVALUATED, PROBLEMS, Problem
from experiments.bench.worker import Run, serve
from vaex import data, likelihoods
from vaex.data import Dataset
from vaex.models import VAE
from vaex.models.decoders import MLP as Decoder
from vaex.models.encoders import MLP as Encoder
from vaex.objectives import ELBO
from vaex.optimizers import Adam
from vaex.training import Pack, Recipe
from vaex.training.loop import Hooks, fit

_SOURCES = {
    "digits": (data.Digits(binarize="threshold"), likelihoods.Bernoulli()),
    "fashion_mnist": (data.FashionMnist(binarize="none"), likelihoods.Bce()),
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
    x = np.asarray(loaded.preparation(loaded.train), np.float32)
    return np.ascontiguousarray(x.reshape(len(x), -1))


def build(problem: Problem, x: np.ndarray) -> Run:
    """Returns our contestant; it reads the data as a run does, `x` is what it must be."""
    loaded = dataset(problem)
    assert np.array_equal(np.asarray(loaded.preparation(loaded.train)).reshape(x.shape), x)
    num_steps = problem.num_steps(len(x))

    def run(seed: int) -> tuple[float, float]:
        model = VAE(
            encoder=Encoder(problem.hidden),
            decoder=Decoder(tuple(reversed(problem.hidden))),
            likelihood=_SOURCES[problem.name][1],
            latent_dim=problem.latent_dim,
            event_shape=loaded.event_shape,
        )
        recipe = Recipe(
            model=model,
            objective=ELBO(),
            optimizer=Adam(problem.learning_rate),
            seed=seed,
            num_steps=num_steps,
            batch_size=problem.batch_size,
            eval_every=num_steps,
        )
        losses = {}
        hooks = Hooks(row=lambda m, step, split, values: losses.update({split: values["loss"]}))
        fit(Pack([recipe], dataclasses.replace(loaded, seed=seed)), hooks=hooks)
        # What a run reports as train_seconds: shuffling, training, and handing the numbers to the loggers.
        return hooks.seconds["train"], losses["test"]

    return run


if __name__ == "__main__":
    assert set(_SOURCES) == set(PROBLEMS)
    serve(build, "jax")
