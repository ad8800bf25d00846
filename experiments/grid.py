"""The jobs of the sweeper `grid`: every combination of values, keys that go together, experiments with their own."""

import itertools
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from vaex._check import VaexError, did_you_mean, whole

_KEY = "hydra.launcher.zip"


def jobs(overrides: Sequence[Override], config: DictConfig, loader: Any) -> list[list[str]]:
    """Returns the overrides of every job.

    Args:
        overrides: the sweep's own, then those that were typed, which replace them.
        config: of the sweep.
        loader: Hydra's, which composes the experiments that are swept.

    Raises:
        VaexError: where a key has no value, or what is to go together cannot.
    """
    if (most := config.hydra.sweeper.max_batch_size) is not None:
        whole("hydra.sweeper.max_batch_size", most)
    together = _together(config)
    several = [o for o in overrides if o.key_or_group == "experiment" and o.is_sweep_override()]
    if not several:
        return product(overrides, together)
    swept, parser, found = several[-1], OverridesParser.create(loader), []
    names = [words[0].split("=", 1)[1] for words in _values(swept)]
    others = [str(o.input_line) for o in overrides if o not in several]
    for name in names:
        chosen = [f"experiment={name}", *others]
        own = loader.load_configuration(
            config.hydra.job.config_name, [*config.hydra.overrides.hydra, *chosen], run_mode=RunMode.MULTIRUN
        )
        _refuse_other_settings(own, config, name, names, swept)
        params = [f"{key}={value}" for key, value in (own.hydra.sweeper.params or {}).items()]
        found += product(parser.parse_overrides([*params, *chosen]), together)
    return found


def _together(config: DictConfig) -> list[str]:
    given = config.hydra.launcher.get("zip") or []
    return [given] if isinstance(given, str) else [str(key) for key in given]


def product(overrides: Sequence[Override], together: Sequence[str] = ()) -> list[list[str]]:
    """Returns every combination of values, those of the keys `together` taken one by one."""
    columns: dict[str, list[list[str]]] = {}
    swept: dict[str, str] = {}
    for override in overrides:
        key = override.get_key_element()
        columns[key] = _values(override)
        swept.pop(key.lstrip("+"), None)
        if override.is_sweep_override():
            swept[key.lstrip("+")] = key
    if together:
        columns = _zipped(columns, swept, together)
    return [list(itertools.chain(*words)) for words in itertools.product(*columns.values())]


def _values(override: Override) -> list[list[str]]:
    """Returns the settings that a word stands for."""
    word, key = str(override.input_line), override.get_key_element()
    try:
        (words,) = BasicSweeper.split_arguments([override], None)
    except (HydraException, ValueError, TypeError) as error:
        why = "an interval is searched, not swept, which takes a sweeper such as hydra/sweeper=optuna"
        why = why if override.is_interval_sweep() else error
        raise VaexError(f"{word}: {why}; type values: -m {key}=1,4 or -m '{key}=range(0,4)'") from None
    if not words:
        raise VaexError(f"an empty sweep: {word} has no values; type for example 'seed=range(0,4)'")
    return words


def _zipped(
    columns: Mapping[str, list[list[str]]], swept: Mapping[str, str], together: Sequence[str]
) -> dict[str, list[list[str]]]:
    """Returns the columns with those of some keys as one, which takes the place of the first."""
    line = f"'{_KEY}=[{','.join(list(swept)[:2])}]'"
    line = line if len(swept) > 1 else f"-m objective.beta=1,4 seed=0,1 '{_KEY}=[objective.beta,seed]'"
    names = [key.lstrip("+") for key in together]
    given = f"{_KEY}=[{','.join(together)}]"
    for name in names:
        if name not in swept:
            known = ", ".join(swept) or "none"
            raise VaexError(f"{given}: {name} is not swept (swept: {known}); type {line}{did_you_mean(name, swept)}")
    if len(set(names)) != len(names) or len(names) < 2:
        raise VaexError(f"{given}: expected two different keys or more that are swept; type {line}")
    lengths = {name: len(columns[swept[name]]) for name in names}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        most = max(lengths.values())
        raise VaexError(
            f"{given}: expected as many values of each key, but {counts}; give each {most} values, or leave out {_KEY}"
        )
    keys = [swept[name] for name in names]
    one = [list(itertools.chain(*words)) for words in zip(*(columns[key] for key in keys), strict=True)]
    first = next(key for key in columns if key in keys)
    return {key: one if key == first else column for key, column in columns.items() if key == first or key not in keys}


def _refuse_other_settings(
    own: DictConfig, config: DictConfig, name: str, names: Sequence[str], swept: Override
) -> None:
    """Raises `VaexError` where one of several experiments sets what a whole sweep has once."""
    for key in ("launcher", "sweeper", "sweep", "job"):
        ours, theirs = (_settings(c.hydra[key]) for c in (own, config))
        if ours != theirs:
            what = ", ".join(f"hydra.{key}.{k}" for k in ours if ours[k] != theirs.get(k))
            lines = "\n".join(_line(str(swept.input_line), f"experiment={one}") for one in names)
            raise VaexError(f"experiment={name} sets {what}, of which a sweep has one; type a sweep each:\n{lines}")


def _settings(node: DictConfig) -> dict[str, Any]:
    found: Any = OmegaConf.to_container(node, resolve=False)
    return {key: value for key, value in found.items() if key not in ("params", "override_dirname")}


def _line(word: str, instead: str) -> str:
    words = [instead if typed == word else typed for typed in sys.argv[1:]]
    return shlex.join(["python", "-m", "experiments.train", *words])
