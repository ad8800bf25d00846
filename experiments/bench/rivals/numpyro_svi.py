"""NumPyro: its SVI with the closed-form KL, `update` under `lax.scan`."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from flax import linen as nn
from jaxtyping import Array, Float, Int
from numpyro import distributions as dist
from numpyro.contrib.module import flax_module
from numpyro.infer import SVI, TraceMeanField_ELBO
from numpyro.infer.svi import SVIState

from experiments.bench.problem import EVALUATED, Problem
from experiments.bench.worker import Run, serve


class MLP(nn.Module):
    """Dense layers with ReLU between them."""

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """Returns the last layer's output."""
        *hidden, last = self.widths
        for width in hidden:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(last)(x)


def build(problem: Problem, x: np.ndarray) -> Run:
    """Returns the contestant."""
    numpyro.enable_validation(False)  # grey values lie outside {0, 1}; and checks cost time
    data, dim = jnp.asarray(x), x.shape[1]
    encoder = MLP(tuple(width for _, width in problem.encoder_layers(dim)))
    decoder = MLP(tuple(width for _, width in problem.decoder_layers(dim)))

    def model(x: Float[Array, "B D"]) -> None:
        decode = flax_module("decoder", decoder, input_shape=(1, problem.latent_dim))
        with numpyro.plate("batch", len(x)):
            z = numpyro.sample("z", dist.Normal(0, 1).expand([problem.latent_dim]).to_event(1))
            numpyro.sample("x", dist.Bernoulli(logits=decode(z)).to_event(1), obs=x)

    def guide(x: Float[Array, "B D"]) -> None:
        encode = flax_module("encoder", encoder, input_shape=(1, dim))
        mean, log_scale = jnp.split(encode(x), 2, axis=-1)
        with numpyro.plate("batch", len(x)):
            numpyro.sample("z", dist.Normal(mean, jnp.exp(log_scale)).to_event(1))

    svi = SVI(model, guide, numpyro.optim.Adam(problem.learning_rate), TraceMeanField_ELBO())

    @jax.jit
    def train(
        state: SVIState, data: Float[Array, "N D"], order: Int[Array, "S B"]
    ) -> tuple[SVIState, Float[Array, " S"]]:
        return jax.lax.scan(lambda state, batch: svi.update(state, data[batch]), state, order)

    def run(seed: int) -> tuple[float, float]:
        state = jax.block_until_ready(svi.init(jax.random.key(seed), data[: problem.batch_size]))
        start = time.perf_counter()
        state, _ = jax.block_until_ready(train(state, data, problem.order(seed, len(x))))
        seconds = time.perf_counter() - start
        return seconds, float(svi.evaluate(state, data[:EVALUATED])) / EVALUATED

    return run


if __name__ == "__main__":
    serve(build, "numpyro")
