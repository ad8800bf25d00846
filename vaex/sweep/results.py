"""The jobs of a sweep as they lie on disk."""

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from vaex._check import VaexError
from vaex.training.files import read_json, write_bytes


class Result(NamedTuple):
    """One job: where it is, what was swept, what came out."""

    folder: Path
    overrides: dict[str, str]
    summary: dict[str, Any]


def read_sweep(sweep: Path) -> list[Result]:
    """Returns the jobs of a sweep that left a summary, in the order of their numbers.

    Raises:
        VaexError: where there is no such folder, or no summary in it.
    """
    if not sweep.is_dir():
        raise VaexError(f"expected the folder of a sweep, got {sweep}, which does not exist")
    folders = sorted(sweep.glob("*/summary.json"), key=lambda path: (len(path.parent.name), path.parent.name))
    if not folders:
        raise VaexError(
            f"{sweep} holds no summary.json in any folder; expected a sweep's folder, such as outputs/sweeps/..."
        )
    results = []
    for path in folders:
        summary = read_json(path)
        overrides = dict(o.lstrip("+").split("=", 1) for o in summary.get("config_overrides", ()) if "=" in o)
        results.append(Result(path.parent, overrides, summary))
    return results


def varying(results: list[Result]) -> list[str]:
    """Returns the overridden keys whose values differ between jobs, in the order they were typed."""
    keys = list(dict.fromkeys(key for result in results for key in result.overrides))
    return [key for key in keys if len({result.overrides.get(key) for result in results}) > 1]


def write_csv(path: Path, results: list[Result]) -> None:
    """Writes one row a job: the swept keys, then the summary's numbers."""
    keys = varying(results)
    columns = list(dict.fromkeys(c for result in results for c in result.summary))
    columns = [c for c in columns if c not in ("config_overrides", "monitor")]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["job", *keys, *[c for c in columns if c not in keys]])
    for result in results:
        values = [result.summary.get(c) for c in columns if c not in keys]
        rows.writerow([str(result.folder), *[result.overrides.get(k) for k in keys], *values])
    write_bytes(path, text.getvalue().encode())
