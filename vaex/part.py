"""`@part`: a configurable part is a frozen dataclass and a pytree.

Numbers that a sweep may move are leaves (fields annotated `float`, `float | None`, or `int = leaf(...)`); whatever sets
shapes, code paths or array sizes is `static(...)`. Two runs share a compiled program if and only if their parts have
equal tree structure, so what is static is said in the class, never guessed from a value.
"""

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, dataclass_transform

import jax
import numpy as np
from jax.core import Tracer

from vaex._check import VaexError, did_you_mean, is_number

_NUMBERS = (float, float | None, int, int | None)


def static(*, default: Any = dataclasses.MISSING) -> Any:
    """Returns a field that sets shapes or code paths: part of the tree's structure, never traced."""
    return dataclasses.field(default=default, metadata={"static": True})


def leaf(*, default: Any = dataclasses.MISSING) -> Any:
    """Returns a field for a whole number that a sweep may move, such as a seed."""
    return dataclasses.field(default=default, metadata={"leaf": True})


@dataclass_transform(frozen_default=True, field_specifiers=(static, leaf))
def part[T](cls: type[T]) -> type[T]:
    """Returns `cls` as a frozen dataclass registered as a pytree.

    Unflattening bypasses `__init__`, and a part that is made of traced numbers is not checked, so that checks in
    `__post_init__` see the user's values and never a tracer.

    Raises:
        TypeError: where a field that cannot be traced is not declared static.
    """
    check = getattr(cls, "__post_init__", lambda self: None)

    def __post_init__(self: Any) -> None:
        if not any(isinstance(getattr(self, f.name), Tracer) for f in dataclasses.fields(self)):
            _check_numbers(self)
            check(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
    cls.__no_type_check__ = True  # type: ignore[attr-defined]  # fields may hold tracers; a part refuses in its own words
    cls = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    for field in fields:
        if _untraceable(field):
            raise TypeError(f"{cls.__name__}.{field.name}: declare it static(...), or leaf(...) if a sweep may move it")
    children = tuple(f.name for f in fields if not f.metadata.get("static"))
    statics = tuple(f.name for f in fields if f.metadata.get("static"))
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in children)

    def flatten(self: T) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(self, n) for n in children), tuple(getattr(self, n) for n in statics)

    def flatten_with_keys(self: T) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        values, structure = flatten(self)
        return tuple(zip(keys, values, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], values: Iterable[Any]) -> T:
        self = object.__new__(cls)
        for name, value in (*zip(children, values, strict=True), *zip(statics, structure, strict=True)):
            object.__setattr__(self, name, value)
        return self

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def _untraceable(field: dataclasses.Field[Any]) -> bool:
    marked = field.metadata.get("static") or field.metadata.get("leaf")
    kind = getattr(field.type, "__origin__", field.type)
    return not marked and kind in (int, str, bool, tuple, int | None, str | None)


def _check_numbers(self: Any) -> None:
    for field in dataclasses.fields(self):
        if field.metadata.get("static") or field.type not in _NUMBERS:
            continue
        value = getattr(self, field.name)
        optional = value is None and field.type in (float | None, int | None)
        if not (optional or isinstance(value, (jax.Array, np.ndarray, np.generic)) or is_number(value)):
            raise VaexError(f"{type(self).__name__}.{field.name}: expected a number, got {value!r}")


def canonical[T](tree: T) -> T:
    """Returns the part with every number as float32 (whole numbers as int32).

    `1`, `1.0` and `np.float32(1)` have different types under jit and would each compile a program of their own.
    """

    def cast(value: Any) -> Any:
        if isinstance(value, (bool, int, np.integer)):
            return np.int32(value)
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value.astype(np.float32)
        return np.float32(value) if isinstance(value, (float, np.floating)) else value

    def at_field(self: Any, field: dataclasses.Field[Any]) -> Any:
        value = getattr(self, field.name)
        if field.metadata.get("static"):
            return value
        if field.type in (float, float | None) and value is not None:
            return np.float32(value)
        return canonical(value) if is_part(value) else cast(value)

    updates = {f.name: at_field(tree, f) for f in dataclasses.fields(tree)}  # type: ignore[arg-type]
    return dataclasses.replace(tree, **updates)  # type: ignore[type-var]


def is_part(value: object) -> bool:
    """Whether `value` is an instance of a `@part` class or of a Flax module: anything that its fields describe."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def to_dict(value: Any) -> Any:
    """Returns nested plain data (for JSON) that `from_dict` turns back into an equal part."""
    if is_part(value):
        hidden = ("parent", "name")  # Flax's own bookkeeping
        names = [f.name for f in dataclasses.fields(value) if f.name not in hidden]
        fields = {name: to_dict(getattr(value, name)) for name in names}
        return {"_target_": f"{type(value).__module__}.{type(value).__qualname__}", **fields}
    if isinstance(value, (tuple, list)):
        return [to_dict(v) for v in value]
    if isinstance(value, (np.ndarray, jax.Array)):
        exact = {"_dtype_": "float64"} if value.dtype == np.float64 else {}
        return {"_array_": np.asarray(value).tolist(), **exact} if value.ndim else to_dict(np.asarray(value)[()])
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    # The shortest decimal that reads back as the same float32: 0.1, not 0.10000000149011612.
    return float(str(value)) if isinstance(value, np.floating) else value


def from_dict(value: Any) -> Any:
    """Returns the part that `to_dict` described.

    Raises:
        VaexError: where the description names no dataclass that can be imported, or fields it does not have.
    """
    if isinstance(value, Mapping) and "_array_" in value:
        return np.asarray(value["_array_"], np.float64 if value.get("_dtype_") == "float64" else np.float32)
    if isinstance(value, Mapping):
        fields = {k: from_dict(v) for k, v in value.items() if k != "_target_"}
        cls = _locate(value.get("_target_"))
        known = [f.name for f in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise VaexError(f"{cls.__name__} has no field {name!r}{did_you_mean(name, known)}")
        return cls(**fields)
    return tuple(from_dict(v) for v in value) if isinstance(value, list) else value


def _locate(target: Any) -> type:
    module, _, name = str(target).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise VaexError(f"expected the import path of a part, got {target!r}; is the module that defines it installed?")
    return found
