"""JSON files: written whole or not at all, and what is read of them is held to its form."""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vaex._check import VaexError
from vaex._write import write_bytes

__all__ = ["check", "making_sense_of", "read_json", "write_bytes", "write_json"]
_RESTORE = "restore it, or start in a new folder"
_NAMES = {dict: "{...}", list: "[...]", str: "words", int: "a whole number", (int, float): "a number"}
_LARGEST = 2**63
_SHOWN = 60


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON with every float finite or null."""
    write_bytes(path, (json.dumps(_finite(content), indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path, **kinds: Any) -> dict[str, Any]:
    """Returns the content of a JSON file.

    Args:
        path: of the file.
        **kinds: of what its keys have to hold, as in `check`.

    Raises:
        VaexError: where it cannot be read, is not JSON, or a key is missing or holds something else.
    """
    try:
        if not path.is_file():
            raise OSError("it is no file" if path.exists() else "it is not there")
        content = json.loads(path.read_text(encoding="utf-8"), **_STRICT)
    except OSError as error:
        raise VaexError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise VaexError(f"{path} is damaged (not JSON: {error}); {_RESTORE}") from None
    check(content, dict, path)
    for key, kind in kinds.items():
        check(content.get(key), kind, path, key)
    return content


def check(value: Any, kind: Any, path: Path, key: str = "") -> None:
    """Raises `VaexError` unless a value of a file is of a type, or for `[type]` a list of such values."""
    listed = isinstance(kind, list)
    fits = isinstance(value, list) and all(isinstance(v, kind[0]) for v in value) if listed else isinstance(value, kind)
    if not fits:
        expected = f"[{_NAMES.get(kind[0], 'values')}, ...]" if listed else _NAMES.get(kind, str(kind))
        shown = repr(value) if len(repr(value)) < _SHOWN else f"{repr(value)[:_SHOWN]}..."
        raise VaexError(f"{path} is damaged ({f'{key}: ' * bool(key)}expected {expected}, got {shown}); {_RESTORE}")


def _whole(word: str) -> int:
    value = int(word)
    return value if abs(value) < _LARGEST else _no_number(word)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _number(word: str) -> float:
    value = float(word)
    return value if math.isfinite(value) else _no_number(word)


_STRICT: Any = {"parse_constant": _no_number, "parse_float": _number, "parse_int": _whole}


@contextlib.contextmanager
def making_sense_of(folder: Path) -> Iterator[None]:
    """Within it files of a folder are made sense of: whatever fails is a mistake in them, and said so."""
    try:
        yield
    except (VaexError, MemoryError):
        raise
    except Exception as error:  # of anything that a file of somebody else's may make of anything
        raise VaexError(
            f"{folder} cannot be made sense of: its files are damaged, or of another version of vaex "
            f"({type(error).__name__}: {next(iter(str(error).splitlines()), '')}); restore them "
            "(HYDRA_FULL_ERROR=1 shows where)"
        ) from error


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
