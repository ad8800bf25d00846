"""`make reproduce NAME=...`: trains an experiment, evaluates it, and prints ours beside the published number."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.published import REPRODUCTIONS, Reproduction
from vaex._check import VaexError, did_you_mean
from vaex._write import write_bytes
from vaex.lines import command_line, word

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
HEAD = (
    "| experiment | setting | number | ours, nats (n seeds) | published | other reproductions | source, note, date |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)


def main() -> None:
    """Runs the command: `python -m experiments.reproduce NAME [KEY=VALUE ...]`; again, it goes on where it stopped."""
    try:
        name, *overrides = sys.argv[1:] or [""]
        for line in reproduce(name, overrides):
            print(line, flush=True)
    except VaexError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def reproduce(name: str, overrides: Sequence[str] = (), page: Path = PAGE) -> list[str]:
    """Returns the table's lines, after writing them into the page.

    Args:
        name: of the experiment.
        overrides: for the training.
        page: with a table between two markers.

    Raises:
        VaexError: where there is no such experiment, or a command fails.
    """
    if name not in REPRODUCTIONS:
        known = ", ".join(REPRODUCTIONS)
        raise VaexError(
            f"NAME: expected one of {known}; got {name!r}{did_you_mean(name, REPRODUCTIONS)}; "
            "type make reproduce NAME=burda_iwae_short"
        )
    about, folder = REPRODUCTIONS[name], Path("outputs") / "reproduce" / name
    _run("train", f"experiment={name}", word("hydra.sweep.dir", folder), "logger=none", *overrides)
    if about.evaluate:
        lacking = _lacking(folder, about)
        if lacking:
            _run("evaluate", word("run", lacking[0] if len(lacking) == 1 else folder), "wandb=false", *about.evaluate)
        _run("compare", word("sweep", folder), "wandb=false")
    rows = table(name, about, folder, overrides)
    if page.exists():
        write_bytes(page, with_rows(page.read_text(encoding="utf-8"), name, rows).encode())
    return [*HEAD.splitlines(), *rows, f"written into {page}" if page.exists() else ""]


def _run(command: str, *words: str) -> None:
    line = [sys.executable, "-m", f"experiments.{command}", *words]
    if subprocess.run(line, check=False).returncode:
        raise VaexError(f"stopped at: {command_line(command, *words)}")


def _lacking(folder: Path, about: Reproduction) -> list[Path]:
    """Returns the completed runs whose newest entry is not of the settings that are asked for."""
    from hydra import compose, initialize_config_dir

    from experiments.assemble import build, plain
    from experiments.command import CONF
    from vaex.evaluation.measure import settings_of
    from vaex.sweep import read_sweep
    from vaex.training.earlier import precision_of
    from vaex.training.precision import REPORTED

    with initialize_config_dir(CONF, version_base="1.3"):
        ((name, node),) = plain(compose("evaluate", list(about.evaluate)))["metric"].items()
    wanted = dict(settings_of(build(node, f"metric.{name}")))

    def has(result: Any) -> bool:
        found = [one for one in result.evaluations if one["metric"] == name]
        return bool(found) and found[0]["settings"] == wanted and precision_of(found[0]) == REPORTED

    return [result.folder for result in read_sweep(folder) if result.status == "completed" and not has(result)]


def table(name: str, about: Reproduction, folder: Path, overrides: Sequence[str] = ()) -> list[str]:
    """Returns a row a setting: the mean over seeds with their deviation, or with one seed the error over examples."""
    from vaex.sweep import read_sweep
    from vaex.sweep.settings import arrange, number_of
    from vaex.sweep.table import spread

    comparison = arrange(read_sweep(folder))
    rows = []
    for setting in comparison.settings:
        values = setting.numbers(about.number)
        ours = f"{spread(values, places=2)} ({len(values)})"
        if len(values) == 1 and (se := number_of(setting.completed[0].summary, f"{about.number}_se")) is not None:
            ours = f"{values[0]:.2f} +- {se:.2f} over examples (1)"
        value = setting.completed[0].value(about.key) if setting.completed else ""
        published = about.values.get(value)
        notes = [about.source, about.note, " ".join(overrides), time.strftime("%Y-%m-%d")]
        cells = (
            f"`{name}`",
            comparison.label(setting),
            about.number,
            ours,
            "-" if published is None else f"{published:.2f}",
            about.spread.get(value, "-"),
            "; ".join(filter(None, notes)),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def with_rows(text: str, name: str, rows: Sequence[str]) -> str:
    """Returns the page with an experiment's rows in the place of its earlier ones, in the order of the experiments.

    Raises:
        VaexError: where the page has no table.
    """
    start, end = "<!-- reproduce: begin -->\n", "<!-- reproduce: end -->"
    if start not in text or end not in text:
        raise VaexError(
            f"docs/results.md: expected the lines {start.strip()} and {end}, between which the table stands"
        )
    before, rest = text.split(start, 1)
    old, after = rest.split(end, 1)
    kept = [line for line in old.splitlines() if line.startswith("| `") and not line.startswith(f"| `{name}` ")]
    order = {known: place for place, known in enumerate(REPRODUCTIONS)}
    lines = sorted([*kept, *rows], key=lambda line: order.get(line.split("`")[1], len(order)))
    return f"{before}{start}{HEAD}{''.join(f'{line}\n' for line in lines)}{end}{after}"


if __name__ == "__main__":
    main()
