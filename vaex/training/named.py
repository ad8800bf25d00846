"""A config as loggers are told it: every choice by its name, without import paths."""

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

_OTHERWISE = {"NoPenalty": "none", "AdamW": "adamw"}  # choices that are not called as their class
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def choice(target: str) -> str:
    """Returns what a part is called: `student_t` of `vaex.likelihoods.StudentT`; others by their class."""
    module, _, name = target.rpartition(".")
    if module.split(".")[0] != "vaex":
        return name
    return _OTHERWISE.get(name) or _WORDS.sub("_", name).lower()


def named(config: Any, key: str = "") -> Any:
    """Returns a config with the name of every choice in place of its `_target_`, so that runs can be filtered by it.

    It is called `name`, or `choice` where the part has a setting of that name: `data=tfds data.name=kmnist` keeps
    `data.name`, by which one filters, and has `data.choice` = tfds. A node that stands under its own name (a logger,
    the trainer) needs none.
    """
    if isinstance(config, (list, tuple)):
        return [named(value) for value in config]
    if not isinstance(config, Mapping):
        return config
    rest = {k: named(value, str(k)) for k, value in config.items() if k != "_target_"}
    own = choice(str(config.get("_target_", "")))
    if not own or own == key:
        return rest
    return {"choice" if "name" in rest else "name": own, **rest}


def shared(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the settings that are the same in all configs."""

    def both(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
        kept = {}
        for key in a:
            if key in b and isinstance(a[key], Mapping) and isinstance(b[key], Mapping):
                kept[key] = both(a[key], b[key])
            elif key in b and a[key] == b[key]:
                kept[key] = a[key]
        return kept

    return dict(reduce(both, configs)) if configs else {}
