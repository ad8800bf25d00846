"""The table of a sweep: one row a setting, seeds averaged with their spread."""

import math
import statistics
from collections.abc import Sequence

from vaex.sweep.results import Result
from vaex.sweep.settings import Comparison, Panel, Setting, arrange, deviation, short

NUMBERS = ("elbo", "nll", "rate", "distortion", "mse")


def table(results: list[Result]) -> str:
    """Returns `text` of results that are not arranged yet."""
    return text(arrange(results))


def text(comparison: Comparison) -> str:
    """Returns a text table: the swept keys but the seed, then means over seeds +- their standard deviation.

    Numbers are nats per datum on the test split; settings whose `data_measure` differs stand in tables of their own,
    since their numbers cannot be ranked together.
    """
    parts = []
    for panel in comparison.panels:
        if len(comparison.panels) > 1:
            parts.append(f"{panel.measure}:")
        parts.append(_aligned([header(comparison), *rows(comparison, panel)]))
    return "\n".join(parts)


def header(comparison: Comparison) -> list[str]:
    """Returns the names of the columns."""
    return [
        *(comparison.names[key] for key in comparison.keys),
        "n",
        *NUMBERS,
        *map(comparison.titled, comparison.headlines),
        "active",
        "status",
    ]


def rows(comparison: Comparison, panel: Panel) -> list[list[str]]:
    """Returns one row of text a setting."""
    return [_row(comparison, setting) for setting in panel.settings]


def _row(comparison: Comparison, setting: Setting) -> list[str]:
    values = [short(setting.values[key]) for key in comparison.keys]
    numbers = [_cell(setting, name) for name in (*NUMBERS, *comparison.headlines)]
    active = _cell(setting, "active_units", places=1)
    return [*values, str(len(setting.completed)), *numbers, active, setting.statuses]


def _cell(setting: Setting, name: str, places: int | None = None) -> str:
    """A number over the completed jobs, and of how many of them where some have none or one that is not finite."""
    values, num = setting.numbers(name), len(setting.completed)
    return spread(values, places) + (f" ({len(values)} of {num})" if 0 < len(values) < num else "")


def spread(values: Sequence[float], places: int | None = None) -> str:
    """Returns the mean +- the standard deviation over seeds, to four digits; the mean alone where there is one seed."""
    if not values:
        return "-"
    mean = statistics.fmean(values)
    if places is None:
        places = max(0, 3 - math.floor(math.log10(max(abs(mean), 0.1))))
    return f"{mean:.{places}f}" + (f" +- {deviation(values):.{places}f}" if len(values) > 1 else "")


def _aligned(lines: list[list[str]]) -> str:
    lines = [list(map(_visible, line)) for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in lines)


def _visible(cell: str) -> str:
    """Returns the cell with codes that a terminal would obey spelled out."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cell)
