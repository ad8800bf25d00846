"""The table: what was measured, beside which rival, against which goal."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio ours / rival, or on ours alone where there is no rival."""

    sign: str  # ">=" or "<="
    bound: float

    def met(self, value: float) -> bool:
        """Whether `value` keeps the bound."""
        return value >= self.bound if self.sign == ">=" else value <= self.bound

    def __str__(self) -> str:
        """Returns the bound as shown."""
        return f"{self.sign} {self.bound:g}"


@dataclass(frozen=True)
class Row:
    """One line of the table; without numbers of ours it was not measured, and `reason` says why."""

    case: str
    what: str  # the rival, or the quantity
    unit: str
    ours: Sequence[float] = ()
    rival: Sequence[float] = ()
    goal: Goal | None = None
    reason: str = ""

    @property
    def value(self) -> float | None:
        """What the goal is about: the ratio of medians, or the median of ours where there is no rival."""
        if not self.ours:
            return None
        return median(self.ours) / median(self.rival) if self.rival else median(self.ours)

    @property
    def verdict(self) -> str:
        """`yes` or `missed`, or nothing where there is no goal or no number."""
        if self.goal is None or self.value is None:
            return ""
        return "yes" if self.goal.met(self.value) else "missed"

    def cells(self) -> tuple[str, ...]:
        """Returns the line's cells, in the order of `HEAD`."""
        name, goal = (self.case, self.what), str(self.goal or "")
        if self.value is None:
            return *name, f"not measured: {self.reason}", "", "", goal, ""
        ratio = f"{self.value:.2f}" if self.rival else ""
        return *name, spread(self.ours, self.unit), spread(self.rival, self.unit), ratio, goal, self.verdict

    def as_dict(self) -> dict[str, Any]:
        """Returns the raw numbers and what became of them, for JSON."""
        return {
            "case": self.case,
            "what": self.what,
            "unit": self.unit,
            "ours": list(self.ours),
            "rival": list(self.rival),
            "value": self.value,
            "goal": str(self.goal) if self.goal else None,
            "met": self.verdict == "yes" if self.verdict else None,
            "not_measured": self.reason or None,
        }


HEAD = ("case", "against", "ours [min-max]", "rival [min-max]", "ratio", "goal", "met")
_REASON = HEAD.index("ours [min-max]")


def spread(values: Sequence[float], unit: str) -> str:
    """Returns `median [min-max] unit`, or nothing without values."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.4g} {unit}"
    return f"{median(values):.4g} [{min(values):.4g}-{max(values):.4g}] {unit}"


def table(rows: Sequence[Row]) -> str:
    """Returns the rows in aligned columns; a reason runs on to the right and widens none."""
    return aligned([HEAD, *(row.cells() for row in rows)], _REASON)


def aligned(lines: Sequence[Sequence[str]], reason: int) -> str:
    """Returns lines of cells in columns; from column `reason` on, one that says `not measured` runs on to the right."""
    refused = [len(line) > reason and line[reason].startswith("not measured") for line in lines]
    measured = [line for line, said in zip(lines, refused, strict=True) if not said]
    widths = [max(len(line[i]) for line in (lines if i < reason else measured)) for i in range(len(lines[0]))]
    shown = []
    for line, said in zip(lines, refused, strict=True):
        cut = line[: reason + 1] if said else line
        shown.append("  ".join(cell.ljust(width) for cell, width in zip(cut, widths, strict=False)).rstrip())
    return "\n".join(shown)
