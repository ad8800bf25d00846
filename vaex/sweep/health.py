"""What the numbers warn of: alarms with their remedy, the KL of each latent, and warnings of later evaluations."""

from collections.abc import Sequence
from typing import Any

from vaex.metrics import ALARMS
from vaex.sweep.markup import Html, join, tag
from vaex.sweep.settings import Comparison, Setting
from vaex.sweep.svg import COLOURS, GREY, Tips, blank

_CHARTS = 8  # settings at most whose latents are drawn
_LEAST_TOP = 0.1  # nats, of the charts' scale


def health(comparison: Comparison) -> list[Html]:
    """Returns the section's content; nothing where there is nothing to warn of and nothing was evaluated."""
    return [*_alarms(comparison), *_warnings(comparison), *_latents(comparison)]


def _alarms(comparison: Comparison) -> list[Html]:
    items = []
    for alarm in ALARMS.values():
        told = [(setting, sum(alarm.tag in job.alarms for job in setting.jobs)) for setting in comparison.settings]
        named = [f"{comparison.label(s)} ({n} of {len(s.jobs)})" for s, n in told if n]
        if named:
            what = (tag("strong", alarm.tag), f" ({alarm.rule}): {'; '.join(named)}. ")
            items.append(tag("li", *what, tag("span", f"What helps: {alarm.remedy}.", class_="note")))
    return [tag("ul", *items, class_="answers")] if items else []


def _warnings(comparison: Comparison) -> list[Html]:
    lines: dict[str, list[str]] = {}
    for setting in comparison.settings:
        for job in setting.jobs:
            for warning in (warning for one in job.evaluations for warning in one["warnings"]):
                lines.setdefault(warning, []).append(comparison.label(setting))
    for metric in comparison.measured_differently:
        line = f"{metric}: other settings, seed or examples in some jobs, so that no table has it; evaluate them alike"
        lines[line] = ["all"]
    items = [tag("li", f"{'; '.join(dict.fromkeys(where))}: {warning}") for warning, where in lines.items()]
    return [tag("p", "Evaluations that are not to be trusted:"), tag("ul", *items)] if items else []


def _latents(comparison: Comparison) -> list[Html]:
    found = [(setting, kl) for setting in comparison.settings if (kl := _kl_per_dim(setting)) is not None]
    if not found:
        return []
    top = max([_LEAST_TOP, *(value for _, kl in found for value in kl)])  # one scale, or a collapse would look alive
    charts = [Html(_chart(comparison, *pair, top)) for pair in found[:_CHARTS]]
    figures = [tag("figure", tag("div", chart, class_="chart")) for chart in charts]
    about = "KL of each latent from the prior, nats, largest first, of the first job of a setting (metric=information)."
    more = f" The first {_CHARTS} of {len(found)} settings." if len(found) > _CHARTS else ""
    return [tag("p", about + more, class_="soft"), join(tag("div", *figures, class_="pair"))]


def _kl_per_dim(setting: Setting) -> list[float] | None:
    entries: Sequence[Any] = [one for job in setting.jobs for one in job.evaluations if one["kind"] == "Information"]
    found = entries[0]["numbers"]["kl_per_dim"] if entries else None
    return found and [value for value in found if value is not None]


def _chart(comparison: Comparison, setting: Setting, kl: Sequence[float], top: float) -> str:
    label = comparison.label(setting)
    with blank(3.6, 2.2) as figure:
        axes = figure.add_subplot()
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("latent, by rank")
        axes.set_ylabel("KL, nats")
        axes.bar(range(1, len(kl) + 1), sorted(kl, reverse=True), color=COLOURS[0], width=0.8)
        axes.set_ylim(0.0, 1.05 * top)
        axes.tick_params(colors=GREY)
        return Tips().svg(figure, f"latents {label}", f"KL of each latent, {label}")
