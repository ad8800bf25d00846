"""From a composed config to the parts of a run: the only reader of configs, and never a writer."""

import difflib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vaex._check import VaexError, did_you_mean, seed, whole
from vaex.trust import find

_PARTS = (
    "data",
    "encoder",
    "decoder",
    "likelihood",
    "posterior",
    "prior",
    "objective",
    "optimizer",
    "trainer",
    "logger",
)
_VALUES = ("seed", "latent_dim", "output_dir", "evaluation")
_GLOBAL = "`# @package _global_`"
_EVALUATION = ("nll_num_samples", "matmul_precision")
_ALSO_CALLED = {
    "lr": "learning_rate",
    "epochs": "num_epochs",
    "steps": "num_steps",
    "z_dim": "latent_dim",
    "bs": "batch_size",
}
# Groups that fill a slot of another part: typed alone they are no key.
_SLOTS = {"penalty": "penalty@objective.penalty", "schedule": "schedule@objective.beta_schedule"}


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Returns the config without Hydra's own node, resolved, as plain dicts and lists.

    Raises:
        VaexError: where a file's first line put its keys where nothing reads them.
    """

    def value(node: Any) -> Any:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True) if OmegaConf.is_config(node) else node

    config = {str(key): value(cfg[key]) for key in cfg if key != "hydra"}
    _refuse_misplaced(config)
    return config


def assemble(
    config: Mapping[str, Any],
    folder: Path,
    datasets: dict[Any, Any] | None = None,
    trust: Sequence[str] | None = None,
    start: Path | None = None,
    **about: Any,
) -> Any:
    """Returns the `vaex.training.Job` that a plain config describes; every part is built before the first step.

    Args:
        config: what `plain` returned.
        folder: of the run.
        datasets: those that other jobs have loaded; equal nodes share one, and so a pack.
        trust: of a config that a folder holds, whose names it may have; see `vaex.trust.find`.
        start: what relative paths of the data are relative to; the current folder without.
        **about: further fields of the job (overrides, name, group).

    Raises:
        VaexError: where the parts refuse their settings, or nothing consumes a key.
    """
    from vaex.models import VAE
    from vaex.training import Job

    for name in _PARTS:
        if name != "logger" and not isinstance(config.get(name), Mapping):
            raise VaexError(f"{name}: expected one of its choices, got {config.get(name)!r}; --help lists them")
    if not isinstance(config.get("evaluation"), Mapping):
        raise VaexError(f"evaluation: expected its keys, got {config.get('evaluation')!r}; leave out evaluation=")
    refuse_unknown(config)
    parts = {name: build(config[name], name, trust) for name in _PARTS if name != "logger"}
    loggers = {name: build(node, f"logger.{name}", trust) for name, node in (config["logger"] or {}).items()}
    num_samples = config["evaluation"]["nll_num_samples"]
    whole("evaluation.nll_num_samples", num_samples, low=0)
    whole("latent_dim", config["latent_dim"])
    seed("seed", config["seed"])
    trainer, likelihood = parts["trainer"], parts["likelihood"]
    if trainer.monitor == "nll" and not (num_samples and likelihood.is_density):
        raise VaexError("trainer.monitor=nll: there is no NLL to hand back here; use trainer.monitor=elbo")
    source = parts["data"] if start is None else parts["data"].seen_from(start)
    data = _loaded(source, likelihood, {} if datasets is None else datasets)
    likelihood = likelihood.at_levels(data.levels)
    model = VAE(
        encoder=parts["encoder"],
        decoder=parts["decoder"],
        likelihood=likelihood,
        posterior=parts["posterior"],
        prior=parts["prior"],
        latent_dim=config["latent_dim"],
        event_shape=data.event_shape,
        precision=trainer.precision,
    )
    recipe = trainer.recipe(
        model,
        parts["objective"],
        parts["optimizer"],
        config["seed"],
        len(data.train),
        config["evaluation"]["matmul_precision"],
    )
    return Job(
        recipe=recipe,
        data=data,
        trainer=trainer,
        folder=folder,
        nll_num_samples=num_samples,
        loggers={name: logger for name, logger in loggers.items() if name != "jsonl"},
        config=config,
        **about,
    )


def _loaded(data: Any, likelihood: Any, datasets: dict[Any, Any]) -> Any:
    import jax

    key = data, jax.tree.structure(likelihood)  # a likelihood's numbers do not change how data are prepared
    if key not in datasets:
        datasets[key] = data.load(likelihood)
    return datasets[key]


def build(node: Any, path: str, trust: Sequence[str] | None = None) -> Any:
    """Returns what a node describes: `_target_` called with the node's other keys, sequences as tuples.

    Args:
        node: of a config.
        path: of the node in the config.
        trust: whose names the node may hold; None for the user's own config, which may name anything.

    Raises:
        VaexError: for a key that the target does not take, at its path in the config.
    """
    if isinstance(node, list):
        return tuple(build(item, path, trust) for item in node)
    if not isinstance(node, Mapping):
        return node
    if "_target_" not in node:
        raise VaexError(f"{path}: expected a node with _target_, got {dict(node)}")
    try:
        target = find(node["_target_"], trust)
    except VaexError as error:
        raise VaexError(f"{path}._target_: {error}") from None
    name = str(node["_target_"]).rpartition(".")[2]
    takes = [p for p in inspect.signature(target).parameters if p != "parent"]  # Flax's own
    given = {key: value for key, value in node.items() if key != "_target_"}
    for key in given:
        if key not in takes:
            top = f"; a file whose keys begin at the top has the first line {_GLOBAL}" * (key in (*_PARTS, *_VALUES))
            raise VaexError(
                f"unknown key '{path}.{key}'; {path} is {name}, which takes {', '.join(takes) or 'no settings'}"
                f"{did_you_mean(key, takes)}{top}"
            )
    built = {key: build(value, f"{path}.{key}", trust) for key, value in given.items()}
    try:
        return target(**built)
    except VaexError as error:
        # A part names its class; the user typed a path.
        raise VaexError(str(error).replace(f"{name}.", f"{path}.", 1)) from None


def _refuse_misplaced(config: Mapping[str, Any]) -> None:
    if "_target_" in config:
        raise VaexError(
            f"_target_={config['_target_']} lies at the top, where nothing reads it: take the line {_GLOBAL} out of "
            "the group's file"
        )
    if config.get("experiment"):
        paths = [f"experiment.{path}" for path in leaves(config["experiment"])]
        unread = ", ".join(paths[:3]) + ", ..." * (len(paths) > 3)
        raise VaexError(f"nothing reads {unread}: the experiment's file needs {_GLOBAL} as its first line")


def refuse_unknown(config: Mapping[str, Any]) -> None:
    """Raises `VaexError` for a key that nothing consumes; Hydra itself lets `+beta=4` through."""
    nodes = ((config, (*_PARTS, *_VALUES), ""), (config["evaluation"], _EVALUATION, "evaluation."))
    for node, known, prefix in nodes:
        for key in node:
            if key not in known and (prefix or key != "experiment"):  # of an experiment that only chooses parts
                raise VaexError(unknown_key(prefix + key, node[key], config))


def unknown_key(key: str, value: Any, config: Mapping[str, Any]) -> str:
    """Returns the message for a key that does not exist, with the line that was probably meant."""
    if key in _SLOTS:
        return f"unknown key '{key}'; did you mean {_SLOTS[key]}={value}?"
    paths = [path for path in leaves(config) if path != key and not path.startswith(f"{key}.")]
    last = _ALSO_CALLED.get(key, key.split(".")[-1])
    names = list(dict.fromkeys(path.split(".")[-1] for path in paths))
    close = [last] if last in names else difflib.get_close_matches(last, names, n=1)
    meant = [path for path in paths if path.split(".")[-1] in close]
    if meant and "." not in key:
        return f"unknown key '{key}'; did you mean {' or '.join(f'{path}={value}' for path in meant)}?"
    known = [*paths, *(name for name in config if name != key)]
    return f"unknown key '{key}'{did_you_mean(key, known) or '; --cfg job prints every key'}"


def leaves(config: Any, prefix: str = "") -> Iterator[str]:
    """Yields the dotted path of every setting."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        elif key != "_target_":
            yield f"{prefix}{key}"
