"""The jobs of a sweep as they lie on disk."""

import csv
import io
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from vaex._check import VaexError
from vaex.sweep.manifest import Entry, read_manifest
from vaex.training import earlier, evaluations
from vaex.training.files import check, read_json, write_bytes

_NOT_A_JOB = {"wandb", "checkpoint", "figures", ".hydra"}
_FORMULA = tuple("=+-@\t\r\n")
_NULL = type(None)
_KINDS: dict[str, Any] = {  # of what `summary.json` and `run.json` may hold
    "status": str,
    "message": str,
    "alarms": [str],
    "config_overrides": [str],
    "validation": (dict, _NULL),
    "likelihood": (str, _NULL),
    "data_measure": (str, _NULL),
    "config": dict,
    "group": (str, _NULL),
    **dict.fromkeys(
        ("elbo", "nll", "rate", "distortion", "mse", "active_units", "latent_dim", "num_test"), (int, float, _NULL)
    ),
}
_LEFT_OUT = ("config_overrides", "monitor", "validation", "decomposition")


class Result(NamedTuple):
    """One job: where it is, what was swept, what came out."""

    folder: Path
    overrides: dict[str, str]
    summary: dict[str, Any]
    """Of a job that has left none yet: its status and message."""
    run: Mapping[str, Any] = MappingProxyType({})
    """`run.json`; empty where the job was refused before it started."""
    evaluations: Sequence[Mapping[str, Any]] = ()
    """The newest entry of each metric that was evaluated after training; its plain numbers are in `summary`, too."""

    @property
    def status(self) -> str:
        """How the job ended."""
        return str(self.summary.get("status", "failed"))

    @property
    def alarms(self) -> list[str]:
        """What its numbers warn of: tags of `vaex.metrics.ALARMS`."""
        return self.summary.get("alarms") or []

    def value(self, key: str) -> str:
        """Returns what `key` was in this job: as it was typed, else from its config, else nothing."""
        if key in self.overrides:
            return self.overrides[key]
        if key == "likelihood":
            return str(self.summary.get("likelihood", ""))
        node: Any = self.run.get("config")
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return "" if node is None or isinstance(node, (Mapping, list)) else str(node)


def read_sweep(sweep: Path) -> list[Result]:
    """Returns the jobs of a sweep: those in its `sweep.json`, else every folder below it that holds a summary.

    Raises:
        VaexError: where there is no such folder, no job in it, or a file of it is damaged.
    """
    if not sweep.is_dir():
        raise VaexError(f"expected the folder of a sweep, got {sweep}, which does not exist")
    manifest = read_manifest(sweep)
    if manifest is None:
        results = [_finished(folder) for folder in sorted(_folders(sweep), key=_natural)]
    else:
        results = [_planned(sweep, entry) for entry in sorted(manifest.jobs, key=lambda entry: entry.num)]
    if results:
        return results
    expected = "expected a sweep's folder, such as outputs/sweeps/..."
    if (sweep / "summary.json").exists():
        raise VaexError(f"{sweep} is a single run; {expected} (the folder above it, where the run belongs to one)")
    raise VaexError(f"{sweep} holds no summary.json in any folder; {expected}")


def _planned(sweep: Path, entry: Entry) -> Result:
    folder = sweep / entry.directory
    summary = _read_if_there(folder / "summary.json") or {"status": entry.status, "message": entry.message}
    return _result(folder, entry.overrides, summary)


def _finished(folder: Path) -> Result:
    summary = _read_if_there(folder / "summary.json")
    return _result(folder, summary.get("config_overrides", ()), summary)


def _result(folder: Path, overrides: Iterable[str], summary: dict[str, Any]) -> Result:
    entries = evaluations.read(folder)
    run = _read_if_there(folder / "run.json")
    run |= {"config": earlier.config_of(run)} if run else {}
    return Result(folder, _parsed(overrides), summary | evaluations.numbers(entries), run, evaluations.latest(entries))


def _read_if_there(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.exists() or path.is_symlink() else {}
    for key in content.keys() & _KINDS:
        check(content[key], _KINDS[key], path, key)
    return content


def _parsed(overrides: Iterable[str]) -> dict[str, str]:
    pairs = (override.lstrip("+").split("=", 1) for override in overrides if "=" in override)
    return {key: value.strip("'\"") for key, value in pairs}


def _folders(sweep: Path) -> Iterable[Path]:
    for place, folders, files in os.walk(sweep):
        folders[:] = [name for name in folders if name not in _NOT_A_JOB]
        if "summary.json" in files and Path(place) != sweep:
            yield Path(place)


def _natural(folder: Path) -> list[tuple[bool, int, str]]:
    """2 before 10, numbers before words."""
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in folder.parts]


def as_number(text: str) -> float | None:
    """Returns the finite number that an override's value is, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def same(text: str) -> float | str:
    """Returns what two spellings of one value share: `1`, `1.0` and `1e0` are the same."""
    number = as_number(text)
    return text if number is None else number


def varying(results: list[Result]) -> list[str]:
    """Returns the overridden keys whose values differ between jobs, in the order they were typed."""
    keys = list(dict.fromkeys(key for result in results for key in result.overrides))
    return [key for key in keys if len({same(result.value(key)) for result in results}) > 1]


def write_csv(path: Path, results: list[Result]) -> None:
    """Writes one row a job: the swept keys, then the summary's numbers, those on the validation split last."""
    keys = varying(results)
    flat = [{**result.summary, **_of_validation(result.summary)} for result in results]
    columns = list(dict.fromkeys(column for summary in flat for column in summary))
    columns = [column for column in columns if column not in (*_LEFT_OUT, *keys)]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow([_cell(name) for name in ("job", *keys, *columns)])
    for result, summary in zip(results, flat, strict=True):
        cells = (str(result.folder), *(result.value(key) for key in keys), *map(summary.get, columns))
        rows.writerow([_cell(cell) for cell in cells])
    write_bytes(path, text.getvalue().encode())


def _cell(value: Any) -> Any:
    """A cell as text; what a spreadsheet would take for a formula begins with an apostrophe, as it does there."""
    text = " ".join(map(str, value)) if isinstance(value, list) else value
    is_formula = isinstance(text, str) and unicodedata.normalize("NFKC", text[:1]) in _FORMULA and text
    return f"'{text}" if is_formula and as_number(text) is None else text


def _of_validation(summary: dict[str, Any]) -> dict[str, Any]:
    return {f"validation.{key}": value for key, value in (summary.get("validation") or {}).items()}
