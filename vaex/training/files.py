"""Files that are either whole or absent: written to a temporary name, synced, renamed."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaex._check import VaexError


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file that a crash leaves whole, old or new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # the rename itself
    os.close(folder)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON with every float finite or null."""
    write_bytes(path, (json.dumps(_finite(content), indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Returns the content of a JSON file.

    Raises:
        VaexError: where it cannot be read, or is not JSON.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise VaexError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise VaexError(f"{path} is damaged (not JSON: {error}); restore it, or start in a new folder") from None
    if not isinstance(content, dict):
        raise VaexError(f"{path} is damaged (expected {{...}}, got {content!r}); restore it, or start in a new folder")
    return content


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
