"""What a sweep ends in: a table, `results.csv` and `report.html`."""

from collections.abc import Sequence
from pathlib import Path

from vaex._check import VaexError
from vaex.sweep.answers import answer
from vaex.sweep.page import page
from vaex.sweep.results import read_sweep, write_csv
from vaex.sweep.settings import arrange
from vaex.sweep.table import text
from vaex.sweep.to_wandb import log_report
from vaex.training.files import making_sense_of, write_bytes


def compare(
    sweeps: Sequence[Path],
    axis: str | None = None,
    group_by: str | Sequence[str] | None = None,
    wandb: bool = True,
) -> str:
    """Returns the table of one sweep, or of several joined, then the paths of the files it writes, the page's last.

    `results.csv` and `report.html` lie in the first sweep's folder. `axis` is the key along which curves run (beta if
    swept, else the first numeric one), `group_by` the keys that tell curves apart (all others). Where the sweep's runs
    were logged to W&B, `wandb` puts table and page there, as the report run of their group.

    Raises:
        VaexError: where there is no sweep, a file of it is damaged, or a key was not swept.
    """
    results = [result for sweep in sweeps for result in read_sweep(sweep)]
    csv, html = sweeps[0] / "results.csv", sweeps[0] / "report.html"
    with making_sense_of(sweeps[0]):
        comparison = arrange(results, axis, group_by)
        answered = [(panel, answer(comparison, panel)) for panel in comparison.panels]
        write_csv(csv, results)
        write_bytes(html, page(comparison, answered, sweeps).encode())
        if wandb:
            log_report(sweeps[0], comparison, html)
        return f"{text(comparison)}\n{csv}\n{html}"


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
