"""Whether the first row of a table is an example: column names may be numbers, too."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from vaex._check import VaexError

_LABELS = re.compile(r"(class(es)?|labels?|targets?|y|ids?|index|idx|rows?|row_?names?|unnamed: 0|.*[ _]id)", re.I)
_FEWEST = 3  # rows below the first one, without which nothing is out of the ordinary
_FAR = 10.0  # ranges of the other rows by which the first row lies outside all of them
_COMPARED = 1000  # rows


def refuse_unclear(name: str, row: int, table: Float64[np.ndarray, "N D"]) -> None:
    """Raises `VaexError` where the first row looks like column names that are numbers.

    The reader is asked, since a wrong guess would either train on a header or lose an example.
    """
    why = _unlike_an_example(table[0], table[1 : 1 + _COMPARED])
    if why:
        raise VaexError(_asked(name, row, table[0], why))


def refuse_numbers(name: str, row: int, rest: Float64[np.ndarray, "N D"]) -> None:
    """Raises `VaexError` where the first row is 0, 1, 2, ... and rows below are such a run of numbers, too."""
    if rest.shape[1] > 1 and _evenly_spaced(rest[:_COMPARED]).any():
        raise VaexError(_asked(name, row, np.arange(rest.shape[1]), "they number the columns, and a row below runs on"))


def _asked(name: str, row: int, first: np.ndarray, why: str) -> str:
    cells = [f"{value:.10g}" for value in first]
    shown = ", ".join(cells if len(cells) < 5 else [*cells[:2], "...", cells[-1]])
    return (
        f"{name}, row {row}: {shown} may be the names of the columns or an example ({why}); type data.header=true "
        "where they are names, or data.header=false where they are an example"
    )


def _unlike_an_example(first: np.ndarray, rest: np.ndarray) -> str:
    if len(rest) < _FEWEST:
        return ""
    low, high = rest.min(0), rest.max(0)
    width, gap = (high - low).max(), np.maximum(low - first, first - high)
    if width > 0 and (gap > _FAR * width).all():
        return "they lie far outside the range of the rows below"
    if len(first) >= 5 and _evenly_spaced(first[None])[0] and not _evenly_spaced(rest).any():
        return "they are evenly spaced, and no row below is"
    if len(first) >= 8 and _monotone(first[None])[0] and not _monotone(rest).any() and len(rest) >= 2 * _FEWEST:
        return "they are in order, and no row below is"
    return ""


def _evenly_spaced(rows: np.ndarray) -> np.ndarray:
    steps = np.diff(rows, axis=1)
    return (steps[:, 0] != 0) & (np.abs(steps - steps[:, :1]) <= 1e-6 * np.abs(steps[:, :1])).all(1)


def _monotone(rows: np.ndarray) -> np.ndarray:
    steps = np.diff(rows, axis=1)
    return (steps > 0).all(1) | (steps < 0).all(1)


def odd_columns(name: str, names: Sequence[str], table: Float64[np.ndarray, "N D"]) -> tuple[str, ...]:
    """Returns a warning where a column is a label or the number of the row, going by its name or its values."""
    width = table.shape[1]
    odd = [place for place in range(width) if names and _LABELS.fullmatch(names[place])]
    if len(table) > 2 and width > 1 and 0 not in odd and np.ptp(table[:, 0] - np.arange(len(table))) == 0:
        odd.insert(0, 0)
    if not odd:
        return ()
    said = ", ".join(f"column {i}" + (f" ({names[i]!r})" if names else ", the number of the row") for i in odd[:4])
    rest = [i for i in range(width) if i not in odd]
    if len(rest) > 12 and rest == list(range(rest[0], rest[-1] + 1)):
        line = f"{rest[0]}:" if rest[-1] == width - 1 else f"{rest[0]}:{rest[-1] + 1}"
    else:
        line = f"[{','.join(str(i) for i in rest)}]"
    fix = f"type data.columns={line} to leave it out" if rest else "there is no other column"
    return (f"{name}: {said} looks like a label or an id, and is modelled like every other number; {fix}",)
