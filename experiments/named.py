"""Folders and files that are named on the command line, or by a run's own config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaex._check import VaexError, did_you_mean
from vaex.lines import setting


def folder(key: str, value: Any, such: str = "latest") -> Path:
    """Returns the folder that a key names; `such` is an example.

    Raises:
        VaexError: where Hydra read something else, as it reads the number 2026 for a folder of that name.
    """
    if not isinstance(value, str) or not value:
        meant = str(value) if isinstance(value, int | float) else such
        raise VaexError(f"{key}: expected a folder, got {value!r}; type {setting(key, meant)}")
    return Path(value).expanduser()


def moved(config: Mapping[str, Any], places: Mapping[str, str | None]) -> dict[str, Any]:
    """Returns a run's config with the places where its data lie now.

    Raises:
        VaexError: where its data have no such place.
    """
    data = dict(config["data"])
    for key, place in places.items():
        if place is None:
            continue
        if key not in data:
            name = str(data.get("_target_", "")).rpartition(".")[2]
            takes = ", ".join(word for word in data if word != "_target_")
            raise VaexError(f"data.{key}: the run's data are {name}, which takes {takes}{did_you_mean(key, data)}")
        data[key] = str(folder(f"data.{key}", place).absolute())
    return {**config, "data": data}
