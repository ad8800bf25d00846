"""The curves of a panel: one a group, a point a place on the axis."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from vaex.sweep.results import Result, same
from vaex.sweep.settings import Comparison, Panel, Setting
from vaex.sweep.svg import look


class Point(NamedTuple):
    """The settings of one curve at one place of the axis."""

    settings: list[Setting]
    collapsed: bool

    @property
    def jobs(self) -> list[Result]:
        """All of them."""
        return [job for setting in self.settings for job in setting.jobs]

    def numbers(self, name: str) -> list[float]:
        """Returns one number a completed job that has it."""
        return [value for setting in self.settings for value in setting.numbers(name)]


class Curve(NamedTuple):
    """Points under one colour and marker."""

    label: str
    colour: str
    marker: str
    points: list[Point]


def measured_curves(point: Point) -> list[Mapping[str, Any]]:
    """Returns the evaluations of a point's jobs that are rate-distortion curves."""
    return [one for job in point.jobs for one in job.evaluations if one["kind"] == "RDCurve"]


def curves(comparison: Comparison, panel: Panel) -> list[Curve]:
    """Returns the curves of a panel; what neither the axis nor `group_by` holds is pooled, as seeds are."""
    groups = list(comparison.curves(panel, comparison.group_by))
    return [
        Curve(label, *look(i, len(groups)), list(_points(comparison, settings)))
        for i, (label, settings) in enumerate(groups)
    ]


def _points(comparison: Comparison, settings: list[Setting]) -> Iterator[Point]:
    pooled: dict[float | str, list[Setting]] = {}
    for setting in settings:
        pooled.setdefault(same(setting.values[comparison.axis]) if comparison.axis else "", []).append(setting)
    for own in pooled.values():
        yield Point(own, all(setting.collapsed() for setting in own))
