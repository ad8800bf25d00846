"""The two tables of the page: by setting, and by job."""

import os
from collections.abc import Sequence
from pathlib import Path

from vaex.sweep.answers import Answers
from vaex.sweep.markup import Html, grid, join, tag
from vaex.sweep.results import Result
from vaex.sweep.settings import Comparison, Panel, number_of, short
from vaex.sweep.table import NUMBERS, header, rows, spread

_OF_A_JOB = (*NUMBERS, "active_units", "step")


def by_setting(comparison: Comparison, panel: Panel, found: Answers) -> Html:
    """Returns a row a setting, as on the terminal."""
    names = header(comparison)
    head = [
        tag("th", name, scope="col", class_=_kind(i, len(names), len(comparison.keys))) for i, name in enumerate(names)
    ]
    body = []
    for setting, cells in zip(panel.settings, rows(comparison, panel), strict=True):
        marked = [
            tag("td", cell.replace("+-", "±"), class_=_kind(i, len(cells), len(comparison.keys)))
            for i, cell in enumerate(cells)
        ]
        body.append(tag("tr", *marked, class_="best" if setting is found.best else None))
    title = [tag("h3", panel.measure)] if len(comparison.panels) > 1 else []
    kept = "Test split; the best density in bold." if found.best else "Test split."
    return join(*title, grid(head, body, "settings", f"By setting, {panel.measure}"), tag("p", kept, class_="soft"))


def _kind(place: int, places: int, keys: int) -> str | None:
    return "word" if place < keys or place == places - 1 else None


def by_job(comparison: Comparison, sweeps: Sequence[Path]) -> Html:
    """Returns a row a job, sorted by a click on a header."""
    names = ["job", *comparison.names.values(), *(name.removesuffix("_units") for name in _OF_A_JOB), "status"]
    words = {0, len(names) - 1}
    head = [
        tag("th", tag("button", name, type="button"), scope="col", class_="word" if i in words else None)
        for i, name in enumerate(names)
    ]
    root = sweeps[0] if len(sweeps) == 1 else Path(os.path.commonpath([sweep.absolute() for sweep in sweeps]))
    body = [tag("tr", *_cells(comparison, job, root, place)) for place, job in enumerate(comparison.results)]
    hint = tag("p", "Test split. ", tag("span", "Click on a header to sort by it.", class_="screen"), class_="soft")
    return join(hint, grid(head, body, "jobs", "By job"))


def _cells(comparison: Comparison, job: Result, root: Path, place: int) -> list[Html]:
    folder = os.path.relpath(job.folder, root)
    cells = [tag("td", folder, class_="word", data_v=place)]
    cells += [tag("td", short(job.value(key)), data_v=job.value(key)) for key in comparison.names]
    for name in _OF_A_JOB:
        value = number_of(job.summary, name)
        whole = isinstance(value, int)
        shown = "-" if value is None else str(value) if whole else spread([value])
        cells.append(tag("td", shown, data_v="" if value is None else repr(value)))
    message = job.summary.get("message") or ""
    cells.append(tag("td", f"{job.status}{': ' if message else ''}{message}", class_="word message", data_v=job.status))
    return cells
