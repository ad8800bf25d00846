"""Where the values of a key lie on an axis."""

import math
from itertools import pairwise
from typing import Any

from vaex.sweep.results import as_number
from vaex.sweep.settings import short, spelled

_TICKS = 12  # at most as many values have a tick each
_DECADE = 10.0


def position(values: list[str], *, numeric: bool) -> dict[str, float]:
    """Returns where each value lies: its number, or for words its place in their order."""
    if not numeric:
        return {value: float(place) for place, value in enumerate(values)}
    return {value: as_number(value) or 0.0 for value in values}


def logarithmic(numbers: list[float]) -> bool:
    """Whether the numbers are above 0 and span a decade."""
    return min(numbers) > 0 and max(numbers) >= _DECADE * min(numbers)


def place_ticks(axes: Any, places: dict[str, float], *, numeric: bool) -> None:
    """Makes the axis logarithmic where that fits, and ticks each value where they are few and far enough apart."""
    if not numeric:
        names = [short(value) for value in places]
        turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if sum(map(len, names)) > 48 else {}
        axes.set_xticks(list(places.values()), names, **turned)
        return
    numbers = sorted(set(places.values()))
    log = logarithmic(numbers)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: spelled(value))
    shown = [math.log(number) if log else number for number in numbers]
    gaps = [after - before for before, after in pairwise(shown)]
    if len(numbers) <= _TICKS and (not gaps or min(gaps) >= (shown[-1] - shown[0]) / 12):
        typed = {number: short(value) for value, number in places.items()}
        axes.set_xticks(numbers, [typed[number] for number in numbers])
        axes.minorticks_off()
