"""The loop of device calls: what happens between them, and nothing about files."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaex.data import Dataset, batch_indices
from vaex.part import canonical
from vaex.training.evaluate import calibrate, evaluate_terms
from vaex.training.recipe import Recipe
from vaex.training.step import TrainState, init_state, run_steps
from vaex.training.streams import stream

_FIRST = ("loss", "elbo", "rate", "distortion", "beta")  # in the order a reader looks for them
_JACOBIAN = {"loss": -1.0, "objective": -1.0, "distortion": -1.0, "elbo": 1.0}  # how often a term holds log p(x)
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
    run = _Run(canonical(recipe), data, hooks)
    with run.clock("compile"):
        begin: TrainState = init_state(run.recipe, data.stats) if state is None else jax.tree.map(jnp.array, state)
        size = steps_per_call or default_steps_per_call(run.recipe, begin)
        first = int(begin.step)
        now, _ = jax.block_until_ready(run.call(begin, first, 0, size))

    every = tuple(e for e in (recipe.eval_every, checkpoint_every) if e)
    pending: tuple[int, int, dict[str, Any]] | None = None  # the last call, whose numbers are not read yet
    interrupted, bad = False, None
    for start, count in plan_calls(first, recipe.num_steps, size, every):
        interrupted = hooks.should_stop()
        if interrupted:
            break
        end = start + count
        last = end == recipe.num_steps
        evaluates = last or end % recipe.eval_every == 0
        saves = last or bool(checkpoint_every and end % checkpoint_every == 0)
        with run.clock("train"):
            now, terms = run.call(now, start, count, size)
            if pending:
                bad = run.read(*pending)
            pending = (start, count, terms)
            if not bad and (evaluates or saves):
                bad, pending = run.read(*pending), None
        if bad:
            break
        if evaluates or saves:
            now = run.at_rest(now)
        if evaluates:
            run.evaluate(now, end)
        if saves:
            hooks.checkpoint(now)
    if pending and not bad:
        bad = run.read(*pending)
    if bad:
        message = f"the loss or its gradient was not finite at step {bad}; the state before it is kept"
        return Outcome(run.at_rest(now), "diverged", message)
    now = run.at_rest(now)
    if interrupted:
        hooks.checkpoint(now)
        return Outcome(now, "interrupted", f"stopped by a signal after step {int(now.step)}")
    return Outcome(now, "completed", "")


class _Run:
    """A recipe and its data on the device, and what is done with them between two calls."""

    def __init__(self, recipe: Recipe, data: Dataset, hooks: Hooks):
        self.recipe, self.data, self.hooks = recipe, data, hooks
        self.clock = _Clock(hooks.seconds)
        self.preparation, self.seed = canonical(data.preparation), np.int32(data.seed)
        self.train = jax.device_put(data.train)
        splits = {"validation": data.validation, "test": data.test}
        self.splits = {name: jax.device_put(split) for name, split in splits.items() if split is not None}
        # Numbers are of the data as given: log p(given) = log p(x) + log |dx/d given|.
        of_rescaling = self.preparation.log_jacobian(data.event_shape)
        self.log_jacobian = recipe.model.likelihood.log_jacobian(of_rescaling)

    def call(self, state: TrainState, start: int, count: int, size: int) -> tuple[TrainState, dict[str, Any]]:
        """Dispatches `count` steps in a program of `size`."""
        indices = batch_indices(self.data.seed, len(self.train), self.recipe.batch_size, start, size)
        return run_steps(self.recipe, self.preparation, self.seed, self.train, state, indices, np.int32(count))

    def read(self, start: int, count: int, terms: Mapping[str, Any]) -> int | None:
        """Hands one call's rows to the caller; returns the step that was not finite, if any."""
        values = {name: np.asarray(v)[:count] for name, v in terms.items()}
        bad = np.flatnonzero(~(np.isfinite(values["loss"]) & np.isfinite(values["grad_norm"])))
        last = start + int(bad[0]) + 1 if bad.size else None
        for step in range(start + 1, (last or start + count) + 1):
            if step % self.recipe.log_every == 0 or step == last:
                self.row(step, "train", {name: v[step - start - 1] for name, v in values.items()})
        self.hooks.progress(last - 1 if last else start + count)
        return last

    def row(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Hands one row to the caller, in nats per datum of the data as given."""
        names = [*(n for n in _FIRST if n in values), *(n for n in values if n not in _FIRST)]
        self.hooks.row(step, split, {n: float(values[n]) + _JACOBIAN.get(n, 0.0) * self.log_jacobian for n in names})

    def at_rest(self, state: TrainState) -> TrainState:
        """Returns the state with the parameters that are a statistic of the training set brought up to date."""
        key = stream(self.recipe.seed, "calibration")
        params = calibrate(self.recipe.model, self.preparation, state.eval_params, key, self.train)
        return state._replace(params=params) if isinstance(state.ema, tuple) else state._replace(ema=params)

    def evaluate(self, state: TrainState, step: int) -> None:
        """Hands a row of every split but the training one to the caller."""
        key = stream(self.recipe.seed, "evaluation")
        with self.clock("evaluate"):
            for name, split in self.splits.items():
                terms = evaluate_terms(
                    self.recipe,
                    self.preparation,
                    state.eval_params,
                    state.objective_state,
                    state.step,
                    key,
                    split,
                    len(self.train),
                )
                self.row(step, name, terms)


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
