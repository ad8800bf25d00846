"""JAX and optax with nothing around them: a hand-written step, a whole run in one `lax.scan`. The floor."""

import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from experiments.bench.problem import EVALUATED, Problem
from experiments.bench.worker import Run, serve
from vaex.typing import PRNGKey, Scalar

Layers = list[tuple[Array, Array]]


class State(NamedTuple):
    """What changes in training."""

    params: dict[str, Layers]
    opt_state: Any
    key: PRNGKey


def dense(key: PRNGKey, layers: tuple[tuple[int, int], ...]) -> Layers:
    """Returns weights and biases."""
    init = jax.nn.initializers.lecun_normal()
    keys = jax.random.split(key, len(layers))
    return [(init(key, sizes), jnp.zeros(sizes[1])) for key, sizes in zip(keys, layers, strict=True)]


def mlp(layers: Layers, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
    """Returns the output of Dense layers with ReLU between them."""
    *hidden, (w, b) = layers
    for weight, bias in hidden:
        x = jax.nn.relu(x @ weight + bias)
    return x @ w + b


def loss_fn(params: dict[str, Layers], key: PRNGKey, x: Float[Array, "B D"]) -> Scalar:
    """Returns the negative ELBO, nats per example."""
    mean, log_scale = jnp.split(mlp(params["encoder"], x), 2, axis=-1)
    z = mean + jnp.exp(log_scale) * jax.random.normal(key, mean.shape)
    logits = mlp(params["decoder"], z)
    bce = jnp.sum(jax.nn.softplus(logits) - x * logits)
    kl = 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_scale) - 2 * log_scale - 1)
    return (bce + kl) / len(x)


def init(problem: Problem, dim: int, seed: int) -> State:
    """Returns the state before the first step."""
    encoder, decoder, key = jax.random.split(jax.random.key(seed), 3)
    params = {
        "encoder": dense(encoder, problem.encoder_layers(dim)),
        "decoder": dense(decoder, problem.decoder_layers(dim)),
    }
    return State(params, optax.adam(problem.learning_rate).init(params), key)


def step(learning_rate: float, state: State, x: Float[Array, "B D"]) -> tuple[State, Scalar]:
    """Returns the state after one step, and its loss."""
    key, noise = jax.random.split(state.key)
    loss, grads = jax.value_and_grad(loss_fn)(state.params, noise, x)
    updates, opt_state = optax.adam(learning_rate).update(grads, state.opt_state)
    return State(optax.apply_updates(state.params, updates), opt_state, key), loss  # type: ignore[arg-type]


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def train(
    learning_rate: float, state: State, data: Float[Array, "N D"], order: Int[Array, "S B"]
) -> tuple[State, Float[Array, " S"]]:
    """Returns the state after S steps, and their losses."""
    return jax.lax.scan(lambda state, batch: step(learning_rate, state, data[batch]), state, order)


def build(problem: Problem, x: np.ndarray) -> Run:
    """Returns the contestant."""
    data = jnp.asarray(x)

    def run(seed: int) -> tuple[float, float]:
        state = jax.block_until_ready(init(problem, x.shape[1], seed))
        start = time.perf_counter()
        state, _ = jax.block_until_ready(train(problem.learning_rate, state, data, problem.order(seed, len(x))))
        seconds = time.perf_counter() - start
        return seconds, float(loss_fn(state.params, state.key, data[:EVALUATED]))

    return run


if __name__ == "__main__":
    serve(build, "jax")
