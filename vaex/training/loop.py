"""The loop of device calls: what happens between them, and nothing about files."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from vaex.data import Dataset, batch_indices
from vaex.part import canonical
from vaex.training.evaluate import calibrate, evaluate_terms
from vaex.training.recipe import Recipe
from vaex.training.step import TrainState, init_state, run_steps
from vaex.training.streams import stream

_FIRST = ("loss", "elbo", "rate", "distortion", "beta")  # in the order a reader looks for them
Row = tuple[int, str, dict[str, float]]  # step, split, values in nats per datum


@dataclass
class Seconds:
    """Where the wall time went."""

    compile: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0


class Outcome(NamedTuple):
    """How training ended."""

    state: TrainState
    status: str  # completed, diverged, interrupted
    message: str


@dataclass(frozen=True)
class Hooks:
    """What a caller does between device calls; by default nothing."""

    row: Callable[[int, str, dict[str, float]], None] = lambda step, split, values: None
    progress: Callable[[int], None] = lambda step: None
    checkpoint: Callable[[TrainState], None] = lambda state: None
    should_stop: Callable[[], bool] = lambda: False
    seconds: Seconds = field(default_factory=Seconds)


def default_steps_per_call(recipe: Recipe, state: TrainState) -> int:
    """Returns 100, or 1 for convolutions on a CPU, where XLA runs them 3 to 12 times slower inside a loop."""
    if jax.default_backend() != "cpu":
        return 100
    model = recipe.model
    program = jax.make_jaxpr(lambda p, x: model.generate(p, model.posterior_of(p, x).mean))
    return 1 if "conv_general_dilated" in str(program(state.params, np.zeros(model.event_shape, np.float32))) else 100


def plan_calls(first: int, last: int, size: int, every: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yields (start, count) of device calls from `first` to `last` that end at every multiple of each of `every`."""
    while first < last:
        stop = min([first + size, last, *(e * (first // e + 1) for e in every)])
        yield first, stop - first
        first = stop


def fit(
    recipe: Recipe,
    data: Dataset,
    *,
    state: TrainState | None = None,
    steps_per_call: int | None = None,
    checkpoint_every: int | None = None,
    hooks: Hooks | None = None,
) -> Outcome:
    """Returns the state after training, and how it ended.

    Each call is dispatched before the previous one's numbers are read, so that the device never waits for the host.
    A state at step t does not depend on where calls begin and end.
    """
    hooks = hooks or Hooks()
    recipe = canonical(recipe)
    clock = _Clock(hooks.seconds)
    with clock("compile"):
        train = jax.device_put(data.train)
        splits = {n: jax.device_put(s) for n, s in (("validation", data.validation), ("test", data.test)) if s is not None}
        state = init_state(recipe, data.stats) if state is None else jax.device_put(state)
        size = steps_per_call or default_steps_per_call(recipe, state)
        seed, preparation = np.int32(data.seed), canonical(data.preparation)

        def call(state: TrainState, start: int, count: int) -> tuple[TrainState, dict[str, Any]]:
            indices = batch_indices(data.seed, len(data.train), recipe.batch_size, start, size)
            return run_steps(recipe, preparation, seed, train, state, indices, np.int32(count))

        first = int(state.step)
        state, _ = jax.block_until_ready(call(state, first, 0))

    # Numbers are of the data as given: log p(given) = log p(x) + log |dx/d given|.
    log_jacobian = preparation.log_jacobian(data.event_shape) if recipe.model.likelihood.is_density else 0.0
    signs = {"loss": -1.0, "objective": -1.0, "distortion": -1.0, "elbo": 1.0}

    def hand_over(step: int, split: str, values: Mapping[str, Any]) -> None:
        names = [*(n for n in _FIRST if n in values), *(n for n in values if n not in _FIRST)]
        hooks.row(step, split, {n: float(values[n]) + signs.get(n, 0.0) * log_jacobian for n in names})

    def at_rest(state: TrainState) -> TrainState:
        params = calibrate(recipe.model, preparation, state.eval_params, stream(recipe.seed, "calibration"), train)
        return state._replace(params=params) if isinstance(state.ema, tuple) else state._replace(ema=params)

    def evaluate(state: TrainState, step: int) -> None:
        with clock("evaluate"):
            for name, split in splits.items():
                terms = evaluate_terms(
                    recipe,
                    preparation,
                    state.eval_params,
                    state.objective_state,
                    state.step,
                    stream(recipe.seed, "evaluation"),
                    split,
                    len(data.train),
                )
                hand_over(step, name, terms)

    def read(start: int, count: int, terms: Mapping[str, Any]) -> int | None:
        """Hands the rows of one call to the caller; returns the step that was not finite, if any."""
        values = {name: np.asarray(v)[:count] for name, v in terms.items()}
        bad = np.flatnonzero(~(np.isfinite(values["loss"]) & np.isfinite(values["grad_norm"])))
        end = int(bad[0]) + 1 if bad.size else count
        for i in range(end):
            step = start + i + 1
            if step % recipe.log_every == 0 or (bad.size and i == end - 1):
                hand_over(step, "train", {name: v[i] for name, v in values.items()})
        hooks.progress(start + end - (1 if bad.size else 0))
        return start + end if bad.size else None

    every = tuple(e for e in (recipe.eval_every, checkpoint_every) if e)
    pending: tuple[int, int, dict[str, Any]] | None = None
    bad_step: int | None = None
    for start, count in plan_calls(first, recipe.num_steps, size, every):
        stopping = hooks.should_stop()
        if not stopping:
            with clock("train"):
                state, terms = call(state, start, count)
        if pending is not None:
            with clock("train"):
                bad_step = read(*pending)
        pending = None if stopping else (start, count, terms)
        end = start if stopping else start + count
        evaluates = not stopping and (end % recipe.eval_every == 0 or end == recipe.num_steps)
        saves = stopping or end == recipe.num_steps or bool(checkpoint_every and end % checkpoint_every == 0)
        if bad_step is None and pending is not None and (evaluates or saves):
            with clock("train"):
                bad_step, pending = read(*pending), None
        if bad_step is not None:
            message = f"the loss or its gradient was not finite at step {bad_step}; the state before it is kept"
            return Outcome(at_rest(state), "diverged", message)
        if evaluates or saves:
            state = at_rest(state)
        if evaluates:
            evaluate(state, end)
        if saves:
            hooks.checkpoint(state)
        if stopping:
            return Outcome(state, "interrupted", f"stopped by a signal after step {end}")
    return Outcome(at_rest(state), "completed", "")


class _Clock:
    """Adds the time spent inside a `with` to one of the parts."""

    def __init__(self, seconds: Seconds):
        self._seconds, self._name, self._start = seconds, "", 0.0

    def __call__(self, name: str) -> "_Clock":
        self._name = name
        return self

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = time.perf_counter() - self._start
        setattr(self._seconds, self._name, getattr(self._seconds, self._name) + spent)
