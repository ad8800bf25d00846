"""The loop of device calls: what happens between them, and nothing about files."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from vaex.training.members import Each
from vaex.training.monitor import Monitor, Seen
from vaex.training.pack import Pack
from vaex.training.step import TrainState
from vaex.typing import Stats

_FIRST = ("loss", "elbo", "rate", "distortion", "beta")  # in the order a reader looks for them
_JACOBIAN = {"loss": -1.0, "objective": -1.0, "distortion": -1.0, "elbo": 1.0}  # how often a term holds log p(x)
Row = tuple[int, str, dict[str, float]]  # step, split, values in nats per datum

STEPS_PER_CALL = 100
ROUND_SECONDS = 1.0  # of one call of every member: how soon a signal is heeded, and a figure of the progress is new


class Seconds:
    """Where the wall time went, by what was done."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Adds the time spent inside a `with` to one of the parts."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spent[name] = self[name] + time.perf_counter() - start

    def __getitem__(self, name: str) -> float:
        return self.spent.get(name, 0.0)

    def add(self, other: "Seconds") -> None:
        """Adds what was spent elsewhere."""
        for name, seconds in other.spent.items():
            self.spent[name] = self[name] + seconds


class Outcome(NamedTuple):
    """How a member's training ended."""

    state: TrainState  # on the host
    status: str  # completed, diverged, interrupted
    message: str


class Fitted(NamedTuple):
    """How a pack's training ended."""

    states: Each  # on the devices, for what follows
    outcomes: list[Outcome]
    at: int  # the step that the loop reached


@dataclass(frozen=True)
class Hooks:
    """What a caller does between device calls; by default nothing. `m` is a member's place in the pack."""

    row: Callable[[int, int, str, dict[str, float]], None] = lambda m, step, split, values: None
    progress: Callable[[int, int], None] = lambda step, diverged: None
    checkpoint: Callable[[int, Sequence[TrainState]], None] = lambda step, states: None
    seen: Callable[[int, Seen], None] = lambda m, seen: None  # after each evaluation that counts
    best: Callable[[int, TrainState], None] = lambda m, state: None  # of the members that keep their best
    should_stop: Callable[[], bool] = lambda: False
    seconds: Seconds = field(default_factory=Seconds)


def default_steps_per_call(pack: Pack) -> int:
    """Returns 100, or 1 for convolutions on a CPU, where XLA runs them 3 to 12 times slower inside a loop.

    Fewer than 100 where the data stream and so many batches would be a burden.
    """
    most = STEPS_PER_CALL if pack.feed is None else min(STEPS_PER_CALL, pack.feed.most_steps())
    if jax.default_backend() != "cpu":
        return most
    model = pack.recipe.model

    def forward(z: Any, x: Any) -> Any:
        params = model.init(jax.random.key(0), Stats(x, x))
        return model.generate(params, z), model.posterior_of(params, x).mean

    z, x = np.zeros(model.latent_dim, np.float32), np.zeros(model.event_shape, np.float32)
    return 1 if "conv_general_dilated" in str(jax.make_jaxpr(forward)(z, x)) else most


def next_end(first: int, last: int, size: int, every: Sequence[int]) -> int:
    """Returns where a call that starts at `first` ends: after `size` steps, or at the next multiple of any `every`."""
    return min([first + size, last, *(e * (first // e + 1) for e in every)])


def fit(
    pack: Pack,
    states: Sequence[TrainState] | None = None,
    *,
    start: int = 0,
    steps_per_call: int | None = None,
    checkpoint_every: int | None = None,
    hooks: Hooks | None = None,
    monitors: Sequence[Monitor] | None = None,
    seen: Sequence[Seen] | None = None,
) -> Fitted:
    """Returns the states after training, and how each member ended.

    Each round is dispatched before the previous one's numbers are read, so that the devices never wait for the host.
    A state at step t does not depend on where calls begin and end.

    Args:
        pack: the members and their data.
        states: to continue from, on the host; fresh ones without.
        start: the step of `states` (a diverged member's own stands still before it).
        steps_per_call: the most steps a device call; 100, or 1 for convolutions on a CPU.
        checkpoint_every: steps between checkpoints.
        hooks: what to do between calls.
        monitors: what each member watches; nothing without.
        seen: what each member's evaluations before `start` said.
    """
    hooks = hooks or Hooks()
    recipe, clock = pack.recipe, hooks.seconds.of
    with clock("compile"):
        reader = _Reader(pack, hooks, states, monitors, seen)
        now = pack.init() if states is None else reader.freeze(pack.scatter(states))
        size = steps_per_call or default_steps_per_call(pack)
        now, _ = jax.block_until_ready(pack.call(now, start, 0, size))
    every = tuple(e for e in (recipe.eval_every, checkpoint_every) if e)
    pace = _Pace(size)
    pending: tuple[int, int, Each] | None = None  # the last round, whose numbers are not read yet
    interrupted, saved = False, None
    while start < recipe.num_steps and not reader.all_ended:
        interrupted = hooks.should_stop()
        if interrupted:
            break
        end = next_end(start, recipe.num_steps, pace.steps, every)
        last = end == recipe.num_steps
        evaluates = last or end % recipe.eval_every == 0
        saves = last or bool(checkpoint_every and end % checkpoint_every == 0)
        with clock("train"):
            now, terms = pack.call(now, start, end - start, size, skip=reader.ended)
            if pending:
                reader.read(*pending)
            pending = (start, end - start, terms)
            if evaluates or saves:
                reader.read(*pending)
                pending = None
        pace.note(end)
        start = end
        if evaluates or saves:
            now = pack.at_rest(now)
        if evaluates and not reader.all_ended:
            with clock("evaluate"):
                now = reader.evaluate(now, end)
        if saves:
            hooks.checkpoint(end, reader.gather(now))
            saved = end
        if evaluates or saves:
            pace.rest()
    if pending:
        reader.read(*pending)
    now = pack.at_rest(now)
    host = reader.gather(now)
    if interrupted or (reader.stopped and saved != start):
        hooks.checkpoint(start, host)
    return Fitted(now, [reader.outcome(m, state, interrupted) for m, state in enumerate(host)], start)


class _Reader:
    """Hands the members' rows on, and knows which of them have diverged or stopped early."""

    def __init__(
        self,
        pack: Pack,
        hooks: Hooks,
        states: Sequence[TrainState] | None,
        monitors: Sequence[Monitor] | None,
        seen: Sequence[Seen] | None,
    ):
        self.pack, self.hooks = pack, hooks
        self.diverged = {m for m, state in enumerate(states or ()) if state.diverged}
        self.monitors = list(monitors or [Monitor()] * pack.num)
        self.seen = list(seen or [Seen()] * pack.num)

    @property
    def stopped(self) -> set[int]:
        return {m for m, seen in enumerate(self.seen) if seen.stopped}

    @property
    def ended(self) -> set[int]:
        return self.diverged | self.stopped

    @property
    def all_ended(self) -> bool:
        return len(self.ended) == self.pack.num

    def freeze(self, states: Each) -> Each:
        """Returns the states in which members that have stopped stand still, as diverged ones do by themselves."""
        if not self.stopped:
            return states
        flagged = [
            state._replace(diverged=np.bool_(True)) if m in self.stopped else state
            for m, state in enumerate(self.pack.gather(states))
        ]
        return self.pack.scatter(flagged)

    def gather(self, states: Each) -> list[TrainState]:
        """Returns every member's state on the host; one that has stopped has not diverged."""
        return [
            state._replace(diverged=np.bool_(False)) if m in self.stopped else state
            for m, state in enumerate(self.pack.gather(states))
        ]

    def read(self, start: int, count: int, terms: Each) -> None:
        """Hands one round's rows to the caller; notes the members with a step that was not finite."""
        for m, of_member in enumerate(self.pack.members.gather(terms)):
            if m not in self.ended:
                self._read(m, start, {name: v[:count] for name, v in of_member.items()})
        self.hooks.progress(start + count, len(self.diverged))

    def _read(self, m: int, start: int, values: Mapping[str, np.ndarray]) -> None:
        bad = np.flatnonzero(~(np.isfinite(values["loss"]) & np.isfinite(values["grad_norm"])))
        last = start + (int(bad[0]) + 1 if bad.size else len(values["loss"]))
        for step in range(start + 1, last + 1):
            if step % self.pack.recipe.log_every == 0 or (bad.size and step == last):
                self._row(m, step, "train", {name: v[step - start - 1] for name, v in values.items()})
        if bad.size:
            self.diverged.add(m)

    def evaluate(self, states: Each, step: int) -> Each:
        """Returns the states, after handing a row of every split but the training one to the caller."""
        ended, better = self.ended, []
        for name in self.pack.splits:
            for m, terms in enumerate(self.pack.terms(states, name, step)):
                if m not in ended:
                    row = self._row(m, step, name, terms)
                    if name == "validation" and self.monitors[m].watches:
                        before, self.seen[m] = self.seen[m], self.monitors[m].after(self.seen[m], step, row)
                        self.hooks.seen(m, self.seen[m])
                        better += [m] * (self.monitors[m].keeps and self.seen[m].step != before.step)
        if better:
            host = self.gather(states)
            for m in better:
                self.hooks.best(m, host[m])
        return states if self.ended == ended else self.freeze(states)

    def _row(self, m: int, step: int, split: str, values: Mapping[str, Any]) -> dict[str, float]:
        """Hands one row to the caller, in nats per datum of the data as given, and returns it."""
        names = [*(n for n in _FIRST if n in values), *(n for n in values if n not in _FIRST)]
        shift = self.pack.log_jacobian
        row = {n: float(values[n]) + _JACOBIAN.get(n, 0.0) * shift for n in names}
        self.hooks.row(m, step, split, row)
        return row

    def outcome(self, m: int, state: TrainState, interrupted: bool) -> Outcome:
        """Returns how a member ended."""
        step = int(state.step)
        if state.diverged:
            message = f"the loss or its gradient was not finite at step {step + 1}; the state before it is kept"
            return Outcome(state, "diverged", message)
        if self.seen[m].stopped and not interrupted:
            return Outcome(state, "completed", self.monitors[m].message(self.seen[m]))
        if interrupted:
            return Outcome(state, "interrupted", f"stopped by a signal after step {step}")
        return Outcome(state, "completed", "")


class _Pace:
    """How many steps a round takes so that it lasts about a second; no number of a run depends on it."""

    def __init__(self, most: int):
        self._most, self.steps = most, -(-most // 10)  # a careful first round
        self._mark: tuple[float, int] | None = None

    def note(self, end: int) -> None:
        """Notes that the round before the one up to `end` has been read."""
        now = time.perf_counter()
        if self._mark is not None:
            then, step = self._mark
            self.steps = int(np.clip(ROUND_SECONDS * (end - step) / max(now - then, 1e-9), 1, self._most))
        self._mark = now, end

    def rest(self) -> None:
        """Lets the time until the next round not count."""
        self._mark = None
