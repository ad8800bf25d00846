"""Evaluation on a whole split: every example once, the last batch padded and masked.

Keys are fold_in(fold_in(key, example), sample), so that no number depends on batch, chunk or device count.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from vaex.data import Preparation
from vaex.metrics import Estimate, importance_estimate
from vaex.models import VAE
from vaex.objectives import Context, Terms
from vaex.training.recipe import Recipe
from vaex.training.streams import stream
from vaex.typing import Number, Params, PRNGKey, Scalar

BATCH = 500  # examples a device call, of cheap passes
DRAWS = (
    5000  # decoded at once, in importance-weighted estimates: what fits into a CPU's cache; memory does not grow with K
)


class Stopped(Exception):
    """An evaluation was asked to stop before its end."""


def _never() -> bool:
    return False


def _batches(num: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for first in range(0, num, size):
        index = np.arange(first, first + size)
        yield np.minimum(index, num - 1).astype(np.int32), (index < num).astype(np.float32)


@partial(jax.jit, static_argnames="num_train")
def _terms_sum(
    recipe: Recipe,
    preparation: Preparation,
    params: Params,
    objective_state: Any,
    step: Number,
    key: PRNGKey,
    split: Shaped[Array, "N *event"],
    index: Int[np.ndarray | Array, " B"],
    weights: Float[np.ndarray | Array, " B"],
    num_train: int,
) -> tuple[Terms, Scalar]:
    model, objective = recipe.model, recipe.objective
    prior = model.prior_of(params)

    def one(i, x):  # type: ignore[no-untyped-def]
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(key, i)))(jnp.arange(objective.num_samples))
        return model.draws(params, prior, model.posterior_of(params, x), keys, x)

    draws = jax.vmap(one)(index, preparation(split[index]))
    own = jax.random.fold_in(stream(recipe.seed, "objective"), step)
    context = Context(step, recipe.num_steps, own, prior, num_train, weights)
    terms = objective(draws, objective_state, context)[2]
    count = jnp.sum(weights)
    return jax.tree.map(lambda t: t * count, terms), count


def evaluate_terms(
    recipe: Recipe,
    preparation: Preparation,
    params: Params,
    objective_state: Any,
    step: Number,
    key: PRNGKey,
    split: Shaped[Array, "N *event"],
    num_train: int,
) -> dict[str, float]:
    """Returns the objective's terms on a whole split, in nats per datum."""
    total, count = None, 0.0
    for index, weights in _batches(len(split), min(BATCH, len(split))):
        terms, n = _terms_sum(
            recipe, preparation, params, objective_state, step, key, split, index, weights, num_train=num_train
        )
        total = terms if total is None else jax.tree.map(jnp.add, total, terms)
        count = count + n
    return {name: float(value) for name, value in jax.device_get(jax.tree.map(lambda t: t / count, total)).items()}


@partial(jax.jit, static_argnames=("num_samples", "chunk"))
def _estimate_batch(
    model: VAE,
    preparation: Preparation,
    params: Params,
    key: PRNGKey,
    split: Shaped[Array, "N *event"],
    index: Int[np.ndarray | Array, " B"],
    num_samples: int,
    chunk: int,
) -> tuple[Estimate, Float[Array, " B"]]:
    def one(i, x):  # type: ignore[no-untyped-def]
        estimate = importance_estimate(model, params, key, i, x, num_samples, chunk)
        error = preparation.inverse(x) - preparation.inverse(model.reconstruct(params, x))
        return estimate, jnp.mean(jnp.square(error))

    return jax.vmap(one)(index, preparation(split[index]))


def estimate_split(
    model: VAE,
    preparation: Preparation,
    params: Params,
    key: PRNGKey,
    split: Shaped[Array, "N *event"],
    num_samples: int,
    should_stop: Callable[[], bool] = _never,
    on_batch: Callable[[int], None] = lambda done: None,
) -> tuple[Estimate, np.ndarray]:
    """Returns the importance-weighted estimates of every example of a split, and its mean squared reconstruction error.

    The error is of the mean reconstruction, in the data's own units, averaged over the event.

    Raises:
        Stopped: where `should_stop` turned true between two batches.
    """
    chunk = min(num_samples, 50)
    size = min(len(split), max(1, DRAWS // chunk))
    parts = []
    for index, _ in _batches(len(split), size):
        if should_stop():
            raise Stopped
        done = _estimate_batch(model, preparation, params, key, split, index, num_samples=num_samples, chunk=chunk)
        parts.append(jax.device_get(done))
        on_batch(min(int(index[0]) + size, len(split)))
    return jax.tree.map(lambda *a: np.concatenate(a)[: len(split)], *parts)


@jax.jit
def _statistic_batch(
    model: VAE,
    preparation: Preparation,
    params: Params,
    key: PRNGKey,
    split: Shaped[Array, "N *event"],
    index: Int[np.ndarray | Array, " B"],
    weights: Float[np.ndarray | Array, " B"],
) -> Any:
    def one(i, x, weight):  # type: ignore[no-untyped-def]
        z, _ = model.posterior_of(params, x).sample_and_log_prob(jax.random.fold_in(key, i))
        return jax.tree.map(
            lambda s: weight * s, model.likelihood.statistic(params["likelihood"], model.decode(params, z), x)
        )

    x = preparation(split[index], jax.random.fold_in(key, index[0]))  # binarized as in training, where it is
    return jax.tree.map(lambda s: jnp.sum(s, axis=0), jax.vmap(one)(index, x, weights))


def calibrate(
    model: VAE, preparation: Preparation, params: Params, key: PRNGKey, train: Shaped[Array, "N *event"]
) -> Params:
    """Returns the parameters, with those of the likelihood that are a statistic of the data at the training set's."""
    own = params["likelihood"]
    shape = jax.eval_shape(
        lambda p, z: model.likelihood.statistic(p["likelihood"], model.decode(p, z), jnp.zeros(model.event_shape)),
        params,
        jnp.zeros(model.latent_dim),
    )
    if not jax.tree.leaves(shape):
        return params
    total = None
    for index, weights in _batches(len(train), min(BATCH, len(train))):
        part = _statistic_batch(model, preparation, params, key, train, index, weights)
        total = part if total is None else jax.tree.map(jnp.add, total, part)
    return {**params, "likelihood": model.likelihood.with_statistic(own, total)}
