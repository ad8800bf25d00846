# pyright: reportMissingImports=false
# (Keras is installed by `make bench` only.)
"""Keras 3 on its JAX backend: `fit` on arrays in memory. The option is `steps_per_execution`."""

import os
import time
from typing import Any

import numpy as np

from experiments.bench.problem import EVALUATED, Problem
from experiments.bench.worker import Run, serve

os.environ["KERAS_BACKEND"] = "jax"

import keras
from keras import layers

ops: Any = keras.ops  # its annotations allow None


def mlp(sizes: tuple[tuple[int, int], ...]) -> keras.Sequential:
    """Returns Dense layers with ReLU between them."""
    *hidden, (_, last) = sizes
    return keras.Sequential([*(layers.Dense(width, activation="relu") for _, width in hidden), layers.Dense(last)])


class VAE(keras.Model):
    """The model, with a loss of its own."""

    def __init__(self, problem: Problem, dim: int):
        super().__init__()
        self.encoder = mlp(problem.encoder_layers(dim))
        self.decoder = mlp(problem.decoder_layers(dim))
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, x: Any) -> tuple[Any, Any, Any]:
        """Returns logits, and the posterior's means and log-scales."""
        mean, log_scale = ops.split(self.encoder(x), 2, axis=-1)
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return self.decoder(mean + ops.exp(log_scale) * noise), mean, log_scale

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        """Returns the negative ELBO, nats per example."""
        del y
        logits, mean, log_scale = y_pred
        bce = ops.sum(ops.binary_crossentropy(x, logits, from_logits=True), axis=-1)
        kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(2 * log_scale) - 2 * log_scale - 1, axis=-1)
        return ops.mean(bce + kl)


def build(problem: Problem, x: np.ndarray, steps_per_execution: str) -> Run:
    """Returns the contestant."""
    model: Any = VAE(problem, x.shape[1])
    adam = keras.optimizers.Adam(problem.learning_rate)
    model.compile(optimizer=adam, steps_per_execution=int(steps_per_execution))
    model(x[:1])
    adam.build(model.trainable_variables)
    variables = [*model.variables, *adam.variables]
    fresh = [np.asarray(variable) for variable in variables]

    def run(seed: int) -> tuple[float, float]:
        keras.utils.set_random_seed(seed)
        for variable, value in zip(variables, fresh, strict=True):
            variable.assign(value)  # from scratch, without compiling again
        start = time.perf_counter()
        model.fit(x, batch_size=problem.batch_size, epochs=problem.num_epochs, verbose=0)
        seconds = time.perf_counter() - start
        return seconds, float(model.evaluate(x[:EVALUATED], batch_size=EVALUATED, verbose=0))

    return run


if __name__ == "__main__":
    serve(build, "keras")
