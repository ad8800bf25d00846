"""`report.html`: one page, whole in itself, that says which setting to take and shows why."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from vaex.sweep.answers import Answer, Answers, counted
from vaex.sweep.gallery import gallery
from vaex.sweep.health import health
from vaex.sweep.html_tables import by_job, by_setting
from vaex.sweep.markup import Html, join, tag
from vaex.sweep.pictures import against, explained, plane
from vaex.sweep.settings import REPLICATES, Comparison, Panel
from vaex.sweep.weights import moving_weights

_HERE = Path(__file__).parent
_VERSIONS = ("vaex-jax", "jax", "python")
Answered = Sequence[tuple[Panel, Answers]]


def page(comparison: Comparison, answered: Answered, sweeps: Sequence[Path]) -> str:
    """Returns the page; nothing in it comes from elsewhere, and its browser is told to fetch nothing."""
    style, script = ((_HERE / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # `style-src`: matplotlib styles each path in place.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    title = f"{_data(comparison)}: {' × '.join(comparison.names.values()) or 'one setting'}"
    axis = comparison.names[comparison.axis] if comparison.axis else "the swept key"
    sections = (
        _section("Which setting to take", *_why_apart(comparison), *(_answers(comparison, *pair) for pair in answered)),
        _section("The same test images, and samples from the same z", *gallery(comparison)),
        _section("Rate against distortion", *explained(comparison), *(plane(comparison, *pair) for pair in answered)),
        _section(f"ELBO and NLL against {axis}", *(against(comparison, *pair) for pair in answered)),
        *_if_any("Weights that moved by themselves", moving_weights(comparison)),
        *_if_any("Health", health(comparison)),
        _section("By setting", *(by_setting(comparison, *pair) for pair in answered)),
        _section("By job", by_job(comparison, sweeps)),
        _section("Where this comes from", _provenance(comparison, sweeps)),
    )
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="description", content="; ".join(str(line) for _, found in answered for line in found.lines)),
        tag("title", title),
        tag("style", Html(style)),
    )
    main = tag("main", tag("header", tag("h1", title), *_overview(comparison)), *sections)
    tip = tag("div", id="tip", role="status", hidden="hidden")
    content = join(tag("head", *head), tag("body", main, tip, tag("script", Html(script))))
    return f'<!DOCTYPE html>\n<html lang="en">{content}</html>\n'


def _section(title: str, *children: Html) -> Html:
    return tag("section", tag("h2", title), *children)


def _if_any(title: str, children: Sequence[Html]) -> list[Html]:
    return [_section(title, *children)] if children else []


def _data(comparison: Comparison) -> str:
    return _all(job.run.get("data", {}).get("name") for job in comparison.results) or "sweep"


def _overview(comparison: Comparison) -> list[Html]:
    jobs, settings = len(comparison.results), len(comparison.settings)
    counts = f"{_count(jobs, 'job')} in {_count(settings, 'setting')}"
    repeated = [key for key in comparison.names if key in REPLICATES]
    over = f", repeated over {' and '.join(repeated)}" if repeated else ""
    words = [tag("p", f"{counts}{over}. Numbers are nats per datum.", class_="soft")]
    lost = [job for job in comparison.results if job.status != "completed"]
    if lost:
        words.append(tag("p", f"Not completed: {counted(lost)}; see the table by job."))
    return words


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _answers(comparison: Comparison, panel: Panel, found: Answers) -> Html:
    """The answers for one measure, what they were selected on, and what their numbers are."""
    names = dict.fromkeys(line.name for line in found.lines)
    lines = [_item(name, [line for line in found.lines if line.name == name]) for name in names]
    parts = [tag("p", found.why)] if found.why else []
    parts += [tag("ul", *lines, class_="answers")] if lines else []
    if found.best is not None:
        if len(found.best.completed) == 1:
            parts.append(
                tag("p", "One seed a setting: the spread over seeds is unknown. ", _typed("'seed=range(0,4)'"))
            )
        parts.append(tag("p", *_selected_on(found.split), class_="soft"))
    parts.append(tag("p", *_numbers(panel), class_="soft"))
    if len(comparison.panels) > 1:
        parts.insert(0, tag("h3", panel.measure))
    return tag("div", *parts)


def _why_apart(comparison: Comparison) -> list[Html]:
    if len(comparison.panels) == 1:
        return []
    why = (
        "These jobs measure different things, so they stand in panels of their own and are never ranked together: a "
        "density of grey levels and a probability of 0/1 pixels, say, are numbers about different data, and a loss "
        "that is no density is a number about none."
    )
    return [tag("p", why)]


def _item(name: str, lines: list[Answer]) -> Html:
    """One question; a list of answers where each curve has its own."""
    said = [
        join(
            *([tag("b", line.setting), ", "] if line.setting else []),
            line.numbers.replace("+-", "±"),
            tag("span", line.note.replace("+-", "±"), class_="note") if line.note else "",
        )
        for line in lines
    ]
    each = said if len(said) == 1 else [tag("ul", *(tag("li", answer) for answer in said))]
    return tag("li", tag("strong", f"{name}: "), *each)


def _typed(line: str) -> Html:
    return join("Add ", tag("code", line), ".")


def _selected_on(split: str) -> tuple[str, ...]:
    if split == "validation":
        return ("Selected on the validation split; the charts and tables show the test split.",)
    return (
        "Selected on the test split, since not every job has a validation split: the winner's number is a little too "
        "good, the more so the more settings were tried. To select on data of its own, add ",
        tag("code", "data.validation_fraction=0.1"),
        ".",
    )


def _numbers(panel: Panel) -> tuple[str, ...]:
    """What the numbers of one measure are made of."""
    summaries = [job.summary for job in panel.jobs]
    likelihoods, sizes, samples = (
        _all(summary.get(key) for summary in summaries) for key in ("likelihood", "num_test", "nll_num_samples")
    )
    errors = sorted(s["nll_se"] for s in summaries if s.get("nll_se") is not None)
    own = ""
    if errors:
        own = (
            f" Besides, an NLL has a standard error of about {errors[len(errors) // 2]:.2g} over the test examples, "
            "which all settings share."
        )
    bound = f" NLL, an upper bound, from K\u00a0=\u00a0{samples or 0} draws each." if panel.ranked else ""
    return (
        f"Likelihood {likelihoods or 'unknown'}; {panel.measure}; {sizes or 'no'} test examples.{bound} ± is the "
        f"standard deviation over seeds; n counts the seeds that completed.{own}",
    )


def _all(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values) if value is not None)


def _provenance(comparison: Comparison, sweeps: Sequence[Path]) -> Html:
    runs = [job.run for job in comparison.results if job.run]
    rows = {
        "folder": [str(sweep) for sweep in sweeps],
        "command": [str(run.get("command", "")) for run in runs],
        "versions": [_versions(run.get("versions", {})) for run in runs],
        "device": [f"{d['count']} × {d['kind']}" for d in (run.get("device") for run in runs) if d],
        "git commit": [str(run.get("git_commit") or "") for run in runs],
    }
    entries = []
    for name, values in rows.items():
        if known := [value for value in dict.fromkeys(values) if value]:
            entries += [tag("dt", name), *(tag("dd", tag("code", value)) for value in known)]
    return tag("dl", *entries)


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {found[name]}" for name in _VERSIONS if name in found)
