"""Names the settings that make other data of the same source, so that their numbers are not ranked together."""

from dataclasses import fields
from typing import Any


def with_settings(measure: str | None, data: Any, names: tuple[str, ...]) -> str | None:
    """Returns `data_measure` with those settings that are not the defaults in brackets after the data set's name."""
    defaults = {field.name: field.default for field in fields(data)}
    changed = [f"{name}={getattr(data, name)}" for name in names if getattr(data, name) != defaults[name]]
    if measure is None or not changed:
        return measure
    return f"{data.name} ({', '.join(changed)}){measure.removeprefix(data.name)}"
