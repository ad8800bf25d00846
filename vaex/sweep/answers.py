"""The three answers a sweep is run for: the best density, the cheapest code as good as it, the last one in use."""

import math
import statistics
from typing import NamedTuple

from vaex.sweep.results import Result
from vaex.sweep.settings import Comparison, Panel, Setting, deviation, short
from vaex.sweep.table import spread

DENSITY = "best density"
CHEAPEST = "lowest rate with mean NLL within one standard error over seeds of it"
COLLAPSE = "before collapse"
_GONE = "It has collapsed: z is not used."


class Answer(NamedTuple):
    """One line on top of the page."""

    name: str
    setting: str
    numbers: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(filter(None, (self.setting, self.numbers)))}"


class Answers(NamedTuple):
    """What is said of one panel."""

    lines: list[Answer]
    split: str
    """That the settings were selected on."""
    best: Setting | None
    why: str
    """Nothing, or why no setting is ranked first."""


def answer(comparison: Comparison, panel: Panel) -> Answers:
    """Returns the answers for the settings of one measure."""
    ranked = [setting for setting in panel.settings if setting.completed]
    jobs = [job for setting in ranked for job in setting.completed]
    split = "validation" if jobs and all(job.summary.get("validation") for job in jobs) else "test"
    lines = _collapses(comparison, panel, split)
    if not ranked:
        return Answers([], split, None, f"No job completed ({counted(panel.jobs)}), so there is nothing to rank.")
    if not panel.ranked:
        losses = ", ".join(dict.fromkeys(str(job.summary.get("likelihood")) for job in jobs))
        why = (
            f"Never ranked: {losses} is no density of these data, so its ELBO is minus a loss, it has no NLL, "
            "and its numbers can be compared with nothing but themselves."
        )
        return Answers(lines, split, None, why)
    name = "nll" if all(job.summary.get("nll_num_samples") for job in jobs) else "elbo"
    # The mean of the seeds that went well is not a setting's mean: one infinite NLL makes it infinite.
    left_out = [setting for setting in ranked if len(setting.numbers(name, split)) < len(setting.completed)]
    ranked = [setting for setting in ranked if setting not in left_out]
    if not ranked:
        why = f"Every setting has a completed job whose {name.upper()} is not finite, so there is nothing to rank."
        return Answers(lines, split, None, why)
    best = min(ranked, key=lambda setting: (_score(setting, name, split), setting.mean("rate", split) or 0.0))
    cheapest = _cheapest(comparison, ranked, best, name, split)
    first = _best(comparison, best, name, split)
    if left_out:
        labels = "; ".join(comparison.label(setting) for setting in left_out)
        first = first._replace(
            note=f"{first.note} Not ranked, since a job's {name.upper()} is not finite: {labels}.".strip()
        )
    return Answers([first, *cheapest, *lines], split, best, "")


def _score(setting: Setting, name: str, split: str) -> float:
    """Nats, smaller is better."""
    mean = setting.mean(name, split)
    assert mean is not None
    return mean if name == "nll" else -mean


def _best(comparison: Comparison, best: Setting, name: str, split: str) -> Answer:
    notes = []
    if name == "elbo":
        off = "The NLL is off" if not best.numbers("nll", split) else "Not every job has an NLL"
        notes.append(f"{off}, so the ELBO ranks, a lower bound only. Turn it on: evaluation.nll_num_samples=500.")
    if split == "validation":
        notes.append(f"On test: {_numbers(best, name, 'test')}.")
    if best.collapsed(split):
        notes.append(_GONE)
    if len(best.completed) < len(best.jobs):
        notes.append(f"Of its {len(best.jobs)} jobs: {best.statuses}.")
    return Answer(DENSITY, comparison.label(best), _numbers(best, name, split), " ".join(notes))


def _cheapest(comparison: Comparison, ranked: list[Setting], best: Setting, name: str, split: str) -> list[Answer]:
    values = best.numbers(name, split)
    if len(values) < 2:
        return []  # the spread over seeds is unknown
    # standard error of the mean over seeds = s / sqrt(n)
    error = deviation(values) / math.sqrt(len(values))
    within = [s for s in ranked if _score(s, name, split) <= _score(best, name, split) + error]
    setting = min(within, key=lambda s: s.mean("rate", split) or 0.0)
    numbers = f"rate {spread(setting.numbers('rate', split))}, {_numbers(setting, name, split)}"
    within_it = f"within {error:.2g} nats, one standard error over seeds,"
    note = f"Its mean lies {within_it} of the best one's."
    if setting is best:
        note = f"The same setting: no mean of a lower rate lies {within_it} of its own."
    if setting.collapsed(split):
        note += f" {_GONE}"
    question = CHEAPEST if name == "nll" else CHEAPEST.replace("NLL", "ELBO")
    return [Answer(question, comparison.label(setting), numbers, note)]


def _collapses(comparison: Comparison, panel: Panel, split: str) -> list[Answer]:
    """The last setting in use along the axis, for each curve."""
    axis = comparison.axis
    if axis is None or not comparison.numeric:
        gone = [comparison.label(setting) for setting in panel.settings if setting.collapsed(split)]
        return [Answer("collapsed", "; ".join(gone), "the median seed has no active unit")] if gone else []
    others = [key for key in comparison.keys if key != axis]
    found = []
    for label, settings in comparison.curves(panel, others):
        known = [setting for setting in settings if setting.numbers("active_units", split)]
        if known:
            found.append(_last_before(comparison, axis, label, known, split))
    return found


def _last_before(comparison: Comparison, axis: str, label: str, settings: list[Setting], split: str) -> Answer:
    name = f"last {comparison.names[axis]} {COLLAPSE}"

    def at(setting: Setting) -> str:
        return f"{comparison.names[axis]}={short(setting.values[axis])}"

    first_gone = next((i for i, setting in enumerate(settings) if setting.collapsed(split)), None)
    if first_gone == 0:
        back = next((setting for setting in settings if not setting.collapsed(split)), None)
        note = f"In use again from {at(back)}." if back else "Every setting has collapsed."
        return Answer(name, f"{label}: none" if label else "none", f"collapsed already at {at(settings[0])}", note)
    last = settings[-1 if first_gone is None else first_gone - 1]
    if first_gone is None:
        note = f"Nothing collapsed up to {at(last)}, the largest tried."
    else:
        note = f"At {at(settings[first_gone])} the median seed has no active unit."
    return Answer(name, " ".join(filter(None, (label, at(last)))), f"{_active(last, split)} units active", note)


def _numbers(setting: Setting, name: str, split: str) -> str:
    values = setting.numbers(name, split)
    return f"{name.upper()} {spread(values)} (n={len(values)})"


def _active(setting: Setting, split: str) -> str:
    """`7/16`: of the median seed."""
    total = latent_dim(setting.completed[0])
    return f"{statistics.median(setting.numbers('active_units', split)):g}" + (f"/{total}" if total else "")


def latent_dim(job: Result) -> int | None:
    """Returns the size of z, where the run's files have it."""
    return job.summary.get("latent_dim") or job.run.get("config", {}).get("latent_dim")


def counted(jobs: list[Result]) -> str:
    """Returns `3 completed, 1 diverged`."""
    status = [job.status for job in jobs]
    return ", ".join(f"{status.count(s)} {s}" for s in dict.fromkeys(status))
