"""Refuses, before the first step, data that the likelihood cannot score."""

import numpy as np

from vaex._check import VaexError
from vaex.data.preparation import Preparation
from vaex.data.splits import Splits, chunks
from vaex.likelihoods import Likelihood


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
                part = where if rows == slice(0, len(stored)) else f"{where}, rows {rows.start} to {rows.stop - 1}"
                for end in ends:
                    likelihood.check_support(np.asarray(preparation(stored[rows] + np.float32(end))), part)
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
