"""Evaluation on a whole split: every example once, the last batch padded and masked.

Keys are fold_in(fold_in(key, example), sample), so that no number depends on batch, chunk, pack or device count.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from vaex.data import Preparation
from vaex.metrics import Estimate, decomposition_of, importance_estimate
from vaex.metrics.nll import CHUNK
from vaex.objectives import Context, Terms
from vaex.objectives.decomposition import Decomposition
from vaex.training.members import packed
from vaex.training.recipe import Recipe
from vaex.training.step import TrainState
from vaex.training.streams import stream
from vaex.typing import Number

BATCH = 500  # examples a device call, of cheap passes
MIXTURE_DRAWS = 1000  # of a split, each scored under all of its posteriors
MIXTURE_VALUES = 2**23  # log densities at once

Index = Int[np.ndarray | Array, " B"]
Weights = Float[np.ndarray | Array, " B"]  # 1 for an example, 0 for padding


class Stopped(Exception):
    """An evaluation was asked to stop before its end."""


def batches(num: int, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the indices of batches of one size, at most `most`, that cover `num` examples, and their weights."""
    size = -(-num // -(-num // most))  # as few as can be, and of them the smallest: least padding
    for first in range(0, num, size):
        index = np.arange(first, first + size)
        yield np.minimum(index, num - 1).astype(np.int32), (index < num).astype(np.float32)


@packed(each=("recipe", "state"), static=("num_train",))
def terms_sum(
    recipe: Recipe,
    state: TrainState,
    preparation: Preparation,
    step: Number,
    split: Shaped[Array, "N *event"],
    index: Index,
    weights: Weights,
    num_train: int,
) -> Terms:
    """Returns the objective's terms on one batch, in nats per datum, times the number of its examples."""
    model, objective, params = recipe.model, recipe.objective, state.eval_params
    prior, key = model.prior_of(params), stream(recipe.seed, "evaluation")

    def one(i, x):  # type: ignore[no-untyped-def]
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(key, i)))(jnp.arange(objective.num_draws))
        return model.draws(params, prior, model.posterior_of(params, x), keys, x, drawing=objective.drawing)

    draws = jax.vmap(one)(index, preparation(split[index]))
    own = jax.random.fold_in(stream(recipe.seed, "objective"), step)
    log_jacobian = model.likelihood.log_jacobian(preparation.log_jacobian(model.event_shape))
    context = Context(step, recipe.num_steps, own, prior, num_train, weights, log_jacobian)
    terms = objective(draws, state.objective_state, context)[2]
    terms |= model.likelihood.implied(params["likelihood"], terms["beta"])
    return jax.tree.map(lambda t: t * jnp.sum(weights), terms)


@packed(each=("recipe", "state"), static=("num_samples",), results=2)
def estimate_batch(
    recipe: Recipe,
    state: TrainState,
    preparation: Preparation,
    split: Shaped[Array, "N *event"],
    index: Index,
    num_samples: int,
) -> tuple[Estimate, Float[Array, " B"]]:
    """Returns the importance-weighted estimates of one batch, and each example's mean squared reconstruction error.

    The error is of the mean reconstruction, in the data's own units, averaged over the event.
    """
    model, params, key = recipe.model, state.eval_params, stream(recipe.seed, "evaluation")

    def one(i, x):  # type: ignore[no-untyped-def]
        estimate = importance_estimate(model, params, key, i, x, num_samples, min(num_samples, CHUNK))
        error = preparation.inverse_difference(x - model.reconstruct(params, x))
        return estimate, jnp.mean(jnp.square(error))

    return jax.vmap(one)(index, preparation(split[index]))


@packed(each=("recipe", "state"), static=("num_draws", "block"))
def decompose_split(
    recipe: Recipe,
    state: TrainState,
    preparation: Preparation,
    split: Shaped[Array, "N *event"],
    num_draws: int,
    block: int,
) -> Decomposition:
    """Returns the three parts of the rate, in nats, of one draw of each of the split's first examples."""
    model, params = recipe.model, state.eval_params
    num = len(split)
    q = jax.lax.map(lambda x: model.posterior_of(params, preparation(x)), split, batch_size=min(BATCH, num))
    key = stream(recipe.seed, "decomposition")
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(num_draws))
    return decomposition_of(q, model.prior_of(params), keys, num, block)


@packed(each=("recipe", "state"))
def statistic_sum(
    recipe: Recipe,
    state: TrainState,
    preparation: Preparation,
    stored: Shaped[Array, "B *event"],
    index: Index,
    weights: Weights,
) -> Any:
    """Returns the likelihood's statistic of the data on one batch, summed; an empty tree for most likelihoods."""
    model, params, key = recipe.model, state.eval_params, stream(recipe.seed, "calibration")

    def one(i, stored, weight):  # type: ignore[no-untyped-def]
        noise, bits = jax.random.split(jax.random.fold_in(key, i))
        x = preparation(stored, bits)  # binarized as in training, where it is
        z, _ = model.posterior_of(params, x).sample_and_log_prob(noise)
        return jax.tree.map(
            lambda s: weight * s, model.likelihood.statistic(params["likelihood"], model.decode(params, z), x)
        )

    return jax.tree.map(lambda s: jnp.sum(s, axis=0), jax.vmap(one)(index, stored, weights))


@packed(each=("recipe", "state", "total"))
def with_statistic(recipe: Recipe, state: TrainState, total: Any) -> TrainState:
    """Returns the state, with the likelihood's parameters that are a statistic of the data at the training set's."""
    params = state.eval_params
    own = recipe.model.likelihood.with_statistic(params["likelihood"], total)
    return state.with_eval_params({**params, "likelihood": own})
