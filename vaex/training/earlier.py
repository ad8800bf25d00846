"""What an earlier version did where a folder of its does not say: the one table for all who read old folders.

`run.json` and `sweep.json` say their `format`. Those that say none are of format 1, which knew fewer keys: each had the
value below. Whoever adds a key adds its line here, and whoever changes what a config trains to adds it to `_CHANGED`.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from vaex._check import VaexError

FORMAT = 2

_DRAWS = {"kl": "analytic", "estimator": "reparameterized", "chunk": None}
# By the part's name (of plain settings: by the group's), the value that the program then had.
VALUES: dict[str, dict[str, Any]] = {
    "Trainer": {"matmul_precision": "default", "early_stopping": None, "keep_best": False},
    "evaluation": {"matmul_precision": "default"},
    "Recipe": {"matmul_precision": "default", "evaluation_precision": "default"},  # in a checkpoint
    "Array": {"levels": None, "header": "auto", "columns": None, "separator": "auto", "decimal": "."},
    "GECO": {"max_step": 0.1},
    "TargetRate": {"max_step": 0.1},
    "AdamW": {"decay": "all"},
    "tc_vae": _DRAWS,
    "info_vae": _DRAWS,
    "wae_mmd": _DRAWS,
    "dip_vae": _DRAWS,
}
_OF_NUMBERS = ("evaluation.matmul_precision",)  # not of how a run was trained
# What a changed default is about, by the key.
_WHY = {"optimizer.decay": "adamw decayed every parameter then, and decays the kernels of the networks now"}


def config_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the config in a `run.json`, with the keys that its version did not know at what it then did."""
    config = run.get("config") or {}
    return dict(config) if run.get("format", 1) >= FORMAT else _filled(config)


def not_compared(run: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the keys that may differ when a run of an earlier version goes on: its numbers are computed as now."""
    return () if run.get("format", 1) >= FORMAT else _OF_NUMBERS


def recipe_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the recipe in a checkpoint's metadata, which is whole but for what its version did not know."""
    return _filled(meta["recipe"])


def _filled(node: Any, name: str = "") -> Any:
    """Returns the node with what each part in it lacks."""
    if isinstance(node, list):
        return [_filled(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    target = str(node.get("_target_", ""))
    own = VALUES.get(target.rpartition(".")[2] or name, {})
    if target:
        own = {key: value for key, value in own.items() if key in _taken_by(target)}
    return {**own, **{key: _filled(value, key) for key, value in node.items()}}


def _taken_by(target: str) -> tuple[str, ...]:
    """Returns the settings of a part of ours; of somebody else's nothing is known, and nothing imported."""
    module, _, name = target.rpartition(".")
    if module.partition(".")[0] != "vaex":
        return ()
    try:
        return tuple(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError, TypeError, ValueError):
        return ()


def says_what_was(word: str) -> bool:
    """Whether `KEY=VALUE` says no more than what the program did before the key was there."""
    key, _, value = word.lstrip("+").partition("=")
    last = key.rpartition(".")[2]
    return any(last in own and value == ("null" if own[last] is None else str(own[last])) for own in VALUES.values())


def line_for(key: str, then: Any) -> str:
    """Returns what to type where a key that an old folder lacks has another value now."""
    value = "null" if then is None else str(then).lower() if isinstance(then, bool) else then
    why = f"{_WHY[key]}: " if key in _WHY else ""
    return f"{why}type {key}={value} to go on as it began"


def refuse_changed(what: object, run: Mapping[str, Any]) -> None:
    """Raises `VaexError` where the config of an old folder now trains to other numbers.

    Args:
        what: the folder.
        run: its `run.json`, or one like it of a sweep: `format` and `config`.
    """
    if run.get("format", 1) >= FORMAT:
        return
    for change, is_touched in _CHANGED.items():
        if is_touched(config_of(run)):
            raise VaexError(
                f"{what} was begun by an earlier version, and the same config now trains to other numbers: {change}; "
                "it evaluates, compares and loads as before; to train it as it is now, choose a new folder (leave out "
                "hydra.run.dir and hydra.sweep.dir)"
            )


def precision_of(entry: Mapping[str, Any]) -> str:
    """Returns the precision of the products behind an entry of `evaluation.json`; a CPU's own is the highest."""
    own = "highest" if str(entry.get("device", "")).startswith("cpu") else "default"
    return str(entry.get("matmul_precision", own))


def _node(config: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    node: Any = config
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}


def _is(node: Mapping[str, Any], *names: str) -> bool:
    return str(node.get("_target_", "")).rpartition(".")[2] in names


def _weighs_its_parts(config: Mapping[str, Any]) -> bool:
    """Whether a total-correlation penalty stands next to a rate whose own weight is not 1 throughout."""
    objective, penalty = _node(config, "objective"), _node(config, "objective", "penalty")
    weights = (penalty.get(name) for name in ("mutual_information", "total_correlation", "dimension_wise_kl"))
    if not _is(penalty, "TotalCorrelation") or all(weight == 1 for weight in weights):
        return False
    constant = _is(_node(objective, "beta_schedule"), "Constant")
    return not (_is(objective, "ELBO") and objective.get("beta") == 1 and constant)


# What changed since format 1, and whether it touches a config.
_CHANGED: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "the weights of the total-correlation penalty are now times the rate's own weight (beta, its schedule, or a "
    "controller's), where they were of the whole loss only at beta = 1": _weighs_its_parts,
    "the encoder's gradient of piwae is now exact where the groups' weights lie far apart": lambda config: _is(
        _node(config, "objective"), "PIWAE"
    ),
    "renyi now also counts impossible draws, and rounds otherwise": lambda config: _is(
        _node(config, "objective"), "Renyi"
    ),
    "a cyclical learning rate no longer rests at 0 for half of each cycle": lambda config: _is(
        _node(config, "optimizer", "learning_rate_schedule"), "Cyclical"
    ),
    "stages as a weight's schedule now end at 1": lambda config: any(
        _is(_node(config, "objective", name), "Stages") for name in ("beta_schedule", "capacity_schedule")
    ),
}
