"""What every data set shares: read, split, binarize, rescale, and refuse what the likelihood cannot score."""

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from vaex import _check
from vaex._check import VaexError
from vaex.data.moments import moments, prepared_stats, rescaling, spread_over_a_level
from vaex.data.preparation import Preparation
from vaex.data.rows import Examples, InMemory, Rows, is_mapped
from vaex.data.splits import Splits, binarize, clip_to_training, dequantize, generator, limits, split
from vaex.data.support import check_support
from vaex.likelihoods import Likelihood
from vaex.typing import Stats

BINARIZE = ("auto", "none", "threshold", "static", "dynamic")
DEQUANTIZE = ("auto", "none", "uniform")
RESCALE = ("none", "minmax", "standardize")
STREAM = ("auto", True, False)
_HASHED = 1000  # rows of a split that streams


class Raw(NamedTuple):
    """What a source holds, before splitting."""

    train: Examples
    test: InMemory | None = None  # None: to be split off
    validation: InMemory | None = None
    levels: int | None = None  # uint8 0..levels-1, given as stored / (levels - 1) in [0, 1]; None: real numbers
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Arrays as stored, and how a batch of them becomes the model's x."""

    name: str
    train: Examples  # uint8 levels, or float32; [N, D] or [N, H, W, C]; `Rows` where it streams
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

    def __repr__(self) -> str:
        sizes = f"{len(self.train)} for training, {len(self.test)} for testing"
        return f"Dataset({self.name}, {sizes}, examples {self.event_shape})"

    @cached_property
    def sha256(self) -> str:
        """Of the arrays as stored, in hex; of a split that streams, of its size and a thousand of its rows."""
        digest = hashlib.sha256()
        for array in (self.train, self.validation, self.test):
            if isinstance(array, Rows):
                digest.update(repr(array.shape).encode())
                array = array[np.unique(np.linspace(0, len(array) - 1, _HASHED).astype(int))]
            digest.update(b"" if array is None else np.ascontiguousarray(array).data)
        return digest.hexdigest()

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

    places: ClassVar[tuple[str, ...]] = ("path", "manual_dir", "data_dir")  # settings that are paths, where there are

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

    def seen_from(self, folder: Path) -> "Data":
        """Returns the same data with the relative paths among its settings taken from a folder."""
        typed = {name: getattr(self, name, None) for name in self.places}
        given = {name: Path(fspath(path)) for name, path in typed.items() if path and isinstance(path, (str, PathLike))}
        return replace(self, **{name: str(folder / path.expanduser()) for name, path in given.items()})

    def load(self, likelihood: Likelihood) -> Dataset:
        """Returns the arrays, prepared for `likelihood`.

        Raises:
            VaexError: where the data cannot be read or split, or lie outside the likelihood's support.
        """
        raw = self._placed(self.read())
        event_shape = _event_shape(self.name, raw)
        if self.flatten:
            raw, event_shape = _flat(raw), (math.prod(event_shape),)
        mode = self._binarization(raw, likelihood)
        dequantized = self._dequantized(raw, likelihood)
        divisor = 1.0 if raw.levels is None else float(raw.levels if dequantized else raw.levels - 1)
        # A model of counts sees the levels themselves, and the user the grey values that they are given as.
        counts = likelihood.support == "counts" and raw.levels is not None and (mode, self.rescale) == ("none", "none")
        splits = split(
            self.name,
            raw.train,
            raw.validation,
            raw.test,
            split_seed=self.split_seed,
            test_fraction=self.test_fraction,
            validation_fraction=self.validation_fraction,
        )
        if mode != "none":
            splits = self._binarized(splits, mode, divisor)
        if dequantized:
            splits = dequantize(self.name, splits, self.split_seed)
        splits, clipped = clip_to_training(splits) if self.clip else (splits, {})
        of_train = moments(splits.train, 1.0 if counts else divisor)
        if dequantized:
            of_train = spread_over_a_level(of_train, divisor)
        rescaled = rescaling(of_train, self.rescale)
        dynamic = mode == "dynamic"
        binary = mode != "none" or likelihood.support == "binary"
        preparation = Preparation(
            *rescaled, divisor=divisor, dynamic=dynamic, dequantize=dequantized, binary=binary, counts=counts
        )
        levels = 2 if mode != "none" else None if dequantized else raw.levels
        likelihood = likelihood.at_levels(levels)
        check_support(self.name, splits, preparation, self.rescale, likelihood)
        counting = likelihood.is_density and likelihood.measure == "counting"
        return Dataset(
            name=self.name,
            train=splits.train,
            validation=splits.validation,
            test=splits.test,
            preparation=preparation,
            stats=prepared_stats(of_train, rescaled, dynamic=dynamic),
            notes=self._notes(raw, mode, likelihood, clipped, dequantized),
            seed=self.seed,
            measure=self._measure(raw, mode, likelihood, dequantized),
            event_shape=event_shape,
            levels=levels,
            binarization=mode,
            log_cell=0.0 if counting else -math.log(divisor) if dequantized and likelihood.is_density else None,
        )

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
                    f"{low:.6g} to {high:.6g}; divide them beforehand (8-bit images by 255), or type "
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
        return f"{self.name}{what}{clipped}{likelihood.condition}, {kind} measure"


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
