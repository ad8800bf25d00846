"""A model over the rows of a file, in memory that does not grow with it."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from vaex import _check
from vaex._check import VaexError
from vaex.data.opened import Opened
from vaex.evaluation.sinks import is_table, written
from vaex.loaded import LoadedModel, scored_at_once
from vaex.metrics.nll import LOW_ESS, LOW_SHARE
from vaex.training.evaluate import BATCH, Stopped

WHAT = ("codes", "reconstructions", "samples", "log_prob", "ess")
OF_ROWS = tuple(name for name in WHAT if name != "samples")

Rows = Float[np.ndarray, "N ..."]


@dataclass(frozen=True)
class Asked:
    """What is to be written."""

    what: tuple[str, ...] = ("codes",)
    num_samples: int | None = None  # of the model; None: as many as the file has rows
    nll_num_samples: int = 500  # K of log p(x)
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `VaexError` for what nobody can write."""
        if not self.what:
            raise VaexError(f"what: expected some of {', '.join(WHAT)}, got none; type what=codes")
        for name in self.what:
            _check.one_of("what", name, WHAT)
        if len(set(self.what)) < len(self.what):
            raise VaexError(f"what: expected each once, got {', '.join(self.what)}")
        if self.num_samples is not None:
            _check.whole("num_samples", self.num_samples)
            if "samples" not in self.what:
                raise VaexError(f"num_samples={self.num_samples} is of samples; add them to what, or leave it out")
        _check.whole("nll_num_samples", self.nll_num_samples)
        _check.seed("seed", self.seed)

    @property
    def of_rows(self) -> bool:
        """Whether anything asked for needs the file."""
        return any(name in OF_ROWS for name in self.what)


class Applied(NamedTuple):
    """What was written."""

    counts: dict[str, int]  # rows by array
    means: dict[str, float]  # of log_prob and ess
    warnings: list[str]


def apply(
    model: LoadedModel,
    rows: Opened | None,
    asked: Asked,
    out: Path,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda done: None,
) -> Applied:
    """Writes what was asked for, row by row as the file has them, and returns how much that was.

    Codes, reconstructions and log p(x) are bit for bit those of `model.compress(x)`, `model.reconstruct(x)` and
    `model.log_prob(x)` on the whole file. Every mistake in the file is found before the first number.

    Args:
        model: a run's.
        rows: the file; None where only samples are asked for.
        asked: what.
        out: the file to write, which `check_out` has accepted; whole or absent however this ends.
        should_stop: read between blocks.
        progress: is told how many rows are done.

    Raises:
        VaexError: where the rows do not fit the model, or the file cannot be written.
        Stopped: where `should_stop` turned true.
    """
    counts = _counts(rows, asked, out)
    if {"log_prob", "ess"} & set(asked.what):
        model.check_density()
    if rows is not None:
        _check_rows(model, rows, should_stop)
    weights = _Weights(asked.nll_num_samples)
    with written(out, counts) as write:
        for first, block in _blocks(model, rows, asked, counts):
            if should_stop():
                raise Stopped
            write({name: block[name] for name in asked.what if name in block})
            weights.add(block)
            progress(min(first + BATCH, max(counts.values())))
    return Applied(counts, weights.means(), weights.warnings())


def _counts(rows: Opened | None, asked: Asked, out: Path) -> dict[str, int]:
    num = len(rows or ())
    samples = asked.num_samples or num
    if not num and asked.of_rows:
        raise VaexError(f"data.path: {', '.join(asked.what)} are of a file's rows; type data.path=FILE")
    if not samples:
        raise VaexError("num_samples: how many samples? type num_samples=1000, or data.path=FILE for one a row")
    if samples != num and asked.of_rows and is_table(out):
        raise VaexError(
            f"num_samples={samples}: {out.suffix} has one row for each of the {num} examples; leave num_samples out, "
            f"or type out={out.with_suffix('.npz')}"
        )
    return {name: samples if name == "samples" else num for name in asked.what}


def _check_rows(model: LoadedModel, rows: Opened, should_stop: Callable[[], bool]) -> None:
    """Raises `VaexError`, naming the rows, where the model cannot take them."""
    expected, got = model.model.event_shape, rows.shape[1:]
    if got != expected and (*got, 1) != expected:
        same = f"; save x.reshape(-1, {', '.join(map(str, expected))})" if math.prod(got) == math.prod(expected) else ""
        raise VaexError(f"{rows.name}: expected {_sizes(expected)} as the run was trained on, got {_sizes(got)}{same}")
    for first in range(0, len(rows), BATCH):
        if should_stop():
            raise Stopped
        where = f"{rows.name}, rows {first} to {min(first + BATCH, len(rows)) - 1}"
        _check_support(model, np.asarray(model.prepared(rows[first : first + BATCH])), where)


def _check_support(model: LoadedModel, x: Rows, where: str) -> None:
    likelihood = model.model.likelihood
    expected, outside, _ = likelihood.domain()
    bad = x[outside(x)]
    if bad.size:
        fix = "prepare the file as the data that the run was trained on"
        if likelihood.support == "binary":
            fix = "the run has seen binarized data: binarize them as there, for example (x > 0.5).astype(np.float32)"
        raise VaexError(
            f"{where}: the run's likelihood={likelihood.name} takes {expected}, got {bad.flat[0]:.6g} as it sees "
            f"the data ({bad.size} of {x.size} values do not fit); {fix}"
        )


def _sizes(event_shape: tuple[int, ...]) -> str:
    """Returns `N x 5 (5 columns)`, `N x 8 x 8 x 1`."""
    columns = f" ({event_shape[0]} columns)" if len(event_shape) == 1 else ""
    return " x ".join(["N", *map(str, event_shape)]) + columns


def _blocks(
    model: LoadedModel, rows: Opened | None, asked: Asked, counts: Mapping[str, int]
) -> Iterator[tuple[int, dict[str, Rows]]]:
    """Yields the number of each block's first row, and its arrays."""
    num = len(rows or ())
    scored = min(scored_at_once(asked.nll_num_samples), num)
    for first in range(0, max(counts.values()), BATCH):
        block: dict[str, Rows] = {}
        if rows is not None and first < num:
            x = rows[first : first + BATCH]
            whole = _filled(x, min(BATCH, num))
            if "codes" in asked.what:
                block["codes"] = model.compress(whole)[: len(x)]
            if "reconstructions" in asked.what:
                block["reconstructions"] = model.reconstruct(whole)[: len(x)]
            if {"log_prob", "ess"} & set(asked.what):
                found = model.log_prob_and_ess(_filled(x, scored), asked.nll_num_samples, asked.seed, first)
                block["log_prob"], block["ess"] = (array[: len(x)] for array in found)
        if first < counts.get("samples", 0):
            size, total = min(BATCH, counts["samples"] - first), min(BATCH, counts["samples"])
            block["samples"] = model.sample(total, asked.seed, first=first)[:size]
        yield first, block


def _filled(x: Rows, size: int) -> Float[np.ndarray, "M ..."]:
    """Returns the rows in whole device calls of `size`, the last one filled up: another shape would round otherwise."""
    return x[np.minimum(np.arange(-(-len(x) // size) * size), len(x) - 1)]


class _Weights:
    """What the importance weights of all rows say together, in a few numbers."""

    def __init__(self, num_samples: int):
        self._num_samples, self._rows, self._low = num_samples, 0, 0
        self._sums: dict[str, float] = {}

    def add(self, block: Mapping[str, Rows]) -> None:
        """Takes note of a block."""
        for name in ("log_prob", "ess"):
            if name in block:
                self._sums[name] = self._sums.get(name, 0.0) + float(np.sum(block[name], dtype=np.float64))
        if "ess" in block:
            self._rows += len(block["ess"])
            self._low += int(np.sum(block["ess"] < LOW_ESS))

    def means(self) -> dict[str, float]:
        """Returns the mean log p(x) in nats, and effective sample size."""
        return {name: total / self._rows for name, total in self._sums.items()}

    def warnings(self) -> list[str]:
        """Returns a warning where too many rows hang on a few draws."""
        low, most = self._low / max(1, self._rows), self._num_samples
        if low <= LOW_SHARE:
            return []
        return [
            f"log_prob: lower bounds, not to be trusted as estimates: {low:.1%} of the rows have an effective sample "
            f"size below {LOW_ESS:g} of {most} draws; type nll_num_samples={10 * most}; ess in what says which"
        ]
