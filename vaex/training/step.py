"""The training step, and the loop of steps that is one device call."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Shaped

from vaex.data import Preparation
from vaex.objectives import Context, Terms
from vaex.training.members import packed
from vaex.training.recipe import Recipe
from vaex.training.streams import stream
from vaex.typing import Number, Params, PRNGKey, Scalar, Stats


class TrainState(NamedTuple):
    """Everything that changes in training; with the recipe and the data, all that a resumed run needs."""

    step: Int[Array, ""]
    params: Params
    opt_state: Any
    objective_state: Any
    ema: Params | tuple[()]  # averaged parameters, or () without ema_decay
    diverged: Bool[Array, ""]  # sticky: once set, nothing above changes any more

    @property
    def eval_params(self) -> Params:
        """The parameters to evaluate: the averaged ones where there are any."""
        return self.params if isinstance(self.ema, tuple) else self.ema

    def with_eval_params(self, params: Params) -> "TrainState":
        """Returns the state with other parameters to evaluate."""
        return self._replace(params=params) if isinstance(self.ema, tuple) else self._replace(ema=params)


@packed(each=("recipe",))
def init_state(recipe: Recipe, stats: Stats) -> TrainState:
    """Returns the state before the first step."""
    params = recipe.model.init(stream(recipe.seed, "init"), stats)
    return TrainState(
        step=jnp.int32(0),
        params=params,
        opt_state=recipe.optimizer.init(params),
        objective_state=recipe.objective.init(),
        ema=() if recipe.ema_decay is None else params,
        diverged=jnp.bool_(False),
    )


def train_step(
    recipe: Recipe,
    state: TrainState,
    key: PRNGKey,
    x: Shaped[Array, "B *event"],
    num_train: int,
    log_jacobian: Number = 0.0,
) -> tuple[TrainState, Terms]:
    """Returns the state after one step on a prepared batch, and the step's terms.

    Args:
        recipe: the run's.
        state: before the step.
        key: of the run's noise; the step's own is folded from it.
        x: the batch.
        num_train: examples in the training split.
        log_jacobian: log p of the data as given = log p(x) + this.

    A step whose loss or gradient norm is not finite leaves the state as it was, and marks it diverged.
    """
    model, objective = recipe.model, recipe.objective
    of_step = jax.random.fold_in(key, state.step)
    keys = jax.random.split(of_step, (x.shape[0], objective.num_draws))
    weights = jnp.ones(x.shape[0])

    def loss_fn(params: Params) -> tuple[Scalar, tuple[Any, Terms]]:
        prior = model.prior_of(params)

        def one(keys, x, weight):  # type: ignore[no-untyped-def]
            return model.draws(params, prior, model.posterior_of(params, x), keys, x, weight, objective.drawing)

        draws = jax.vmap(one, axis_name="batch")(keys, x, weights)
        own = jax.random.fold_in(of_step, 2**31)  # beyond the examples' keys; computed only if the objective uses it
        context = Context(state.step, recipe.num_steps, own, prior, num_train, weights, log_jacobian)
        loss, objective_state, terms = objective(draws, state.objective_state, context)
        # A scale that is a statistic of the batch is the one in this step's loss, not the one frozen for evaluation.
        of_batch = jax.tree.map(lambda a: a[0], draws.likelihood)
        terms |= model.likelihood.implied(of_batch, terms["beta"], objective.beta_is_weight)
        return loss, (objective_state, terms)

    (loss, (objective_state, terms)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    # |g|: a dot product reads the gradient once, where a sum of squares writes the squares first
    grad_norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)))
    good = jnp.isfinite(loss) & jnp.isfinite(grad_norm) & ~state.diverged

    def guarded(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda n, o: jnp.where(good, n, o), new, old)

    def updated(grads: Params, opt_state: Any, params: Params) -> tuple[Params, Any]:
        return recipe.optimizer.update(grads, opt_state, params, state.step, recipe.num_steps)

    params = guarded(updated(grads, state.opt_state, state.params)[0], state.params)
    # The moments only once the parameters are there: both are then updated in place, where XLA would copy the moments
    # first. Computing them twice costs nothing, since every pass is bound by memory.
    params, grads, old = jax.lax.optimization_barrier((params, grads, state.opt_state))
    opt_state = guarded(updated(grads, old, state.params)[1], old)
    ema = state.ema
    if not isinstance(ema, tuple):
        ema = jax.tree.map(lambda e, p: e + (1.0 - recipe.ema_decay) * (p - e), ema, params)  # type: ignore[operator]
    after = TrainState(
        step=state.step + good,
        params=params,
        opt_state=opt_state,
        objective_state=guarded(objective_state, state.objective_state),
        ema=guarded(ema, state.ema),
        diverged=~good,
    )
    return after, {**terms, "grad_norm": grad_norm}


@packed(each=("recipe", "state"), static=("num_train",), donate="state", results=2)
def run_steps(
    recipe: Recipe,
    state: TrainState,
    preparation: Preparation,
    data_seed: Number,
    train: Shaped[Array, "N *event"],
    indices: Int[Array | np.ndarray, "S B"],
    start: Number,
    count: Number,
    num_train: int | None = None,
) -> tuple[TrainState, dict[str, Shaped[Array, " S"]]]:
    """Returns the state after the first `count` of S steps, and each step's terms (0 after them).

    `count` is traced, so that the last, shorter call compiles nothing; with 0 it only compiles. `start` is the number
    of steps before the call: of the whole pack, also where a member of it stands still. `num_train` is the number of
    training examples where `train` holds only those of this call.
    """
    noise, binarization = stream(recipe.seed, "noise"), stream(data_seed, "binarization")
    flat = train.reshape(len(train), -1)
    log_jacobian = recipe.model.likelihood.log_jacobian(preparation.log_jacobian(recipe.model.event_shape))

    def one(state: TrainState, i: Number, batch: Int[Array, " B"]) -> tuple[TrainState, Terms]:
        # Gathered flat: over H x W x 1 a CPU's loops would run along the axis of length one.
        stored = flat[batch].reshape(len(batch), *train.shape[1:])
        # Dynamic binarization draws from the data's seed: members of a sweep see the same batches.
        x = jnp.asarray(preparation(stored, jax.random.fold_in(binarization, start + i)))
        return train_step(recipe, state, noise, x, num_train or len(train), log_jacobian)

    def body(i: Array, carry: tuple[TrainState, dict[str, Array]]) -> tuple[TrainState, dict[str, Array]]:
        state, terms = one(carry[0], i, indices[i])
        return state, jax.tree.map(lambda all_, new: all_.at[i].set(new), carry[1], terms)

    shapes = jax.eval_shape(one, state, count, indices[0])[1]
    terms = jax.tree.map(lambda s: jnp.zeros((indices.shape[0], *s.shape), s.dtype), shapes)
    return jax.lax.fori_loop(0, count, body, (state, terms))
