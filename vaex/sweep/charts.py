"""The charts of a panel: the rate-distortion plane, and a number against the swept key."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaex.sweep.axis import place_ticks, position
from vaex.sweep.curves import Curve, Point, curves, measured_curves
from vaex.sweep.results import Result
from vaex.sweep.settings import Comparison, Panel, Setting, deviation, number_of, short
from vaex.sweep.svg import FAINT, GREY, INK, Tips, blank
from vaex.sweep.tips import of_job, of_point

_MARK, _MEMBER, _RING = 6.0, 3.5, 12.5  # points of the type
_NAMED = 24  # points at most that carry their place on the axis


def are_named(panel: Panel) -> bool:
    """Whether the points of the plane carry their place on the axis: they do where they are few."""
    return len(panel.settings) <= _NAMED


def rate_distortion(comparison: Comparison, panel: Panel, best: Setting | None, name: str) -> str:
    """Returns the rate-distortion plane as SVG; nothing where no job has a rate and a distortion."""

    def place(job: Result) -> tuple[float | None, float | None]:
        return number_of(job.summary, "rate"), number_of(job.summary, "distortion")

    with blank(5.6, 4.1) as figure:
        axes = figure.add_subplot()
        axes.set_xlabel("rate, nats")
        axes.set_ylabel("distortion, nats")
        chart = _Chart(axes, comparison, best, place, named=are_named(panel))
        if not chart.draw(panel):
            return ""
        chart.best_channels(panel)
        _lines_of_constant_elbo(axes)
        return chart.tips.svg(figure, name, "Rate-distortion plane")


def against_axis(comparison: Comparison, panel: Panel, best: Setting | None, number: str, label: str, name: str) -> str:
    """Returns one number against the axis key as SVG; nothing where no job has it."""
    axis = comparison.axis
    assert axis is not None
    x = position(list(dict.fromkeys(job.value(axis) for job in comparison.results)), numeric=comparison.numeric)

    def place(job: Result) -> tuple[float | None, float | None]:
        return x[job.value(axis)], number_of(job.summary, number)

    with blank(4.6, 3.3) as figure:
        axes = figure.add_subplot()
        axes.set_xlabel(comparison.names[axis])
        axes.set_ylabel(label)
        place_ticks(axes, x, numeric=comparison.numeric)
        axes.update_datalim([(value, 0.0) for value in x.values()], updatey=False)  # diverged ones have a place too
        chart = _Chart(axes, comparison, best, place, named=False)
        return chart.tips.svg(figure, name, f"{label} against {comparison.names[axis]}") if chart.draw(panel) else ""


@dataclass(frozen=True)
class _Chart:
    axes: Any
    comparison: Comparison
    best: Setting | None
    place: Callable[[Result], tuple[float | None, float | None]]
    named: bool
    """Whether points carry their place on the axis."""
    tips: Tips = field(default_factory=Tips)

    def draw(self, panel: Panel) -> bool:
        """Draws the curves, and says whether there was anything to draw."""
        found = curves(self.comparison, panel)
        drawn = [self._curve(curve) for curve in found]
        if not any(drawn):
            return False
        self.axes.margins(0.07)
        self.axes.autoscale_view()
        for curve in found:
            for job in (job for point in curve.points for job in point.jobs if job.status == "diverged"):
                self._diverged(curve, job)
        return True

    def best_channels(self, panel: Panel) -> None:
        """Draws the measured curve of each setting's first job: the best q(z|x) that its decoder allows."""
        inside = (self.axes.get_xlim(), self.axes.get_ylim())
        for curve in curves(self.comparison, panel):
            for point, entry in ((p, one) for p in curve.points for one in measured_curves(p)[:1]):
                rate, distortion = entry["numbers"]["rate"], entry["numbers"]["distortion"]
                self._add(rate, distortion, color=curve.colour, lw=1.0, ls=(0, (3, 2)), zorder=2)
                if self.named and self.comparison.axis is not None:
                    words = {"textcoords": "offset points", "fontsize": 7, "color": GREY, "clip_on": True, "zorder": 8}
                    value = short(point.settings[0].values[self.comparison.axis])
                    self.axes.annotate(value, (rate[-1], distortion[-1]), (3, -7), **words)
        self.axes.set_xlim(inside[0])
        self.axes.set_ylim(inside[1])

    def _curve(self, curve: Curve) -> bool:
        centres, bars = [], []
        for point in curve.points:
            jobs = [(job, *self.place(job)) for job in point.jobs if job.status == "completed"]
            known = [(job, x, y) for job, x, y in jobs if x is not None and y is not None]
            if known:
                xs, ys = [x for _, x, _ in known], [y for _, _, y in known]
                centres.append((point, sum(xs) / len(xs), sum(ys) / len(ys)))
                bars.append((deviation(xs), deviation(ys)))
            for job, x, y in known if len(known) > 1 else ():
                self._member(curve, job, x, y)
        if not centres:
            return False
        (_, xs, ys), (wide, high) = zip(*centres, strict=True), zip(*bars, strict=True)
        self._add(xs, ys, color=curve.colour, lw=1.2, zorder=2)
        self.axes.errorbar(xs, ys, xerr=wide, yerr=high, fmt="none", ecolor=curve.colour, elinewidth=1.1, zorder=4)
        for centre in centres:
            self._centre(curve, *centre)
        return True

    def _add(self, xs: Sequence[float], ys: Sequence[float], **look: Any) -> None:
        from matplotlib.lines import Line2D

        self.axes.add_line(Line2D(xs, ys, **look))

    def _member(self, curve: Curve, job: Result, x: float, y: float) -> None:
        face = "white" if job.summary.get("active_units") == 0 else curve.colour
        look = {"marker": curve.marker, "markersize": _MEMBER, "markerfacecolor": face, "markeredgecolor": curve.colour}
        self._add([x], [y], ls="none", alpha=0.45, zorder=3, gid=self.tips.add(of_job(self.comparison, job)), **look)

    def _centre(self, curve: Curve, point: Point, x: float, y: float) -> None:
        face = "white" if point.collapsed else curve.colour
        look = {"marker": curve.marker, "markersize": _MARK, "markerfacecolor": face, "markeredgecolor": curve.colour}
        gid = self.tips.add(of_point(self.comparison, point))
        self._add([x], [y], ls="none", markeredgewidth=1.3, zorder=5, gid=gid, **look)
        if self.best is not None and self.best in point.settings:
            ring = {"markersize": _RING, "markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 1.1}
            self._add([x], [y], ls="none", marker="o", zorder=6, **ring)
        if self.named and self.comparison.axis is not None:
            words = {"textcoords": "offset points", "fontsize": 8, "color": curve.colour, "zorder": 8}
            self.axes.annotate(short(point.settings[0].values[self.comparison.axis]), (x, y), (7, 6), **words)

    def _diverged(self, curve: Curve, job: Result) -> None:
        """A cross; at the edge where its number is out of sight, and at the bottom where it has none."""
        x, y = self.place(job)
        if x is None:
            return
        (left, right), (bottom, top) = self.axes.get_xlim(), self.axes.get_ylim()
        x, y = float(min(max(x, left), right)), float(min(max(bottom if y is None else y, bottom), top))
        look = {"marker": "X", "markersize": 8, "markerfacecolor": curve.colour, "markeredgecolor": "white"}
        gid = self.tips.add(of_job(self.comparison, job))
        self._add([x], [y], ls="none", clip_on=False, zorder=7, gid=gid, **look)
        self.axes.set_xlim(left, right)
        self.axes.set_ylim(bottom, top)


def _lines_of_constant_elbo(axes: Any) -> None:
    """Lines of one ELBO = -(rate + distortion), each with its number where it leaves the picture."""
    from matplotlib.ticker import MaxNLocator

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for level in MaxNLocator(7).tick_values(left + bottom, right + top):
        # from (x0, level - x0) to (x1, level - x1), inside the picture
        x0, x1 = max(left, level - top), min(right, level - bottom)
        if x1 - x0 <= 0.02 * (right - left):
            continue
        axes.plot([x0, x1], [level - x0, level - x1], color=FAINT, linewidth=0.8, zorder=1)
        if math.hypot((x1 - x0) / (right - left), (x1 - x0) / (top - bottom)) > 0.2:
            words = {"fontsize": 7.5, "color": GREY, "ha": "right", "va": "bottom", "rotation_mode": "anchor"}
            slope = {"rotation": -45, "transform_rotates_text": True}
            axes.text(x1, level - x1, f"ELBO {-level:g}  ".replace("-", "−"), **words, **slope)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
