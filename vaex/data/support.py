"""Refuses, before the first step, data that the likelihood cannot score."""

import numpy as np

from vaex._check import VaexError
from vaex.data.moments import Moments
from vaex.data.preparation import Preparation
from vaex.data.splits import Examples, Splits, chunks
from vaex.likelihoods import Likelihood

_WHOLE = 2**24  # whole numbers up to here are exact in float32
_NOISY = 2**20  # levels up to here have three bits and more of noise


def check_support(name: str, splits: Splits, preparation: Preparation, rescale: str, likelihood: Likelihood) -> None:
    """Raises `VaexError` unless the likelihood can score every split as the model will see it."""
    after = "" if rescale == "none" else f" after data.rescale={rescale}"
    for kind, stored in zip(("training", "validation", "test"), splits, strict=True):
        if stored is None:
            continue
        where = f"{name}, {kind} split{after}"
        try:
            if preparation.dynamic and kind == "training":
                likelihood.check_support(np.array([0, 1], np.float32), where)  # all that the draws can be
                continue
            # Where noise of one level is added in training: the ends of what the draws can be.
            ends = (2.0**-16, 1 - 2.0**-16) if preparation.dequantize and kind == "training" else (0.0,)
            for rows in chunks(stored):
                part = _where(where, stored, rows)
                for end in ends:
                    x = preparation(preparation.spread(stored[rows], np.float32(end)))
                    likelihood.check_support(np.asarray(x), part)
        except VaexError as error:
            raise VaexError(f"{error}{_hint(rescale, kind)}") from None


def _hint(rescale: str, kind: str) -> str:
    if rescale == "none":
        return ""
    if rescale == "minmax" and kind != "training":
        return (
            "; min-max is learned on the training split and nothing is clipped, so values of other splits may "
            "leave [0, 1]; type data.clip=true to clip them"
        )
    return f"; data.rescale={rescale} was asked for, and data.rescale=none leaves the data as given"


def check_exact(name: str, splits: Splits, likelihood: Likelihood) -> None:
    """Raises `VaexError` where a count is so large that float32 would round it, before it is."""
    if likelihood.support != "counts":
        return
    for kind, given in zip(("training", "validation", "test"), splits, strict=True):
        for rows in () if given is None else chunks(given):
            largest = given[rows].max()  # type: ignore[index]
            if largest > _WHOLE:
                raise VaexError(
                    f"likelihood={likelihood.name} expects whole numbers of at most 2^24 = {_WHOLE}, since float32 "
                    f"rounds larger ones, but {_where(f'{name}, {kind} split', given, rows)} holds {largest:.17g}; "
                    "type likelihood=gaussian data.rescale=standardize, or count in larger units"
                )


def check_noise(name: str, of_train: Moments, shift: np.ndarray | np.floating, divisor: float) -> None:
    """Raises `VaexError` where float32 has no room for noise of one level beside the level."""
    reach = divisor * float(np.max(np.maximum(np.abs(of_train.high - shift), np.abs(of_train.low - shift))))
    if reach > _NOISY:
        raise VaexError(
            f"data.dequantize=uniform adds noise of one level, for which float32 has room up to {_NOISY}, but {name} "
            f"reaches {reach:.9g}{'' if np.any(shift) else ' from 0'}; type data.dequantize=none, or "
            "data.rescale=standardize where the values vary by less"
        )


def _where(where: str, stored: Examples | None, rows: slice) -> str:
    whole = stored is not None and rows == slice(0, len(stored))
    return where if whole else f"{where}, rows {rows.start} to {rows.stop - 1}"
