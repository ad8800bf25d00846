"""What every data set shares: read, split, binarize, rescale, and refuse what the likelihood cannot score."""

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vaex import _check
from vaex._check import VaexError
from vaex.data.content import fingerprint
from vaex.data.moments import Moments, beyond_float32, moments, prepared_stats, rescaling, spread_over_a_level
from vaex.data.preparation import Preparation
from vaex.data.rows import Examples, InMemory, Rows, is_mapped
from vaex.data.splits import Splits, binarize, clip_to_training, dequantize, generator, limits, rescaled_on_host, split
from vaex.data.support import check_exact, check_noise, check_support
from vaex.data.units import warnings_of
from vaex.likelihoods import Likelihood
from vaex.typing import Stats

BINARIZE = ("auto", "none", "threshold", "static", "dynamic")
DEQUANTIZE = ("auto", "none", "uniform")
RESCALE = ("none", "minmax", "standardize")
STREAM = ("auto", True, False)


class Raw(NamedTuple):
    """What a source holds, before splitting; real numbers in any type, as they were written."""

    train: Examples
    test: InMemory | None = None  # None: to be split off
    validation: InMemory | None = None
    levels: int | None = None  # whole 0..levels-1, given as stored / (levels - 1) in [0, 1]; None: real numbers
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # the names of the values of a vector, where they have some
    content: str | None = None  # a hash of the numbers, where the name does not say which data these are


class _Plan(NamedTuple):
    """What is to become of what is stored."""

    mode: str  # of binarization
    dequantized: bool
    divisor: float  # given = stored / divisor
    counts: bool  # the model sees the levels themselves
    real: bool  # real numbers, not levels

    @property
    def unit(self) -> float:
        """What is stored divided by this is what the model's x is made of."""
        return 1.0 if self.counts else self.divisor

    def log_cell(self, likelihood: Likelihood) -> float | None:
        """Returns `Dataset.log_cell`."""
        if not likelihood.is_density:
            return None
        return 0.0 if likelihood.measure == "counting" else -math.log(self.divisor) if self.dequantized else None


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Arrays as stored, and how a batch of them becomes the model's x."""

    name: str
    train: Examples  # whole levels, or float32 (rescaled already); [N, D] or [N, H, W, C]; `Rows` where it streams
    validation: InMemory | None
    test: InMemory
    preparation: Preparation
    stats: Stats  # of the prepared training split
    notes: tuple[str, ...]  # what was done, for the log
    seed: int  # order of the batches, and noise of dynamic binarization
    measure: str | None  # numbers may be ranked only where it agrees; None where the likelihood is no density
    event_shape: tuple[int, ...]
    levels: int | None  # x is k / (levels - 1); None where it is no level
    binarization: str  # none, threshold, static or dynamic; of validation and test once, from `data.split_seed`
    # log of the volume that one discrete value fills in each dimension: 0 for a probability, -log levels for a density
    # of dequantized levels in [0, 1]; None where bits per dimension mean nothing
    log_cell: float | None
    sha256: str  # of the arrays before rescaling, in hex; of a split that streams, of its size and some of its rows
    content: str | None = None  # the hash in `measure`, where there is one
    exact: bool = False  # rescaled from numbers that float32 does not hold
    warnings: tuple[str, ...] = ()  # what the log says loudly

    def __repr__(self) -> str:
        sizes = f"{len(self.train)} for training, {len(self.test)} for testing"
        return f"Dataset({self.name}, {sizes}, examples {self.event_shape})"

    @property
    def streams(self) -> bool:
        """Whether the training split stays on disk."""
        return isinstance(self.train, Rows)

    @property
    def is_image(self) -> bool:
        """Whether an example is H x W x C."""
        return len(self.event_shape) == 3


@dataclass(frozen=True, kw_only=True)
class Data(ABC):
    """A data set and how it is to be prepared; final subclasses say how it is read."""

    seed: int = 0  # order of the batches, and noise of dynamic binarization
    split_seed: int = 0  # splits, and the binarization of what is binarized once
    test_fraction: float = 0.2  # of what has no test split of its own
    validation_fraction: float = 0.0  # of what has no validation split of its own
    binarize: str = "auto"
    dequantize: str = "auto"  # uniform: x = (k + u) / levels, u ~ U(0, 1)
    rescale: str = "none"  # learned on the training split, undone on output
    flatten: bool = False  # N x H x W x C becomes N x D vectors
    clip: bool = False  # to [0, 1] after rescale=minmax: to the training split's range
    stream: str | bool = "auto"  # whether the training split is read batch by batch; auto: from 1 GiB on, from files

    def __post_init__(self) -> None:
        """Raises `VaexError` for options that no data set accepts."""
        _check.seed("data.seed", self.seed)
        _check.seed("data.split_seed", self.split_seed)
        for name in ("test_fraction", "validation_fraction"):
            value = getattr(self, name)
            if not (_check.is_number(value) and 0 <= value < 1):
                raise VaexError(f"data.{name}: expected a number in [0, 1), got {value!r}; for example data.{name}=0.2")
        _check.one_of("data.binarize", self.binarize, BINARIZE)
        _check.one_of("data.dequantize", self.dequantize, DEQUANTIZE)
        _check.one_of("data.rescale", self.rescale, RESCALE)
        _check.one_of("data.stream", self.stream, STREAM)
        for name in ("flatten", "clip"):
            if not isinstance(getattr(self, name), bool):
                raise VaexError(f"data.{name}: expected true or false, got {getattr(self, name)!r}")
        if self.clip and self.rescale != "minmax":
            raise VaexError(
                "data.clip=true clips to the range that data.rescale=minmax learns, but got "
                f"data.rescale={self.rescale}; type data.rescale=minmax or data.clip=false"
            )
        if self.binarize not in ("auto", "none") and self.rescale != "none":
            raise VaexError(
                f"data.binarize={self.binarize} leaves nothing for data.rescale={self.rescale} to learn; "
                "type data.rescale=none or data.binarize=none"
            )

        if self.dequantize == "uniform" and self.binarize not in ("auto", "none"):
            raise VaexError(
                f"data.dequantize=uniform spreads levels out and data.binarize={self.binarize} leaves none; "
                "type data.binarize=none or data.dequantize=none"
            )

    @property
    @abstractmethod
    def name(self) -> str:
        """What the data set is called in messages and in `data_measure`."""

    @abstractmethod
    def read(self) -> Raw:
        """Returns what the source holds, before splitting."""

    def load(self, likelihood: Likelihood) -> Dataset:
        """Returns the arrays, prepared for `likelihood`.

        Raises:
            VaexError: where the data cannot be read or split, or lie outside the likelihood's support.
        """
        raw = self._placed(self.read())
        event_shape = _event_shape(self.name, raw)
        if self.flatten:
            raw, event_shape = _flat(raw), (math.prod(event_shape),)
        plan = self._plan(raw, likelihood)
        splits, clipped = self._changed(raw, plan, likelihood)
        of_train = moments(splits.train, plan.unit)
        warnings = self._warnings(raw, plan, splits, of_train, likelihood)
        if plan.dequantized:
            of_train = spread_over_a_level(of_train, plan.divisor)
        rescaled = rescaling(of_train, self.rescale, np.float64 if plan.real else np.float32)
        if plan.dequantized:
            check_noise(self.name, of_train, rescaled.shift, plan.divisor)
        sha256 = fingerprint(splits, np.float32 if plan.real else None)
        splits = rescaled_on_host(splits, rescaled.of) if plan.real else splits
        preparation = Preparation(
            *rescaled,
            divisor=plan.divisor,
            dynamic=plan.mode == "dynamic",
            dequantize=plan.dequantized,
            binary=plan.mode != "none" or likelihood.support == "binary",
            counts=plan.counts,
            rescaled=plan.real and self.rescale != "none",
        )
        levels = 2 if plan.mode != "none" else None if plan.dequantized else raw.levels
        with self._fixing(raw, likelihood):
            likelihood = likelihood.at_levels(levels)
            check_support(self.name, splits, preparation, self.rescale, likelihood)
        return Dataset(
            name=self.name,
            train=splits.train,
            validation=splits.validation,
            test=splits.test,
            preparation=preparation,
            stats=prepared_stats(of_train, rescaled, dynamic=preparation.dynamic),
            notes=self._notes(raw, plan.mode, likelihood, clipped, plan.dequantized),
            seed=self.seed,
            measure=self._measure(raw, plan.mode, likelihood, plan.dequantized),
            event_shape=event_shape,
            levels=levels,
            binarization=plan.mode,
            log_cell=plan.log_cell(likelihood),
            sha256=sha256,
            content=raw.content,
            exact=preparation.rescaled and beyond_float32(of_train),
            warnings=warnings,
        )

    def _plan(self, raw: Raw, likelihood: Likelihood) -> "_Plan":
        mode, dequantized = self._binarization(raw, likelihood), self._dequantized(raw, likelihood)
        divisor = 1.0 if raw.levels is None else float(raw.levels if dequantized else raw.levels - 1)
        # A model of counts sees the levels themselves, and the user the grey values that they are given as.
        counts = likelihood.support == "counts" and raw.levels is not None and (mode, self.rescale) == ("none", "none")
        return _Plan(mode, dequantized, divisor, counts, raw.levels is None)

    def _changed(self, raw: Raw, plan: "_Plan", likelihood: Likelihood) -> tuple[Splits, dict[str, str]]:
        """Returns the splits after all that changes what is stored, but for a rescaling; and what was clipped."""
        splits = split(
            self.name,
            raw.train,
            raw.validation,
            raw.test,
            split_seed=self.split_seed,
            test_fraction=self.test_fraction,
            validation_fraction=self.validation_fraction,
        )
        if plan.mode != "none":
            with self._fixing(raw, likelihood):
                splits = self._binarized(splits, plan.mode, plan.divisor)
        check_exact(self.name, splits, likelihood)
        if plan.dequantized:
            splits = dequantize(self.name, splits, self.split_seed)
        return clip_to_training(splits) if self.clip else (splits, {})

    def _warnings(
        self, raw: Raw, plan: "_Plan", splits: Splits, of_train: Moments, likelihood: Likelihood
    ) -> tuple[str, ...]:
        found = warnings_of(
            self.name,
            raw.columns,
            splits,
            of_train,
            divisor=plan.unit,
            rescale=self.rescale,
            real=likelihood.support == "real",
        )
        return (*raw.warnings, *found)

    @contextlib.contextmanager
    def _fixing(self, raw: Raw, likelihood: Likelihood) -> Iterator[None]:
        """Gives a refusal of the values another line to type, where the source knows a better one."""
        try:
            yield
        except VaexError as error:
            fix = self._fix(raw, likelihood)
            if fix is None:
                raise
            raise VaexError(f"{str(error).partition('; ')[0]}; {fix}") from None

    def _fix(self, raw: Raw, likelihood: Likelihood) -> str | None:
        """Returns what to type where the likelihood has no use for the values, or None where it knows best."""
        del raw, likelihood
        return None

    def _placed(self, raw: Raw) -> Raw:
        """Returns the source with its training split on disk, or in memory, as asked; the other splits in memory."""
        streams = is_mapped(raw.train) if self.stream == "auto" else self.stream
        train = raw.train if isinstance(raw.train, Rows) else Rows(raw.train)
        if streams and (self.clip or self.binarize in ("static", "threshold")):
            what = "data.clip=true" if self.clip else f"data.binarize={self.binarize}"
            raise VaexError(
                f"{what} changes the stored training split, and that of {self.name} is read from disk batch by batch; "
                "type data.stream=false where it fits into memory, or data.binarize=dynamic for {0, 1}"
            )
        test, validation = (None if split is None else np.asarray(split) for split in (raw.test, raw.validation))
        return raw._replace(
            train=train if streams else np.array(raw.train) if is_mapped(raw.train) else raw.train,
            test=test,
            validation=validation,
        )

    def _binarization(self, raw: Raw, likelihood: Likelihood) -> str:
        if self.binarize != "auto":
            return self.binarize
        # Only sources of known grey levels are prepared unasked, and never against an explicit rescaling.
        grey = raw.levels is not None and raw.levels > 2
        asked_for_nothing = grey and self.rescale == "none" and self.dequantize != "uniform"
        return "dynamic" if asked_for_nothing and likelihood.support == "binary" else "none"

    def _dequantized(self, raw: Raw, likelihood: Likelihood) -> bool:
        if self.dequantize != "auto":
            return self.dequantize == "uniform"
        asked_for_nothing = raw.levels is not None and self.binarize in ("auto", "none")
        return asked_for_nothing and likelihood.support == "open_unit_interval"

    def _binarized(self, splits: Splits, mode: str, divisor: float) -> Splits:
        def once(stored: Any, kind: str) -> Any:
            low, high = (float(f(a)) / divisor for f, a in zip((np.min, np.max), limits(stored), strict=True))
            if low < 0 or high > 1:
                raise VaexError(
                    f"data.binarize={mode} expects values in [0, 1], but {self.name}, {kind} split reaches from "
                    f"{low:.6g} to {high:.6g}; type data.rescale=none data.levels=256 for 8-bit images of your own, or "
                    "data.binarize=none with a likelihood on the real line, such as likelihood=gaussian"
                )
            if mode == "dynamic" and kind == "training":
                return stored  # stays grey: drawn afresh inside the training step
            rng = None if mode == "threshold" else generator(self.split_seed, kind[:8])
            return binarize(stored, divisor=divisor, rng=rng)

        validation = None if splits.validation is None else once(splits.validation, "validation")
        return Splits(once(splits.train, "training"), validation, once(splits.test, "test"))

    def _notes(
        self, raw: Raw, mode: str, likelihood: Likelihood, clipped: dict[str, str], dequantized: bool
    ) -> tuple[str, ...]:
        what = self.name if raw.levels is None else f"{self.name}: {raw.levels} grey levels"
        onto = mode if mode != "none" else "uniform dequantization" if dequantized else ""
        if not onto and raw.levels is not None:
            onto = f"counts 0 to {raw.levels - 1}" if likelihood.support == "counts" else "[0, 1]"
        notes = list(raw.notes)
        if isinstance(raw.train, Rows):
            size = f"{raw.train.nbytes / 2**30:.2f} GiB"
            notes.append(f"{self.name}: the training split ({size}) is read from disk, batch by batch")
        if onto:
            notes.append(f"{what}{' ->' if raw.levels else ':'} {onto}, for likelihood={likelihood.name}")
        if self.rescale != "none":
            notes.append(f"{self.name}: data.rescale={self.rescale}, learned on the training split, undone on output")
        for kind, count in clipped.items():
            what = f"{count} values of the {kind} split clipped to the training range"
            notes.append(f"{self.name}: data.clip=true, {what}")
        return tuple(notes)

    def _measure(self, raw: Raw, mode: str, likelihood: Likelihood, dequantized: bool) -> str | None:
        if not likelihood.is_density:
            return None
        counting = likelihood.measure == "counting"
        # Levels k and fractions k / (levels - 1) have the same probabilities, and not the same densities.
        levels = "" if raw.levels is None else f", {raw.levels} grey levels" if counting else " in [0, 1]"
        what = f", {mode} binarization" if mode != "none" else ", uniform dequantization" if dequantized else levels
        # Rescaling does not show: the numbers include its Jacobian, so they are of the data as given. Clipping does.
        clipped = ", clipped to the training range" if self.clip and mode == "none" else ""
        kind = "counting" if counting else "Lebesgue"
        # The user's own files may share a name: the hash of their numbers tells them apart.
        name = self.name if raw.content is None else f"{self.name}#{raw.content}"
        return f"{name}{what}{clipped}{likelihood.condition}, {kind} measure"


def _flat(raw: Raw) -> Raw:
    splits = {name: getattr(raw, name) for name in ("train", "test", "validation")}
    return raw._replace(**{name: None if a is None else a.reshape(len(a), -1) for name, a in splits.items()})


def _event_shape(name: str, raw: Raw) -> tuple[int, ...]:
    event_shape = raw.train.shape[1:]
    for kind, array in (("training", raw.train), ("validation", raw.validation), ("test", raw.test)):
        if array is not None and len(array) < 1:
            raise VaexError(f"{name}: expected at least one {kind} example, got none")
        if array is not None and array.shape[1:] != event_shape:
            raise VaexError(
                f"{name}: expected examples of one shape, but the training split has {event_shape} "
                f"and the {kind} split {array.shape[1:]}"
            )
    return event_shape
