"""Jobs sorted into settings, repeated over seeds, and settings into panels, whose numbers may be ranked together."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vaex._check import VaexError, did_you_mean
from vaex.data.settings import comparable
from vaex.sweep.results import Result, as_number, same, varying
from vaex.training.evaluations import how

REPLICATES = ("seed", "data.seed", "data.split_seed")
"""Keys that repeat a setting rather than make another one."""
NO_DENSITY = "no density (never ranked)"
NO_RESULT = "no result yet"
ONLY = "the only setting"
_DECIDE_THE_MEASURE = ("likelihood", "data", "experiment")


def number_of(summary: dict[str, Any], name: str, split: str = "test") -> float | None:
    """Returns a number of a summary on the test or the validation split; None where it is absent or not finite."""
    validation = summary.get("validation") or {}
    value = validation.get(name) if split == "validation" else summary.get(name)
    if value is None and name == "active_units":
        value = summary.get(name)
    return value if isinstance(value, (int, float)) and abs(value) < float("inf") else None


def deviation(values: Sequence[float]) -> float:
    """Returns the standard deviation over seeds; 0 where one seed leaves it unknown."""
    mean = statistics.fmean(values)
    # s^2 = sum (x - mean)^2 / (n - 1)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1))


@dataclass(frozen=True)
class Setting:
    """The jobs that differ only in their seeds."""

    values: dict[str, str]
    """Of the swept keys other than the replicates."""
    jobs: tuple[Result, ...]

    @property
    def completed(self) -> list[Result]:
        """The jobs that count."""
        done = [job for job in self.jobs if job.status == "completed"]
        # The same run twice, as in two sweeps that overlap, is no second sample.
        return list({_replicate(job): job for job in reversed(done)}.values())[::-1]

    def numbers(self, name: str, split: str = "test") -> list[float]:
        """Returns one number a completed job that has it."""
        found = (number_of(job.summary, name, split) for job in self.completed)
        return [value for value in found if value is not None]

    def mean(self, name: str, split: str = "test") -> float | None:
        """Returns the mean over completed jobs, None where no job has the number."""
        values = self.numbers(name, split)
        return statistics.fmean(values) if values else None

    def collapsed(self, split: str = "test") -> bool:
        """Whether the median completed job has no active unit."""
        active = self.numbers("active_units", split)
        return bool(active) and statistics.median(active) == 0

    @property
    def statuses(self) -> str:
        """How its jobs ended and what their numbers warn of, counted where that is not all of them."""
        words = [word for job in self.jobs for word in dict.fromkeys([job.status, *job.alarms])]
        num = len(self.jobs)
        return ", ".join(w if words.count(w) == num else f"{words.count(w)} {w}" for w in dict.fromkeys(words))


@dataclass(frozen=True)
class Panel:
    """The settings whose numbers are of one kind."""

    measure: str
    """The `data_measure`, or `NO_DENSITY`, or `NO_RESULT`."""
    settings: list[Setting]

    @property
    def ranked(self) -> bool:
        """Whether its numbers are densities of the same data."""
        return self.measure not in (NO_DENSITY, NO_RESULT)

    @property
    def jobs(self) -> list[Result]:
        """All of them, setting by setting."""
        return [job for setting in self.settings for job in setting.jobs]


@dataclass(frozen=True)
class Comparison:
    """A sweep, or several joined, ready to be shown."""

    results: list[Result]
    keys: list[str]
    """The swept keys but the replicates."""
    names: dict[str, str]
    """Every swept key's short name."""
    axis: str | None
    """The key along which curves run."""
    group_by: list[str]
    """The keys of which each combination of values is a curve."""
    panels: list[Panel]

    @property
    def settings(self) -> list[Setting]:
        """All of them."""
        return [setting for panel in self.panels for setting in panel.settings]

    @property
    def headlines(self) -> list[str]:
        """What was evaluated after training, as `metric.number`: one of each metric that was measured alike."""
        entries = [one for result in self.results for one in result.evaluations if one["headline"]]
        names = dict.fromkeys(f"{one['metric']}.{one['headline']}" for one in entries)
        return [name for name in names if name.split(".")[0] not in self.measured_differently]

    def titled(self, headline: str) -> str:
        """Returns a headline's name, with the number of its examples where they are not the whole test split."""
        metric = headline.split(".")[0]
        sizes = {
            (one["num_examples"], result.summary.get("num_test"))
            for result in self.results
            for one in result.evaluations
            if one["metric"] == metric
        }
        part = sorted({num for num, whole in sizes if num != whole})
        return f"{headline} ({part[0]} examples)" if part else headline

    @property
    def measured_differently(self) -> list[str]:
        """The metrics whose settings, seed or examples differ between jobs, so that no column may hold them."""
        ways: dict[str, set[str]] = {}
        for one in (one for result in self.results for one in result.evaluations):
            ways.setdefault(one["metric"], set()).add(how(one))
        return [metric for metric, found in ways.items() if len(found) > 1]

    def label(self, setting: Setting, keys: Sequence[str] | None = None) -> str:
        """Returns `beta=4 likelihood=gaussian`."""
        keys = self.keys if keys is None else keys
        return " ".join(f"{self.names[key]}={short(setting.values[key])}" for key in keys) or ONLY

    def curves(self, panel: Panel, keys: Sequence[str]) -> Iterator[tuple[str, list[Setting]]]:
        """Yields the settings that agree in `keys`, along the axis, under their common label."""
        groups: dict[tuple[float | str, ...], list[Setting]] = {}
        for setting in panel.settings:
            groups.setdefault(tuple(same(setting.values[key]) for key in keys), []).append(setting)
        for settings in groups.values():
            label = self.label(settings[0], keys) if keys else ""
            yield label, sorted(settings, key=self.place) if self.numeric else settings

    @property
    def numeric(self) -> bool:
        """Whether the axis holds numbers only."""
        return self.axis is not None and _numeric(self.axis, self.results)

    def place(self, setting: Setting) -> float:
        """Returns a setting's number on a numeric axis."""
        return as_number(setting.values[self.axis or ""]) or 0.0


def arrange(results: list[Result], axis: str | None = None, group_by: str | Sequence[str] | None = None) -> Comparison:
    """Returns the results arranged along `axis` (beta, else the first number) and `group_by` (the others).

    Raises:
        VaexError: where a key is named that was not swept.
    """
    names = _short_names(varying(results))
    keys = [key for key in names if key not in REPLICATES]
    if axis is None:
        numeric = [key for key in keys if _numeric(key, results)]
        axis = next(iter([*(key for key in numeric if key == "objective.beta"), *numeric, *keys]), None)
    else:
        axis = _chosen("axis", axis, keys, names)
    others = [key for key in keys if key != axis]
    if group_by is not None:
        wanted = [group_by] if isinstance(group_by, str) else list(group_by)
        others = [_chosen("group_by", key, others, names) for key in wanted]
    measures = _measures(results)
    panels = []
    for measure in dict.fromkeys(measures):
        own = [result for result, other in zip(results, measures, strict=True) if other == measure]
        panels.append(Panel(measure, _settings(own, keys)))
    return Comparison(results, keys, names, axis, others, panels)


def short(value: str) -> str:
    """Returns a long number in its shortest spelling (`1e12` for `1000000000000.0`), anything else as it is."""
    number = as_number(value)
    return value or "default" if number is None or len(value) < 7 else spelled(number)


def spelled(number: float) -> str:
    """Returns six digits of a number: `1e12`, `0.25`."""
    mantissa, _, exponent = f"{number:.6g}".partition("e")
    return mantissa + (f"e{int(exponent)}" if exponent else "")


def _numeric(key: str, results: list[Result]) -> bool:
    return all(as_number(result.value(key)) is not None for result in results)


def _short_names(keys: list[str]) -> dict[str, str]:
    """The last word of each key, or the whole where two keys share it."""
    last = [key.split(".")[-1] for key in keys]
    return {key: word if last.count(word) == 1 else key for key, word in zip(keys, last, strict=True)}


def _chosen(option: str, key: str, keys: list[str], names: dict[str, str]) -> str:
    for known in keys:
        if key in (known, names[known]):
            return known
    if not keys:
        raise VaexError(f"{option}: expected none, for no other key was swept; got {key!r}; leave {option}= out")
    hint = did_you_mean(key, keys)
    raise VaexError(
        f"{option}: expected a swept key, one of {', '.join(keys)}; got {key!r}{hint or f'; type {option}={keys[0]}'}"
    )


def _settings(results: list[Result], keys: list[str]) -> list[Setting]:
    jobs: dict[tuple[float | str, ...], list[Result]] = {}
    for result in results:
        jobs.setdefault(tuple(same(result.value(key)) for key in keys), []).append(result)
    return [Setting({key: own[0].value(key) for key in keys}, tuple(own)) for own in jobs.values()]


def _replicate(job: Result) -> tuple[str, ...]:
    seeds = {key: job.value(key) for key in REPLICATES}
    return tuple(seeds.values()) if any(seeds.values()) else (str(job.summary.get("seed", job.folder)),)


def _measures(results: list[Result]) -> list[str]:
    """The measure of each job; a job that was refused, or waits, has that of the jobs with its data and likelihood."""
    deciding = [k for k in varying(results) if k.split(".")[0] in _DECIDE_THE_MEASURE and k not in REPLICATES]
    made_of = [tuple(same(result.value(key)) for key in deciding) for result in results]
    known: dict[tuple[float | str, ...], set[str]] = {}
    for kind, result in zip(made_of, results, strict=True):
        if "data_measure" in result.summary:
            known.setdefault(kind, set()).add(result.summary["data_measure"] or NO_DENSITY)

    def of(kind: tuple[float | str, ...], result: Result) -> str:
        if "data_measure" in result.summary:
            return result.summary["data_measure"] or NO_DENSITY
        (measure, *others) = known.get(kind) or {NO_RESULT}
        return NO_RESULT if others else measure

    first: dict[str, str] = {}  # files of equal numbers go by the name that came first
    measures = [of(kind, result) for kind, result in zip(made_of, results, strict=True)]
    return [first.setdefault(comparable(measure), measure) for measure in measures]
