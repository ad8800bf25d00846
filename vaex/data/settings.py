"""Names the settings that make other data of the same source, so that their numbers are not ranked together."""

import re
from dataclasses import fields
from typing import Any


def with_settings(measure: str | None, data: Any, names: tuple[str, ...]) -> str | None:
    """Returns `data_measure` with those settings that are not the defaults in brackets after the data set's name."""
    defaults = {field.name: field.default for field in fields(data)}
    changed = [f"{name}={getattr(data, name)}" for name in names if getattr(data, name) != defaults[name]]
    if measure is None or not changed:
        return measure
    return f"{data.name} ({', '.join(changed)}){measure.removeprefix(data.name)}"


def comparable(measure: str) -> str:
    """Returns what must agree of two `data_measure` for their numbers to be ranked together.

    Of the user's own file that is the hash of its numbers, and not its name.
    """
    return re.sub(r"^.*?(?=#[0-9a-f]{8}\b)", "", measure)
