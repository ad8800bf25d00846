"""A pack: recipes of one structure and the data they share, on the devices. A single run is a pack of one."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from vaex._check import VaexError
from vaex.data import Dataset, batch_indices
from vaex.data.rows import Rows
from vaex.metrics import Estimate
from vaex.metrics.base import DRAWS
from vaex.metrics.nll import CHUNK
from vaex.objectives.decomposition import Decomposition
from vaex.part import canonical
from vaex.training import evaluate, precision
from vaex.training.feed import Feed
from vaex.training.members import Each, Members, side_by_side
from vaex.training.memory import COMPILING, make_room
from vaex.training.recipe import Recipe
from vaex.training.step import TrainState, init_state, run_steps
from vaex.training.streams import SPLITS
from vaex.typing import Stats


class Pack:
    """M members and their data on the devices, and what is done with all of them at once.

    Raises:
        VaexError: where the recipes differ in structure: such runs are programs of their own.
    """

    def __init__(self, recipes: Sequence[Recipe], data: Dataset, members: Members | None = None):
        make_room()  # those of earlier packs may go
        recipes[0].check_data(data)
        recipes = [canonical(recipe) for recipe in recipes]
        if len({program_of(recipe) for recipe in recipes}) > 1:
            raise VaexError("a pack: expected recipes of one structure, got several; train each structure by itself")
        self.members = members or side_by_side(len(recipes))
        self.recipe, self.data = recipes[0], data  # any member's, for what all have alike
        self.recipes = self.members.scatter(recipes)
        precision.check_device("trainer.matmul_precision", self.recipe.matmul_precision, "default")
        precision.check_device("evaluation.matmul_precision", self.products, precision.REPORTED)
        self._compiling: threading.Thread | None = None
        self.preparation, self.seed = canonical(data.preparation), np.int32(data.seed)
        batch, steps = self.recipe.batch_size, self.recipe.num_steps
        self.feed = Feed(data.train, data.seed, batch, steps) if isinstance(data.train, Rows) else None
        self.train = None if self.feed else self.members.share(data.train)
        splits = {"validation": data.validation, "test": data.test}
        self._rows = {name: split for name, split in splits.items() if split is not None}
        self.splits = {name: self.members.share(split) for name, split in self._rows.items()}
        # Numbers are of the data as given: log p(given) = log p(x) + log |dx/d given|.
        self.log_jacobian = self.recipe.model.likelihood.log_jacobian(self.preparation.log_jacobian(data.event_shape))

    @property
    def num(self) -> int:
        """The number of members."""
        return self.members.num

    @property
    def products(self) -> str:
        """The precision of the products behind the numbers that are reported."""
        return self.recipe.evaluation_precision

    def init(self) -> Each:
        """Returns the states before the first step."""
        return self.members(init_state, self.recipes, self.members.share(Stats(*map(np.asarray, self.data.stats))))

    def _step_arguments(self, states: Each, start: int, count: int, size: int) -> tuple[Any, ...]:
        train, batch = self.train, self.recipe.batch_size
        if self.feed is None:
            indices = batch_indices(self.data.seed, len(self.data.train), batch, start, size)
        else:  # the program sees the call's own examples as its training split
            block = self.feed.block(start, count, size)
            train = self.members.share(block.reshape(size * batch, *block.shape[2:]))
            indices = np.arange(size * batch, dtype=np.int32).reshape(size, batch)
        about = (self.preparation, self.seed, train, self.members.batches(indices))
        return self.recipes, states, *about, np.int32(start), np.int32(count)

    @property
    def _step_settings(self) -> dict[str, Any]:
        own = {} if self.feed is None else {"num_train": len(self.data.train)}
        return {"products": self.recipe.matmul_precision, **own}

    def call(self, states: Each, start: int, count: int, size: int, skip: Collection[int] = ()) -> tuple[Each, Each]:
        """Dispatches `count` steps in a program of `size`; returns the states and every step's terms."""
        arguments = self._step_arguments(states, start, count, size)
        return self.members(run_steps, *arguments, skip=skip, **self._step_settings)

    @cached_property
    def _one_state(self) -> TrainState:
        """A member's state, as shapes."""
        return init_state.one.shapes(self.recipe, self.data.stats)

    def compile(self, size: int) -> int:
        """Returns the bytes that training needs on the fullest device, after compiling its program of `size` steps."""
        states = self.members.shapes(self._one_state)
        programs = self.members.compiled(run_steps, *self._step_arguments(states, 0, 0, size), **self._step_settings)
        needs = [program.memory_analysis() for program in programs]
        of_state = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(self._one_state))
        return max(map(_bytes, needs)) + self.members.idle() * of_state

    @cached_property
    def _has_statistic(self) -> bool:
        one, stored = np.zeros(1, np.int32), self.data.train[:1]
        about = (self.recipe, self._one_state, self.preparation, stored, one, np.ones(1, np.float32))
        return bool(jax.tree.leaves(evaluate.statistic_sum.one.shapes(*about)))

    def at_rest(self, states: Each) -> Each:
        """Returns the states with the parameters that are a statistic of the training set brought up to date."""
        if not self._has_statistic:
            return states
        num, total = len(self.data.train), None
        for index, weights in evaluate.batches(num, self._at_once(evaluate.BATCH, num)):
            stored = self.members.share(self.data.train[index])
            about = (self.recipes, states, self.preparation, stored, index, weights)
            part = self.members(evaluate.statistic_sum, *about, products=self.products)
            total = part if total is None else jax.tree.map(lambda a, b: a + b, total, part)
        return self.members(evaluate.with_statistic, self.recipes, states, total, products=self.products)

    def compile_evaluation(self, num_samples: int) -> None:
        """Begins to compile what `terms` and `estimates` call, in a thread: the devices may train meanwhile."""

        def compile_all() -> None:
            states, num_train = self.members.shapes(self._one_state), len(self.data.train)
            for name, split in self.splits.items():
                index, weights = next(self._term_batches(name))
                about = (self.recipes, states, self.preparation, np.int32(0), split, index, weights)
                numbers = _place(name), np.int32(0)
                settings = {"num_train": num_train, "products": self.products}
                self.members.compiled(evaluate.terms_sum, *about, *numbers, **settings)
                index, _ = next(self._estimate_batches(name, num_samples))
                about = (self.recipes, states, self.preparation, split, index, _place(name))
                self.members.compiled(evaluate.estimate_batch, *about, num_samples=num_samples, products=self.products)
                if self._factorized:
                    about, (draws, block) = self._split_arguments(states, name), self._mixture(name)
                    self.members.compiled(
                        evaluate.decompose_split, *about, num_draws=draws, block=block, products=self.products
                    )

        def compile_undisturbed() -> None:
            with COMPILING:
                compile_all()

        self._compiling = threading.Thread(target=compile_undisturbed, name="vaex-evaluation")
        self._compiling.start()

    def _evaluation_ready(self) -> None:
        if self._compiling is not None:
            self._compiling.join()
            self._compiling = None

    def _term_batches(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        num = len(self._rows[name])
        # What is not a mean over examples depends on the batch's size: then that of training, whatever the pack.
        if self.recipe.objective.of_batch:
            return evaluate.blocks(num, self.recipe.batch_size)
        return evaluate.batches(num, self._at_once(evaluate.BATCH, num))

    def _estimate_batches(self, name: str, num_samples: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        num = len(self._rows[name])
        most = self._at_once(DRAWS // min(num_samples, CHUNK), num)
        return evaluate.batches(num, most)

    def _at_once(self, most: int, num: int) -> int:
        """Returns how many of `num` examples to take at once: at most `most` on a device, in all its members."""
        return min(num, max(1, most // self.members.at_once))

    def terms(self, states: Each, name: str, step: int) -> list[dict[str, float]]:
        """Returns every member's objective terms on a split, with the weights of a step; nats per datum of x.

        Terms that are not means over examples are means over blocks, and `block_size` says of how many examples.
        """
        self._evaluation_ready()
        num, num_train = len(self._rows[name]), len(self.data.train)
        parts = []
        for batch, (index, weights) in enumerate(self._term_batches(name)):
            about = (self.recipes, states, self.preparation, np.int32(step), self.splits[name], index, weights)
            numbers = _place(name), np.int32(batch)
            settings = {"num_train": num_train, "products": self.products}
            parts.append(self.members(evaluate.terms_sum, *about, *numbers, **settings))
        of_batch = self.recipe.objective.of_batch
        size = {"block_size": float(min(num, self.recipe.batch_size))} if of_batch else {}

        def mean(key: str, found: Sequence[Any]) -> float:
            over = len(found) if of_batch and key not in evaluate.MEANS else num
            return float(sum(np.float64(one[key]) for one in found)) / over

        of_members = zip(*map(self.members.gather, parts), strict=True)
        return [{key: mean(key, found) for key in found[0]} | size for found in of_members]

    def estimates(
        self,
        states: Each,
        name: str,
        num_samples: int,
        should_stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[int], None] = lambda done: None,
    ) -> list[tuple[Estimate, np.ndarray]]:
        """Returns, for every member, the estimates of each example of a split and its mean squared error.

        Raises:
            Stopped: where `should_stop` turned true between two batches.
        """
        num, parts = len(self._rows[name]), []
        pending: Any = None
        self._evaluation_ready()
        for index, _ in self._estimate_batches(name, num_samples):
            if should_stop():
                raise evaluate.Stopped
            about = (self.recipes, states, self.preparation, self.splits[name], index, _place(name))
            now = self.members(evaluate.estimate_batch, *about, num_samples=num_samples, products=self.products)
            if pending is not None:  # read while the next batch is computed
                parts.append(self._gathered(pending))
                on_batch(min(len(parts) * len(index), num))
            pending = now
        parts.append(self._gathered(pending))
        on_batch(num)
        return [jax.tree.map(lambda *a: np.concatenate(a)[:num], *of_member) for of_member in zip(*parts, strict=True)]

    def decompositions(self, states: Each, name: str) -> list[Decomposition] | None:
        """Returns every member's parts of the rate on a split, a draw an entry; None where no dimension has its own."""
        if not self._factorized:
            return None
        self._evaluation_ready()
        draws, block = self._mixture(name)
        arguments = self._split_arguments(states, name)
        parts = self.members(evaluate.decompose_split, *arguments, num_draws=draws, block=block, products=self.products)
        return self.members.gather(parts)

    @property
    def _factorized(self) -> bool:
        model = self.recipe.model
        return model.posterior.distribution.factorized and model.prior.distribution.factorized

    def _mixture(self, name: str) -> tuple[int, int]:
        """Returns how many draws to take, and how many of them to score at once: under every posterior of the split."""
        num = len(self._rows[name])
        size = num * self.recipe.model.latent_dim * self.members.at_once
        return min(num, evaluate.MIXTURE_DRAWS), max(1, evaluate.MIXTURE_VALUES // size)

    def _split_arguments(self, states: Each, name: str) -> tuple[Any, ...]:
        return self.recipes, states, self.preparation, self.splits[name], _place(name)

    def _gathered(self, results: tuple[Each, Each]) -> Iterator[Any]:
        return zip(*map(self.members.gather, results), strict=True)

    def scatter(self, states: Sequence[TrainState]) -> Each:
        """Returns states on the devices; what came stays the caller's."""
        return self.members.scatter([jax.tree.map(np.asarray, state) for state in states])

    def gather(self, states: Each) -> list[TrainState]:
        """Returns every member's state on the host."""
        return self.members.gather(states)


def program_of(recipe: Recipe) -> Any:
    """Returns what two recipes share if and only if one compiled program serves both: structure, shapes, types."""
    leaves, structure = jax.tree.flatten(canonical(recipe))
    return structure, tuple((np.shape(leaf), np.asarray(leaf).dtype.name) for leaf in leaves)


def _place(name: str) -> np.int32:
    """Returns a split's place among those that draw noise of their own; a number, so that it compiles nothing."""
    return np.int32(SPLITS.index(name))


def _bytes(need: Any) -> int:
    """Returns what a compiled program needs: what donated arguments and results share counts once."""
    sizes = need.argument_size_in_bytes + need.output_size_in_bytes - need.alias_size_in_bytes
    return sizes + need.temp_size_in_bytes + need.generated_code_size_in_bytes
