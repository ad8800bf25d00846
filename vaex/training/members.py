"""Members side by side: a function of one run, over M runs of one structure.

Two strategies give the same meaning to the same function. `Loop` calls the single run's program once a member,
round-robin over the devices, without waiting: bit-identical to each run alone. `Vmap` stacks the members and makes them
a batch axis, sharded over the devices.
"""

import functools
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from vaex import _check
from vaex.training.precision import Program

STRATEGIES = ("auto", "loop", "vmap")
Each = Any  # one value a member: a list of M trees (`Loop`), or one tree with a leading axis (`Vmap`)


class Packed:
    """A pure function of one run, and the same over the members of a pack; called, it is the single run's program.

    As every `Program` it takes the precision of its matrix products as `products`.
    """

    def __init__(
        self, function: Callable[..., Any], each: Sequence[str], static: Sequence[str], donate: str | None, results: int
    ):
        names = [name for name in inspect.signature(function).parameters if name not in static]
        self.function, self.static, self.results = function, tuple(static), results
        self.axes = tuple(0 if name in each else None for name in names)
        self.donated: tuple[int, ...] = () if donate is None else (names.index(donate),)
        self._stacked: dict[NamedSharding, Program] = {}
        self._lock = threading.Lock()  # programs are compiled in several threads
        functools.update_wrapper(self, function)
        self.one = Program(function, self.static, donate_argnums=self.donated)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Returns the function's result for one run."""
        return self.one(*args, **settings)

    def stacked(self, out: NamedSharding) -> Program:
        """Returns the program over a leading axis of members; one and the same, whichever thread asks first."""

        def over_members(*args: Any, **settings: Any) -> Any:
            return jax.vmap(functools.partial(self.function, **settings), self.axes)(*args)

        with self._lock:
            if out not in self._stacked:
                over_members.__name__ = self.function.__name__
                options = {"donate_argnums": self.donated, "out_shardings": out}
                self._stacked[out] = Program(over_members, self.static, **options)
            return self._stacked[out]


def packed(
    each: Sequence[str], static: Sequence[str] = (), donate: str | None = None, results: int = 1
) -> Callable[[Callable[..., Any]], Packed]:
    """Returns a decorator that makes a function of one run a `Packed` one.

    Args:
        each: the arguments of which every member has its own.
        static: keyword arguments that set shapes.
        donate: the argument whose memory the first result takes over.
        results: how many the function returns, as a tuple where they are several.
    """
    return lambda function: Packed(function, each, static, donate, results)


class Members(ABC):
    """How the members of a pack run."""

    num: int  # members that count; a strategy may run more
    devices: tuple[Any, ...]

    @abstractmethod
    def scatter(self, trees: Sequence[Any]) -> Each:
        """Returns one tree a member, on the devices."""

    @abstractmethod
    def share(self, tree: Any) -> Any:
        """Returns a tree that all members read, on the devices."""

    @abstractmethod
    def batches(self, indices: np.ndarray) -> Any:
        """Returns the indices [S, B] of batches, spread over devices where there are more of them than members."""

    @abstractmethod
    def __call__(self, function: Packed, *args: Any, skip: Collection[int] = (), **settings: Any) -> Any:
        """Returns what the function returns, over the members.

        Args:
            function: a packed function.
            *args: its arguments: `Each` where every member has its own, shared otherwise.
            skip: members that need not run; their donated argument comes back as it was.
            **settings: its static arguments.
        """

    @abstractmethod
    def gather(self, each: Each) -> list[Any]:
        """Returns one tree a member, on the host."""

    @property
    @abstractmethod
    def at_once(self) -> int:
        """The number of members that one device computes at the same time."""

    @abstractmethod
    def shapes(self, one: Any) -> Each:
        """Returns a member's tree of shapes as the trees of all members, for `lower`: nothing is allocated."""

    @abstractmethod
    def idle(self) -> int:
        """Returns how many members wait on the fullest device while another one's program runs there."""

    def compiled(self, function: Packed, *args: Any, **settings: Any) -> list[Any]:
        """Returns the function's compiled programs, which its next call uses."""
        # One after another: in threads they take as long, since XLA's own code generation uses every core.
        return [program.compile() for program in self.lower(function, *args, **settings)]

    @abstractmethod
    def lower(self, function: Packed, *args: Any, **settings: Any) -> list[Any]:
        """Returns the function's lowered programs, one for each device that has one of its own."""


class _Copies(dict):
    """A shared tree, a copy a device."""


class Loop(Members):
    """The single run's call, once a member, dispatched without waiting, round-robin over the devices."""

    def __init__(self, num: int, devices: Sequence[Any]):
        self.num, self.devices = num, tuple(devices[:num])
        self._met: set[Packed] = set()  # functions whose programs are there

    def _device(self, member: int) -> Any:
        return self.devices[member % len(self.devices)]

    def scatter(self, trees: Sequence[Any]) -> Each:
        """Returns a list of trees, each on its member's device; what came stays the caller's."""
        return [jax.device_put(tree, self._device(m), may_alias=False) for m, tree in enumerate(trees)]

    def share(self, tree: Any) -> Any:
        """Returns a copy a device."""
        return _Copies({device: jax.device_put(tree, device) for device in self.devices})

    def batches(self, indices: np.ndarray) -> Any:
        """Returns them as they are."""
        return indices

    def _arguments(self, function: Packed, args: Sequence[Any], member: int) -> list[Any]:
        device = self._device(member)
        return [
            arg[member] if axis == 0 else arg[device] if isinstance(arg, _Copies) else arg
            for arg, axis in zip(args, function.axes, strict=True)
        ]

    def __call__(self, function: Packed, *args: Any, skip: Collection[int] = (), **settings: Any) -> Any:
        """Returns a list over the members; a tuple of lists where there are several results."""
        if len(self.devices) > 1 and function not in self._met:
            self.compiled(function, *args, **settings)  # each device has a program of its own
        self._met.add(function)
        results = []
        for member in range(self.num):
            own = self._arguments(function, args, member)
            if member in skip:
                results.append((own[function.donated[0]], None))
            else:
                results.append(function.one(*own, **settings))
        return results if function.results == 1 else tuple(map(list, zip(*results, strict=True)))

    def gather(self, each: Each) -> list[Any]:
        """Returns the list on the host."""
        return jax.device_get(each)

    @property
    def at_once(self) -> int:
        """1: a device runs one member after another."""
        return 1

    def shapes(self, one: Any) -> Each:
        """Returns a list with a tree for each device."""
        return [_placed(one, jax.sharding.SingleDeviceSharding(device)) for device in self.devices]

    def idle(self) -> int:
        """Returns the number of members of a device, without the one that runs."""
        return -(-self.num // len(self.devices)) - 1

    def lower(self, function: Packed, *args: Any, **settings: Any) -> list[Any]:
        """Returns a program a device: traced once, and compiled for each."""
        firsts = range(len(self.devices))
        return [function.one.lower(*self._arguments(function, args, m), **settings) for m in firsts]


class Vmap(Members):
    """Members stacked along a leading axis, sharded over devices; counts that do not divide are padded.

    Args:
        num: members that count.
        devices: all of them share the work: rows of the mesh hold members, columns parts of the batch.
        size: members that run, where a resumed pack must keep the size that its numbers came from.
    """

    def __init__(self, num: int, devices: Sequence[Any], size: int | None = None):
        self.num = num
        rows = min(len(devices), max(num, size or 0))
        columns = len(devices) // rows
        self.size = -(-max(num, size or 0) // rows) * rows
        self.devices = tuple(devices[: rows * columns])
        grid = np.array(self.devices).reshape(rows, columns)
        self.mesh = Mesh(grid, ("member", "data"), axis_types=(AxisType.Auto, AxisType.Auto))
        self._own = NamedSharding(self.mesh, PartitionSpec("member"))

    def scatter(self, trees: Sequence[Any]) -> Each:
        """Returns the stacked trees; the last one repeats as padding."""
        trees = [*trees, *[trees[-1]] * (self.size - len(trees))]
        return jax.device_put(jax.tree.map(lambda *a: np.stack(a), *trees), self._own, may_alias=False)

    def share(self, tree: Any) -> Any:
        """Returns the tree on every device."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def batches(self, indices: np.ndarray) -> Any:
        """Returns them spread over the mesh axis `data` where that divides the batch."""
        parts = self.mesh.shape["data"]
        spread = PartitionSpec(None, "data") if indices.shape[-1] % parts == 0 else PartitionSpec()
        return jax.device_put(indices, NamedSharding(self.mesh, spread))

    def __call__(self, function: Packed, *args: Any, skip: Collection[int] = (), **settings: Any) -> Any:
        """Returns the results with a leading axis; nothing is skipped, a frozen member stays as it is by itself."""
        del skip
        return function.stacked(self._own)(*args, **settings)

    def gather(self, each: Each) -> list[Any]:
        """Returns one tree a member on the host, without the padding."""
        host = jax.device_get(each)
        return [jax.tree.map(lambda a, m=m: a[m], host) for m in range(self.num)]

    @property
    def at_once(self) -> int:
        """The members of a row of the mesh."""
        return self.size // self.mesh.shape["member"]

    def shapes(self, one: Any) -> Each:
        """Returns the stacked shapes."""
        return _placed(one, self._own, (self.size,))

    def idle(self) -> int:
        """Returns 0: all members run at once."""
        return 0

    def lower(self, function: Packed, *args: Any, **settings: Any) -> list[Any]:
        """Returns the one program."""
        return [function.stacked(self._own).lower(*args, **settings)]


def _placed(tree: Any, sharding: Any, leading: tuple[int, ...] = ()) -> Any:
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct((*leading, *a.shape), a.dtype, sharding=sharding), tree)


def side_by_side(
    num: int, strategy: str = "auto", devices: Sequence[Any] | None = None, size: int | None = None
) -> Members:
    """Returns how `num` members run; `auto` is `loop` on a CPU and for a single run, else `vmap`."""
    _check.one_of("hydra.launcher.strategy", strategy, STRATEGIES)
    devices = jax.local_devices() if devices is None else devices
    if strategy == "auto":
        strategy = "loop" if num == 1 or devices[0].platform == "cpu" else "vmap"
    return Loop(num, devices) if strategy == "loop" else Vmap(num, devices, size)
