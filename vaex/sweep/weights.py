"""Weights that move by themselves: beta and what it is to reach, against the step, beside fixed betas."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vaex.sweep.markup import Html, join, tag
from vaex.sweep.results import Result
from vaex.sweep.settings import Comparison
from vaex.sweep.svg import GREY, Tips, blank, look

_LINES = 8  # jobs at most, the first of each setting
_ABOUT = (
    "Where a closed loop (GECO, target rate, PI control) sets beta: its value at each logged training step, and the "
    "rate and distortion it steers, one job a setting. Dashed: the target. A fixed beta is a level line."
)


class Track(NamedTuple):
    """One job's training rows."""

    label: str
    rows: Sequence[Mapping[str, Any]]

    def of(self, name: str) -> tuple[list[int], list[float]]:
        """Returns the steps and values of a number, where it is finite."""
        known = [(row["step"], row[name]) for row in self.rows if row.get(name) is not None]
        return [step for step, _ in known], [value for _, value in known]

    @property
    def target(self) -> float | None:
        """What a closed loop is to reach; None where beta is fixed or scheduled."""
        values = self.of("target")[1]
        return values[-1] if values else None


def moving_weights(comparison: Comparison) -> list[Html]:
    """Returns the figures with their legend; nothing where no job's beta moves by itself."""
    tracks = [
        Track(comparison.label(setting) or "run", _training_rows(setting.jobs[0])) for setting in comparison.settings
    ]
    if not any(track.target is not None for track in tracks):
        return []
    tracks = sorted(tracks, key=lambda track: track.target is None)[:_LINES]  # the moving ones first
    charts = [_chart(tracks, name, label) for name, label in _PANELS]
    entries = [
        tag(
            "li",
            Html(f'<span style="color:{look(i, len(tracks))[0]}" aria-hidden="true">▬</span>'),
            tag("span", t.label),
        )
        for i, t in enumerate(tracks)
    ]
    figures = [tag("figure", tag("div", Html(chart), class_="chart")) for chart in charts]
    return [
        tag("p", _ABOUT, class_="soft"),
        join(tag("ul", *entries, class_="legend"), tag("div", *figures, class_="pair")),
    ]


_PANELS = (("beta", "beta"), ("rate", "rate, nats"), ("distortion", "distortion, nats"))


def _training_rows(job: Result) -> list[Mapping[str, Any]]:
    path = job.folder / "metrics.jsonl"
    if not path.exists():
        return []
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["split"] == "train"]


def _chart(tracks: Sequence[Track], name: str, label: str) -> str:
    with blank(3.6, 2.8) as figure:
        axes = figure.add_subplot()
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        for i, track in enumerate(tracks):
            colour = look(i, len(tracks))[0]
            axes.plot(*track.of(name), color=colour, lw=1.1)
            if track.target is not None and _steers(track, name):
                axes.axhline(track.target, color=colour, lw=0.9, ls=(0, (4, 3)))
        axes.tick_params(colors=GREY)
        return Tips().svg(figure, f"weights {name}", f"{label} against the training step")


def _steers(track: Track, name: str) -> bool:
    """Whether the target is of this number: the one of rate and distortion that ends nearer to it."""
    ends = {n: values[-1] for n in ("rate", "distortion") if (values := track.of(n)[1])}
    target = track.target
    return name in ends and target is not None and min(ends, key=lambda n: abs(ends[n] - target)) == name
