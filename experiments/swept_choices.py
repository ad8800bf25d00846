"""Keys below a group that is swept: Hydra knows them of the default choice only, a job of its own choice."""

import re
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from experiments.explain import composed
from vaex._check import VaexError


class _Swept(NamedTuple):
    """A group with several choices."""

    key: str  # as typed: likelihood, schedule@objective.beta_schedule
    package: str  # where its keys lie; nothing: at the top
    choices: list[str]


def of_swept_choices(error: HydraException, words: Sequence[str], config_name: str) -> list[str] | None:
    """Returns the words with `++` where a key that Hydra refused is one of every swept choice, or None for other keys.

    Raises:
        VaexError: where some of the choices have the key and some have not.
    """
    found = re.search(r"Could not override '([^'@/]+)'\.\nTo append to your config", str(error))
    if not found:
        return None
    key = found.group(1)
    parsed = OverridesParser.create().parse_overrides([word for word in words if not word.startswith("-")])
    groups = [_override(o) for o in parsed if not o.is_sweep_override() and "." not in o.key_or_group]
    groups = [word for word in groups if not word.startswith("hydra")]
    for swept in _swept(parsed, groups, config_name):
        if not key.startswith(swept.package):
            continue
        has = {c: _has(composed(config_name, [*groups, f"{swept.key}={c}"]), key) for c in swept.choices}
        lacks = [choice for choice, known in has.items() if not known]
        if not lacks:
            return [f"++{word}" if _below(word, swept.package) else word for word in words]
        if len(lacks) < len(has):
            word = next(word for word in words if word.startswith(f"{key}="))
            known = [choice for choice in has if choice not in lacks]
            line = shlex.join([f"{swept.key}={','.join(known)}", word])
            raise VaexError(
                f"{word}: {_named(swept.key, lacks)} no such key, {_named(swept.key, known)} it; type -m {line}"
            )
    return None


def _named(key: str, choices: Sequence[str]) -> str:
    return f"{' and '.join(f'{key}={choice}' for choice in choices)} {'has' if len(choices) == 1 else 'have'}"


def _override(override: Override) -> str:
    return str(override.input_line)


def _swept(parsed: Sequence[Override], groups: Sequence[str], config_name: str) -> list[_Swept]:
    """Returns the groups that are swept: typed, or in the `hydra.sweeper.params` of an experiment."""
    params: Any = composed(config_name, groups, return_hydra_config=True).hydra.sweeper.get("params") or {}
    typed = {o.key_or_group for o in parsed}
    own = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
    every = [*parsed, *(o for o in own if o.key_or_group not in typed)]
    return [
        _Swept(
            o.get_key_element(),
            "" if o.key_or_group == "experiment" else f"{o.package or o.key_or_group}.",
            list(o.sweep_string_iterator()),
        )
        for o in every
        if o.is_discrete_sweep() and "." not in o.key_or_group and not o.is_hydra_override()
    ]


def _has(config: DictConfig, key: str) -> bool:
    node, _, last = key.rpartition(".")
    found = OmegaConf.select(config, node) if node else config
    return OmegaConf.is_dict(found) and last in found


def _below(word: str, package: str) -> bool:
    key = word.partition("=")[0]
    return bool(re.fullmatch(r"[\w.]+\.\w+", key)) and key.startswith(package) and not key.startswith("hydra.")
