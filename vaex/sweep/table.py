"""The table of a sweep: one row a setting, seeds averaged with their spread."""

from pathlib import Path
from typing import Any

import numpy as np

from vaex._check import VaexError
from vaex.sweep.results import Result, read_sweep, varying, write_csv

_NUMBERS = ("elbo", "nll", "rate", "distortion", "mse")


def compare(sweeps: list[Path]) -> str:
    """Returns the table of one sweep, or of several joined, ending in the path of the `results.csv` it writes.

    The file lies in the first sweep's folder.
    """
    results = [result for sweep in sweeps for result in read_sweep(sweep)]
    path = sweeps[0] / "results.csv"
    write_csv(path, results)
    return f"{table(results)}\n{path}"


def latest_sweep(output_dir: Path) -> Path:
    """Returns the newest sweep's folder.

    Raises:
        VaexError: where there is none.
    """
    found = [path.parent for path in output_dir.glob("sweeps/*/*/multirun.yaml")]
    if not found:
        raise VaexError(
            f"no sweep under {output_dir.resolve()}; start one: python -m experiments.train experiment=digits_beta"
        )
    return max(found, key=lambda folder: str(folder))


def table(results: list[Result]) -> str:
    """Returns a text table: the swept keys but the seed, then means over seeds +- their standard deviation.

    Numbers are nats per datum on the test split; settings whose `data_measure` differs stand in tables of their own,
    since their numbers cannot be ranked together.
    """
    measures = list(dict.fromkeys(result.summary.get("data_measure") for result in results))
    parts = []
    for measure in measures:
        own = [result for result in results if result.summary.get("data_measure") == measure]
        if len(measures) > 1:
            parts.append(f"{measure or 'no density (never ranked)'}:")
        parts.append(_aligned(_rows(own, varying(results))))
    return "\n".join(parts)


def _rows(results: list[Result], keys: list[str]) -> list[list[str]]:
    keys = [key for key in keys if key != "seed"]
    settings: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        settings.setdefault(tuple(result.overrides.get(key, "") for key in keys), []).append(result)
    rows = [[*(key.split(".")[-1] for key in keys), "n", *_NUMBERS, "active", "status"]]
    for setting, jobs in settings.items():
        good = [job.summary for job in jobs if job.summary["status"] == "completed"]
        numbers = [_spread([s[name] for s in good]) for name in _NUMBERS]
        active = _spread([s["active_units"] for s in good], digits=1)
        status = [job.summary["status"] for job in jobs]
        shown = ", ".join(f"{status.count(s)} {s}" if len(set(status)) > 1 else s for s in dict.fromkeys(status))
        rows.append([*map(str, setting), str(len(good)), *numbers, active, shown])
    return rows


def _spread(values: list[float | None], digits: int = 4) -> str:
    """Mean and standard deviation over seeds; the mean alone where there is one seed."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = np.mean(known)
    places = max(0, digits - 1 - int(np.floor(np.log10(max(abs(mean), 0.1))))) if digits > 1 else 1
    spread = f" +- {np.std(known, ddof=1):.{places}f}" if len(known) > 1 else ""
    return f"{mean:.{places}f}{spread}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
