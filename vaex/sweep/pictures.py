"""The charts of a panel with what a reader needs beside them: a legend, a caption, and what is not in the picture."""

from html import escape

from vaex.sweep.answers import Answers
from vaex.sweep.charts import against_axis, are_named, rate_distortion
from vaex.sweep.curves import curves, measured_curves
from vaex.sweep.markup import Html, join, tag
from vaex.sweep.results import Result
from vaex.sweep.settings import NO_DENSITY, Comparison, Panel, number_of, short

_GLYPHS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "h": "⬢", "p": "⬟"}
_NAMED = 12  # jobs that are named as missing before they are only counted


def plane(comparison: Comparison, panel: Panel, found: Answers) -> Html:
    """Returns the rate-distortion plane of one measure."""
    drawn = rate_distortion(comparison, panel, found.best, f"plane {panel.measure}")
    if not drawn:
        return join(*_title(comparison, panel), tag("p", "Left out: no completed job has a rate and a distortion."))
    legend = tag("ul", *_legend(comparison, panel, found), class_="legend")
    caption = tag("figcaption", legend, *_not_shown(comparison, panel))
    return join(*_title(comparison, panel), tag("figure", _chart(drawn), caption, class_="plane"))


def against(comparison: Comparison, panel: Panel, found: Answers) -> Html:
    """Returns ELBO and NLL of one measure against the swept key, side by side."""
    title = _title(comparison, panel)
    if comparison.axis is None:
        return join(*title, tag("p", "Left out: only seeds were swept, so there is nothing to draw against."))
    figures = []
    for number, label in (("elbo", "ELBO, nats (larger is better)"), ("nll", "NLL, nats (smaller is better)")):
        drawn = against_axis(comparison, panel, found.best, number, label, f"{number} {panel.measure}")
        figures.append(tag("figure", _chart(drawn)) if drawn else tag("p", _missing(number, panel)))
    return join(*title, tag("div", *figures, class_="pair"))


def _title(comparison: Comparison, panel: Panel) -> list[Html]:
    return [tag("h3", panel.measure)] if len(comparison.panels) > 1 else []


def _chart(drawn: str) -> Html:
    return tag("div", Html(drawn), class_="chart")


def _missing(number: str, panel: Panel) -> str:
    if number == "nll" and panel.measure == NO_DENSITY:
        return "No NLL: this likelihood is no density of the data."
    if number == "nll" and any(number_of(job.summary, "elbo") is not None for job in panel.jobs):
        return "No NLL: it was off. Turn it on with evaluation.nll_num_samples=500."
    return f"No {number.upper()}: no completed job has one."


def _legend(comparison: Comparison, panel: Panel, found: Answers) -> list[Html]:
    entries = [
        _entry(_GLYPHS[curve.marker], curve.colour, curve.label) for curve in curves(comparison, panel) if curve.label
    ]
    jobs = panel.jobs
    if found.best is not None:
        entries.append(_entry("◯", "#222222", f"best density: {comparison.label(found.best)}"))
    if any(job.summary.get("active_units") == 0 for job in jobs):
        entries.append(_entry("○", "#222222", "hollow: collapsed, no active unit (of the median seed)"))
    points = [point for curve in curves(comparison, panel) for point in curve.points]
    sizes = sorted({one["num_examples"] for point in points for one in measured_curves(point)[:1]})
    if sizes:
        what = f"dashed: the best q(z|x) that one job's decoder allows, by AIS, on {_all(sizes)} test examples"
        entries.append(_entry("┄", "#222222", what))
    if any(job.status == "diverged" for job in jobs):
        entries.append(_entry("✖", "#222222", "diverged; at the edge where its numbers are not finite"))
    return entries


def _all(sizes: list[int]) -> str:
    return " or ".join(map(str, sizes))


def _entry(glyph: str, colour: str, text: str) -> Html:
    return tag("li", Html(f'<span style="color:{escape(colour)}" aria-hidden="true">{glyph}</span>'), tag("span", text))


def explained(comparison: Comparison) -> list[Html]:
    """Returns how the rate-distortion planes are read."""
    parts = []
    if comparison.axis is not None:
        pooled = [k for k in comparison.keys if k != comparison.axis and k not in comparison.group_by]
        over = " and ".join(["seeds", *(comparison.names[key] for key in pooled)])
        beside = f"Numbers beside points: {comparison.names[comparison.axis]}. "
        parts.append(
            f"{beside if any(map(are_named, comparison.panels)) else ''}A point is the mean over {over}, its bars "
            "one standard deviation each way; faint points are single jobs. Point at one, or go there with Tab and the "
            "arrow keys, to see its numbers."
        )
    parts.append(
        "Grey lines join points of one ELBO = −(rate + distortion): further down and to the left is better. Along a "
        "line, to the right the code carries more; at rate 0 it carries nothing."
    )
    return [tag("p", part, class_="soft") for part in parts]


def _not_shown(comparison: Comparison, panel: Panel) -> list[Html]:
    lost = [j for j in panel.jobs if number_of(j.summary, "rate") is None or number_of(j.summary, "distortion") is None]
    if not lost:
        return []
    names = "; ".join(_name(comparison, job) for job in lost[:_NAMED])
    more = f"; and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    return [tag("p", f"Not in the picture, without a finite rate and distortion: {names}{more}.")]


def _name(comparison: Comparison, job: Result) -> str:
    return " ".join(f"{comparison.names[key]}={short(job.value(key))}" for key in comparison.names) or str(job.folder)
