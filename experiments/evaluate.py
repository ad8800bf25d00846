"""`python -m experiments.evaluate run=DIR`: metrics of a finished run, or of every run of a sweep."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.command import CONF, command, mistakes
from experiments.named import folder as folder_named
from experiments.named import moved
from vaex._check import VaexError, one_of, seed
from vaex._write import make_folder
from vaex.trust import modules

LOG = logging.getLogger("vaex")
KEYS = ("run", "split", "seed", "evaluation", "strategy", "output_dir", "wandb", "trust", "data", "metric")


@hydra.main(version_base="1.3", config_path=CONF, config_name="evaluate")
def task(cfg: DictConfig) -> None:
    """Appends to the `evaluation.json` of every run, and prints the numbers."""
    from experiments.assemble import build, plain, unknown_key

    with mistakes(HydraConfig.get()):
        config = plain(cfg)
        for key in config:
            if key not in KEYS:
                raise VaexError(unknown_key(key, config[key], {k: config[k] for k in KEYS if k in config}))
        _check(config)
        metrics = {name: build(node, f"metric.{name}") for name, node in config["metric"].items()}
        with said_on_the_console():
            for line in evaluate(config, metrics):
                print(line, flush=True)


def _check(config: Mapping[str, Any]) -> None:
    from experiments.assemble import unknown_key
    from vaex.training.precision import PRECISIONS

    if not config.get("metric"):
        raise VaexError("metric: expected at least one, got none; type metric=nll or 'metric=[nll,information]'")
    for key in KEYS:
        if key not in config:
            raise VaexError(f"{key}: expected a value, got none; leave out ~{key}")
    for key in ("evaluation", "data"):
        if not isinstance(config[key], Mapping):
            raise VaexError(f"{key}: expected its keys, got {config[key]!r}; leave out {key}=")
    one_of("split", config["split"], ("test", "validation"))
    one_of("strategy", config["strategy"], ("auto", "loop", "vmap"))
    seed("seed", config["seed"])
    for key, value in config["evaluation"].items():
        if key != "matmul_precision":
            raise VaexError(unknown_key(f"evaluation.{key}", value, config))
    one_of("evaluation.matmul_precision", config["evaluation"].get("matmul_precision"), PRECISIONS)
    if not isinstance(config["wandb"], bool):
        raise VaexError(f"wandb: expected true or false, got {config['wandb']!r}; type wandb=false")
    folder_named("run", config["run"])
    folder_named("output_dir", config["output_dir"], "outputs")
    modules(config["trust"])


@contextmanager
def said_on_the_console() -> Iterator[None]:
    """The log's lines go to stderr meanwhile."""
    LOG.setLevel(logging.INFO)
    console = logging.StreamHandler(sys.stderr)
    LOG.addHandler(console)
    try:
        yield
    finally:
        LOG.removeHandler(console)  # another command in this process has a console of its own


def evaluate(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """Returns the lines to print, after measuring; what is measured is on disk as soon as it is there.

    Args:
        config: as `conf/evaluate.yaml` has it.
        metrics: by name.
    """
    from vaex.evaluation import folders_of
    from vaex.training import evaluations

    folder = latest(Path(config["output_dir"])) if config["run"] == "latest" else folder_named("run", config["run"])
    folders, notes = folders_of(folder)
    for one in folders:
        evaluations.check_writable(one)
    for note in notes:
        LOG.warning(note)

    from experiments.device import prepare_jax

    prepare_jax(num_devices=len(folders))

    from vaex.evaluation import to_wandb
    from vaex.evaluation.runs import finished, packs_of
    from vaex.training import StopFlag
    from vaex.training.evaluate import Stopped

    datasets: dict[Any, Any] = {}
    where = {"trust": modules(config["trust"]), "places": config["data"]}
    runs = [finished(_job(one, datasets, **where)) for one in folders]
    split = config["split"]
    for run in runs:  # every mistake before the first number
        if getattr(run.job.data, split) is None:
            raise VaexError(f"split={split}: {run.job.folder} was trained without one; type split=test")
        for metric in metrics.values():
            metric.check(run.model)
        evaluations.read(run.job.folder)  # to which the numbers are added
        if config["wandb"]:
            to_wandb.check(run)
    packs = packs_of(runs)
    LOG.info("%s: %d run%s, %d pack%s", folder, len(runs), "s" * (len(runs) > 1), len(packs), "s" * (len(packs) > 1))
    with StopFlag() as stop:
        try:
            lines = [line for pack in packs for line in _measure_pack(pack, config, metrics, stop)]
        except Stopped:
            print("stopped; what was measured is in the runs' evaluation.json", file=sys.stderr)
            sys.exit(stop.exit_code)
    return lines


def latest(output_dir: Path) -> Path:
    """Returns the newest run, or the sweep that it belongs to.

    Raises:
        VaexError: where there is none.
    """
    from vaex.loaded import latest_run

    run = latest_run(output_dir)
    return run.parent if (run.parent / "multirun.yaml").exists() else run


def _job(
    folder: Path,
    datasets: dict[Any, Any],
    trust: Sequence[str] = (),
    places: Mapping[str, str | None] | None = None,
) -> Any:
    """Returns the job of a folder, from the config that its `run.json` holds.

    Args:
        folder: of the run.
        datasets: those that other jobs have loaded.
        trust: modules that the config may name beside ours.
        places: where the run's data lie now, as `data.path`; without, where they lay when it was started.
    """
    from experiments.assemble import assemble
    from vaex.training.earlier import config_of
    from vaex.training.files import making_sense_of, read_json

    of_run = read_json(folder / "run.json", config=dict, cwd=(str, type(None)), group=(str, type(None)))
    start = of_run.get("cwd")
    try:
        with making_sense_of(folder / "run.json"):
            return assemble(
                moved(config_of(of_run), places or {}),
                folder,
                datasets,
                trust=trust,
                start=None if start is None else Path(start),
                name=str(of_run.get("name") or ""),
                group=of_run.get("group"),
            )
    except VaexError as error:
        raise VaexError(f"{folder}: {error}{_where_data_lie(start) * ('data.path' in str(error))}") from None


def _where_data_lie(start: str | None) -> str:
    looked = f"the run was started in {start}"
    if start is None:
        looked = f"run.json does not say in which folder the run was started, so it is taken from {Path.cwd()}"
    return f" ({looked}; type data.path=FILE for where the run's own file lies now)"


def _measure_pack(pack: Sequence[Any], config: Mapping[str, Any], metrics: Mapping[str, Any], stop: Any) -> list[str]:
    from vaex.evaluation.measure import measure
    from vaex.evaluation.record import entry
    from vaex.training.evaluations import append

    split, noise, products = config["split"], config["seed"], config["evaluation"]["matmul_precision"]
    entries: list[list[Any]] = [[] for _ in pack]
    lines: list[str] = []
    try:
        for name, metric in metrics.items():
            measured = measure(
                list(pack),
                name,
                metric,
                split=split,
                seed=noise,
                strategy=config["strategy"],
                matmul_precision=products,
                should_stop=lambda: bool(stop),
            )
            for run, own, one in zip(pack, entries, measured, strict=True):
                own.append(entry(run, name, metric, one, split=split, seed=noise, matmul_precision=products))
                append(run.job.folder, own[-1:])
                lines.append(f"{run.job.folder}: {shown(own[-1])}")
                for warning in one.warnings:
                    LOG.warning("%s: %s", run.job.folder, warning)
    finally:
        if config["wandb"]:
            _to_wandb(pack, entries, Path(config["output_dir"]))
    return lines


def _to_wandb(pack: Sequence[Any], entries: Sequence[Sequence[Any]], output_dir: Path) -> None:
    from vaex.evaluation.to_wandb import log_entries

    folder = output_dir / "evaluations" / time.strftime("%Y-%m-%d") / time.strftime("%H-%M-%S")
    for run, own in zip(pack, entries, strict=True):
        logger = run.job.loggers.get("wandb")
        if logger is not None and own:
            make_folder(folder, parents=True)
            line = log_entries(run, own, folder, logger)
            if line:
                LOG.info(line)


def shown(entry: Mapping[str, Any]) -> str:
    """Returns the plain numbers of an entry in one line, with what they were obtained from."""
    numbers = entry["numbers"]
    parts = []
    for key, value in numbers.items():
        if isinstance(value, (int, float)) and not key.endswith("_se") and key != "num_samples":
            se = numbers.get(f"{key}_se")
            parts.append(f"{key} {value:.4g}" if se is None else f"{key} {value:.2f} +- {se:.2f}")
    k = "" if entry["num_samples"] is None else f", K = {entry['num_samples']}"
    return f"{entry['metric']} ({entry['num_examples']} {entry['split']} examples{k}): " + "  ".join(parts)


def data_of(folder: Path, trust: Sequence[str] = ()) -> Any:
    """Returns the data that a run was trained on.

    Raises:
        VaexError: where they are gone or others.
    """
    from vaex.evaluation import finished

    return finished(_job(folder, {}, trust)).job.data


def main() -> None:
    """Runs the command."""
    command(task, "evaluate")


if __name__ == "__main__":
    sys.exit(main())
