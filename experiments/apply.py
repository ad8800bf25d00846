"""`python -m experiments.apply run=DIR data.path=FILE what=codes out=FILE`: a finished model over a file."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.command import CONF, SHOWN, command, mistakes
from experiments.evaluate import data_of, latest, said_on_the_console
from experiments.named import folder as folder_named
from vaex._check import VaexError
from vaex.trust import modules

LOG = logging.getLogger("vaex")
KEYS = (
    "run",
    "data",
    "split",
    "what",
    "out",
    "overwrite",
    "num_samples",
    "nll_num_samples",
    "seed",
    "output_dir",
    "trust",
)
OF_DATA = ("path", "levels", "header", "columns", "separator", "decimal")


@hydra.main(version_base="1.3", config_path=CONF, config_name="apply")
def task(cfg: DictConfig) -> None:
    """Writes `out`, and prints what is in it."""
    from experiments.assemble import plain, unknown_key

    with mistakes(HydraConfig.get()):
        config = plain(cfg)
        for prefix, node, known in (("", config, KEYS), ("data.", config.get("data") or {}, OF_DATA)):
            for key in node:
                if key not in known:
                    raise VaexError(unknown_key(prefix + key, node[key], {k: config[k] for k in KEYS if k in config}))
        for key in KEYS:
            if key not in config:
                raise VaexError(f"{key}: expected a value, got none; leave out ~{key}")
        with said_on_the_console():
            print(applied(config), flush=True)


def applied(config: Mapping[str, Any]) -> str:
    """Returns the line to print, after writing the file that `conf/apply.yaml` describes.

    Raises:
        VaexError: before the first number where the run, the file and what is asked for do not fit together.
    """
    from vaex.evaluation.sinks import check_out

    folder, what = _run(config), config["what"]
    names = (what,) if isinstance(what, str) else tuple(what or ())
    if not isinstance(config["overwrite"], bool):
        raise VaexError(f"overwrite: expected true or false, got {config['overwrite']!r}; type overwrite=true")

    from experiments.device import prepare_jax

    prepare_jax()

    from vaex.evaluation.apply import Asked, apply
    from vaex.loaded import load
    from vaex.loggers import Progress
    from vaex.training import StopFlag
    from vaex.training.evaluate import Stopped

    asked = Asked(names, config["num_samples"], config["nll_num_samples"], config["seed"])
    out = check_out(config["out"], asked.what, overwrite=config["overwrite"])
    rows = _rows(config, folder, asked.of_rows)
    if config["data"]["path"] and out.exists() and out.samefile(Path(config["data"]["path"]).expanduser()):
        raise VaexError(f"out={out} is the file that is read; type another out=FILE")
    model = load(folder, trust=modules(config["trust"]))
    for note in rows.notes if rows else ():
        LOG.info(note)
    with StopFlag() as stop, Progress(max(len(rows or ()), asked.num_samples or 0), "apply", unit="row") as progress:
        try:
            done = apply(model, rows, asked, out, lambda: bool(stop), progress.update)
        except Stopped:
            print(f"stopped; {out} was not written", file=sys.stderr)
            sys.exit(stop.exit_code)
    for warning in done.warnings:
        LOG.warning(warning)
    parts = [f"{name} ({num} rows)" for name, num in done.counts.items()]
    means = [f"mean {name} {value:.4g}" for name, value in done.means.items()]
    return f"{out}: {'  '.join([', '.join(parts), *means])}"


def _run(config: Mapping[str, Any]) -> Path:
    """Returns the folder of the run.

    Raises:
        VaexError: where it is not completed, or holds several runs.
    """
    from vaex.evaluation import folders_of

    named = folder_named("run", config["run"])
    folder_named("output_dir", config["output_dir"], "outputs")
    folder = latest(Path(config["output_dir"])) if config["run"] == "latest" else named
    found, _ = folders_of(folder)
    if found != [folder]:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise VaexError(
            f"run={folder} is a sweep, and a file needs one model; type one of {', '.join(_told_apart(found))}{more}"
        )
    return folder


def _told_apart(folders: Sequence[Path]) -> list[str]:
    """Returns `run=DIR/0 (objective.beta=1 seed=0)` for the first runs of a sweep: what not all of them were given."""
    from vaex.training.files import read_json

    given = [read_json(folder / "run.json").get("config_overrides", []) for folder in folders]
    own = [[word for word in words if not all(word in others for others in given)] for words in given]
    return [
        f"run={folder}" + (f" ({' '.join(words)})" if words else "")
        for folder, words in list(zip(folders, own, strict=True))[:SHOWN]
    ]


def _rows(config: Mapping[str, Any], folder: Path, needed: bool) -> Any:
    """Returns the rows of the user's file, or of the run's own data where they are needed; None where they are not."""
    from vaex.data.opened import open_rows, rows_of

    path, split = config["data"]["path"], config["split"]
    if path is None:
        return rows_of(data_of(folder, modules(config["trust"])), split) if needed else None
    if not isinstance(path, str):
        raise VaexError(f"data.path: expected a file, got {path!r}; type data.path=FILE")
    return open_rows(Path(path).expanduser(), split, _reader(config["data"], folder))


def _reader(typed: Mapping[str, Any], folder: Path) -> Any:
    """Returns how the file is read: as typed, and for the rest as the file that the run was trained on."""
    from vaex.data import Array
    from vaex.training.files import read_json

    of_run = read_json(folder / "run.json").get("config", {}).get("data", {})
    kept = {key: of_run[key] for key in (*OF_DATA[1:], "flatten") if key in of_run}
    if of_run.get("dequantize") == "uniform":
        kept.pop("levels", None)  # noise belongs to the file: (k + u) / levels
    return Array(**kept | {key: typed[key] for key in OF_DATA if typed.get(key) is not None})


def main() -> None:
    """Runs the command."""
    command(task, "apply")


if __name__ == "__main__":
    sys.exit(main())
