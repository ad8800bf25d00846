"""Whose names a file may make this process import: one function decides, for every door through which a file comes in.

A run's folder may be somebody else's, and importing a name, or calling it, runs code. What the user types, or has in a
config, is the user's own and free.
"""

import contextlib
import dataclasses
import importlib
import inspect
import os
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vaex._check import VaexError

_ROOT = Path(__file__).resolve().parent
_ENVIRONMENT = "VAEX_TRUST"


def find(target: Any, trust: Sequence[str] | None) -> Any:
    """Returns the class or function that an import path names.

    Args:
        target: such as `vaex.likelihoods.Gaussian`.
        trust: None for what the user types, which may name anything. For what a file says: the names of the modules
            that the user trusts (those in the environment's VAEX_TRUST are added). Beside these it may name our own
            parts, Flax modules, presets, loggers and settings: what is in the `__all__` of one of our packages and is
            a dataclass, or a function that returns one.

    Raises:
        VaexError: before anything of it is imported, where a file may not name it; or where it does not exist.
    """
    words = target.split(".") if isinstance(target, str) else []
    if len(words) < 2 or not all(map(str.isidentifier, words)):
        raise VaexError(f"expected an import path, got {target!r}")
    module, name = ".".join(words[:-1]), words[-1]
    if trust is None:
        return _existing(_attribute(module, name), target)
    own = _own(words)
    if own is not None:
        return own
    trusted = (*modules(trust), *modules(os.environ.get(_ENVIRONMENT)))
    if not _within(module, trusted):
        raise VaexError(_refusal(target, words))
    found = _existing(_attribute(module, name), target)
    if not _within(getattr(found, "__module__", None), trusted):  # such as `system` in a module that imports it from os
        raise VaexError(_refusal(target, [str(getattr(found, "__module__", module))]))
    return found


def modules(trust: Any) -> tuple[str, ...]:
    """Returns the names of trusted modules, of a sequence or of `A,B`.

    Raises:
        VaexError: for what is no name of a module.
    """
    if not isinstance(trust, (str, Iterable, type(None))):
        trust = [trust]
    names = [word.strip() for word in trust.split(",")] if isinstance(trust, str) else list(trust or ())
    for name in filter(None, names):
        if not isinstance(name, str) or not all(map(str.isidentifier, name.split("."))):
            raise VaexError(f"trust: expected names of modules, such as trust=[mypkg]; got {name!r}")
    return tuple(filter(None, names))


def _within(module: Any, trusted: Iterable[str]) -> bool:
    return any(module == name or str(module).startswith(f"{name}.") for name in trusted)


def _own(words: Sequence[str]) -> Any:
    """Returns what one of our packages exports under such a path: of the package itself, or where it is defined."""
    if words[0] != "vaex":
        return None
    for size in range(len(words) - 1, 1, -1):
        package, inside = words[:size], words[size:-1]
        if not _ROOT.joinpath(*package[1:], "__init__.py").is_file():
            continue
        exports = importlib.import_module(".".join(package))
        if words[-1] in getattr(exports, "__all__", ()):
            found = getattr(exports, words[-1])
            defined_there = getattr(found, "__module__", None) == ".".join(words[:-1])
            return found if _describes_a_part(found) and (defined_there or not inside) else None
    return None


def _describes_a_part(found: Any) -> bool:
    """Whether it is a dataclass, or a function that returns one."""
    if inspect.isfunction(found):
        with contextlib.suppress(NameError):  # of an annotation that only type checkers can read
            found = typing.get_type_hints(found).get("return")
    return isinstance(found, type) and dataclasses.is_dataclass(found)


def _attribute(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None


def _existing(found: Any, target: str) -> Any:
    if not callable(found):
        raise VaexError(f"expected an import path, got {target!r}; is the module that defines it installed?")
    return found


def _refusal(target: str, words: Sequence[str]) -> str:
    if words[0] == "vaex":
        return f"{target!r} is no part of vaex that a run may name; restore the run's own files"
    root = words[0]
    return (
        f"the run names {target!r}, which is none of vaex's own parts, and nothing of it was imported: it would run "
        f"code of whoever wrote the folder. If you trust it, type trust=[{root}] (vaex.load(run, trust=({root!r},)) in "
        f"Python, or set {_ENVIRONMENT}={root})"
    )
