"""How the member-steps per second of a pack grow with its members, and whether they train as they would alone."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import jax
import numpy as np

from experiments.bench.cards import Card, work
from experiments.bench.ours import recipe
from experiments.bench.problem import Problem
from experiments.bench.rows import Goal, spread
from vaex.data import Dataset
from vaex.likelihoods import Bce
from vaex.training import Pack
from vaex.training.loop import default_steps_per_call
from vaex.training.members import Members, side_by_side
from vaex.training.run import out_of_memory

GOAL_AT, GOAL = 64, Goal(">=", 10)
CHECKED, CHECKED_STEPS = 4, 20  # members, steps
REPEATS, SECONDS = 3, 1.0  # of one count of members
HEAD: tuple[str, ...] = (
    *("network", "products", "members", "member-steps/s [min-max]", "to one", "goal", "met"),
    *("TFLOP/s", "of peak", "GB/s >=", "of peak"),
)


@dataclasses.dataclass
class Point:
    """One count of members, and what it did."""

    network: str
    products: str  # the name of their precision
    members: int
    rates: list[float] = dataclasses.field(default_factory=list)  # member-steps per second
    flops: float = 0.0  # of one step of one member
    bytes_moved: float = 0.0
    library_calls: int = 0
    ratio: float | None = None  # to one member alone
    reason: str = ""  # why it was not measured

    @property
    def goal(self) -> Goal | None:
        """What the ratio is to reach."""
        return GOAL if self.members == GOAL_AT else None

    @property
    def rate(self) -> float:
        """Member-steps per second."""
        return median(self.rates) if self.rates else 0.0

    def cells(self, card: Card | None, product: str) -> tuple[str, ...]:
        """Returns the line's cells, in the order of `HEAD`."""
        name = (self.network, self.products, str(self.members))
        if self.reason:
            return *name, f"not measured: {self.reason}"
        met = "" if self.goal is None or self.ratio is None else "yes" if self.goal.met(self.ratio) else "missed"
        flops, moved = self.rate * self.flops, self.rate * self.bytes_moved
        return (
            *name,
            spread(self.rates, "").strip(),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            str(self.goal or ""),
            met,
            f"{flops / 1e12:.3g}",
            f"{flops / card.rates[product]:.1%}" if card else "",
            f"{moved / 1e9:.3g}",
            f"{moved / card.bandwidth:.1%}" if card else "",
        )

    def as_dict(self, card: Card | None, product: str) -> dict[str, Any]:
        """Returns everything, for JSON."""
        of_card = None
        if card and self.rates:
            of_card = {
                "rate": self.rate * self.flops / card.rates[product],
                "bandwidth": self.rate * self.bytes_moved / card.bandwidth,
            }
        return vars(self) | {"goal": str(self.goal or "") or None, "fraction_of_card": of_card}


def pack_of(problem: Problem, loaded: Dataset, members: Members, how: Mapping[str, Any], seeds: Sequence[int]) -> Pack:
    """Returns a pack on a device; its recipes differ by the seed."""
    about: dict[str, Any] = {"num_steps": 1_000_000, **how}  # as long as it is looked at
    return Pack([recipe(problem, Bce(), loaded.event_shape, seed=seed, **about) for seed in seeds], loaded, members)


def first_losses(pack: Pack) -> np.ndarray:
    """Returns the losses [members, steps] of the first steps."""
    _, terms = pack.call(pack.init(), 0, CHECKED_STEPS, CHECKED_STEPS)
    return np.stack([of_member["loss"] for of_member in pack.members.gather(terms)])


def difference(problem: Problem, loaded: Dataset, device: Any) -> float:
    """Returns by how much the losses of a `vmap` pack and of its members alone differ at most, relatively.

    With products of float32: TF32 rounds to 1e-3, differently in each program.
    """
    seeds, how = range(CHECKED), {"matmul_precision": "highest"}
    together = first_losses(pack_of(problem, loaded, side_by_side(CHECKED, "vmap", [device]), how, seeds))
    alone = [pack_of(problem, loaded, side_by_side(1, "loop", [device]), how, [seed]) for seed in seeds]
    expected = np.concatenate([first_losses(pack) for pack in alone])
    return float(np.max(np.abs(together / expected - 1)))


def measure(point: Point, pack: Pack, seconds: float) -> None:
    """Fills in a point: rounds are dispatched as training does, one before the last one's numbers are read."""
    size = default_steps_per_call(pack)
    states = pack.init()
    asked = work(pack, states, size)
    point.flops, point.bytes_moved = asked.flops / pack.num, asked.bytes_moved / pack.num
    point.library_calls = asked.library_calls
    states, _ = jax.block_until_ready(pack.call(states, 0, 1, size))  # compiles
    start = time.perf_counter()
    states, _ = jax.block_until_ready(pack.call(states, 1, 1, size))
    at, count = 2, int(np.clip(0.25 * seconds / (time.perf_counter() - start), 1, size))
    for _ in range(REPEATS):
        first, pending, start = at, None, time.perf_counter()
        while pending is None or time.perf_counter() - start < seconds:
            states, terms = pack.call(states, at, count, size)
            if pending is not None:
                pack.members.gather(pending)
            at, pending = at + count, terms
        pack.members.gather(pending)
        point.rates.append(pack.num * (at - first) / (time.perf_counter() - start))


def points(
    problem: Problem,
    loaded: Dataset,
    device: Any,
    products: str,
    how: Mapping[str, Any],
    counts: Sequence[int],
    until: float,
) -> Iterator[Point]:
    """Yields a point a count of members; one alone is a run by itself, several are stacked."""
    alone = None
    for num in counts:
        point = Point(problem.name, products, num)
        if time.monotonic() > until:
            point.reason = "no time left"
        else:
            members = side_by_side(num, "loop" if num == 1 else "vmap", [device])
            try:
                measure(point, pack_of(problem, loaded, members, how, range(num)), SECONDS)
            except jax.errors.JaxRuntimeError as error:
                point.reason = "out of memory" if out_of_memory(error) else str(error).splitlines()[0]
        if num == 1:
            alone = point
        if alone and alone.rate and point.rates:
            point.ratio = point.rate / alone.rate
        yield point
