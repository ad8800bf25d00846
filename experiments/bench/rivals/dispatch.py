"""The bare step of `bare_scan.py`, jitted once and dispatched for each batch from the host: the usual JAX loop."""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench.problem import EVALUATED, Problem
from experiments.bench.rivals.bare_scan import init, loss_fn, step
from experiments.bench.worker import Run, serve


def build(problem: Problem, x: np.ndarray) -> Run:
    """Returns the contestant."""
    one = jax.jit(partial(step, problem.learning_rate), donate_argnums=0)

    def run(seed: int) -> tuple[float, float]:
        state = jax.block_until_ready(init(problem, x.shape[1], seed))
        start = time.perf_counter()
        for batch in problem.order(seed, len(x)):
            state, _ = one(state, x[batch])
        jax.block_until_ready(state)
        seconds = time.perf_counter() - start
        return seconds, float(loss_fn(state.params, state.key, jnp.asarray(x[:EVALUATED])))

    return run


if __name__ == "__main__":
    serve(build, "jax")
