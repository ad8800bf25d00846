"""Flax and optax in the style of Flax's own examples: a jitted step, dispatched for each batch from a Python loop."""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import serialization
from flax.training.train_state import TrainState
from jaxtyping import Array, Float

from experiments.bench.problem import Problem
from experiments.bench.scripts.job import PROBLEM, Job
from vaex.typing import PRNGKey, Scalar


class MLP(nn.Module):
    """Dense layers with ReLU between them."""

    layers: tuple[tuple[int, int], ...]

    @nn.compact
    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """Returns the last layer's output."""
        *hidden, (_, last) = self.layers
        for _, width in hidden:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(last)(x)


class VAE(nn.Module):
    """The model, on a batch."""

    problem: Problem
    dim: int

    @nn.compact
    def __call__(self, x: Float[Array, "B D"], key: PRNGKey) -> tuple[Scalar, Scalar]:
        """Returns distortion and rate, nats per example."""
        encoder, decoder = self.problem.encoder_layers(self.dim), self.problem.decoder_layers(self.dim)
        mean, log_scale = jnp.split(MLP(encoder, name="encoder")(x), 2, axis=-1)
        z = mean + jnp.exp(log_scale) * jax.random.normal(key, mean.shape)
        logits = MLP(decoder, name="decoder")(z)
        bce = jnp.sum(optax.sigmoid_binary_cross_entropy(logits, x))
        kl = 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_scale) - 2 * log_scale - 1)
        return bce / len(x), kl / len(x)


@jax.jit
def train_step(state: TrainState, grey: Float[Array, "B D"], weight: Scalar, key: PRNGKey) -> tuple[TrainState, Scalar]:
    """Returns the state after one step, and its loss; `key` is the run's."""
    binarization, noise = jax.random.split(jax.random.fold_in(key, state.step))
    x = jax.random.bernoulli(binarization, grey).astype(jnp.float32)

    def loss_fn(params: Any) -> Scalar:
        distortion, rate = state.apply_fn({"params": params}, x, noise)
        return distortion + weight * rate

    loss, grads = jax.value_and_grad(loss_fn)(state.params)
    return state.apply_gradients(grads=grads), loss


@jax.jit
def elbo(state: TrainState, x: Float[Array, "B D"], key: PRNGKey) -> Scalar:
    """Returns the ELBO, nats per example."""
    distortion, rate = state.apply_fn({"params": state.params}, x, key)
    return -(distortion + rate)


def main(job: Job) -> None:
    """Trains, and writes `result.json` and `model.msgpack`."""
    train, test = job.arrays["train"], job.arrays["test"]
    key, init = jax.random.split(jax.random.key(job.seed))
    model = VAE(PROBLEM, train.shape[1])
    params = jax.jit(model.init)(init, train[: PROBLEM.batch_size], key)["params"]
    state = TrainState.create(apply_fn=model.apply, params=params, tx=optax.adam(PROBLEM.learning_rate))
    losses, elbos = {}, {}
    for step, weight, batch in job.batches():
        state, loss = train_step(state, train[batch], weight, key)
        if job.logs(step + 1):
            losses[step + 1] = float(loss)
        if job.evaluates(step + 1):
            elbos[step + 1] = float(elbo(state, test, key))
    job.folder.mkdir(parents=True, exist_ok=True)
    job.write(losses, elbos)
    (job.folder / "model.msgpack").write_bytes(serialization.to_bytes(state.params))


if __name__ == "__main__":
    main(Job.of(sys.argv[1:]))
