"""What a class's annotations say, also where they are text (`from __future__ import annotations`)."""

import sys
import types
import typing
from typing import Any


def resolve(cls: type) -> None:
    """Replaces the annotations of a class, and of the dataclasses that it extends, that are text by what they name.

    What cannot be resolved stays text. Names are looked up where Python would have: in the functions around the class,
    in its module, in the class itself.
    """
    for owner in cls.__mro__:
        texts = {name: text for name, text in vars(owner).get("__annotations__", {}).items() if isinstance(text, str)}
        if not texts:
            continue
        module = getattr(sys.modules.get(owner.__module__), "__dict__", {})
        names = {**vars(owner), **module, **_enclosing(owner), **{str(t): t for t in owner.__type_params__}}
        for name, text in texts.items():
            found = _resolved(text, names)
            owner.__annotations__[name] = found
            field = vars(owner).get("__dataclass_fields__", {}).get(name)
            if field is not None:
                field.type = found


def _resolved(text: str, names: dict[str, Any]) -> Any:
    holder = type("Holder", (), {"__annotations__": {"field": text}})
    try:
        return typing.get_type_hints(holder, names, {}, include_extras=True)["field"]
    except Exception:  # whatever the text does when it runs; who asks refuses it
        return text


def _enclosing(cls: type) -> dict[str, Any]:
    """Returns the names in the functions around a class that is being made."""
    scopes = cls.__qualname__.split(".<locals>.")[:-1]
    around = [".<locals>.".join(scopes[: num + 1]) for num in range(len(scopes))]
    found: dict[str, Any] = {}
    frame = sys._getframe(1) if around else None
    while frame is not None:
        if frame.f_code.co_qualname in around and frame.f_globals.get("__name__") == cls.__module__:
            found = {**frame.f_locals, **found}  # inner ones first
        frame = frame.f_back
    return found


def kinds(annotation: Any) -> frozenset[Any]:
    """Returns the classes that an annotation allows: those behind unions, aliases, literals and `Annotated`."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(alias := origin or annotation, typing.TypeAliasType):
        return kinds(alias.__value__)
    if isinstance(annotation, typing.NewType):
        return kinds(annotation.__supertype__)
    if isinstance(annotation, typing.TypeVar):
        allowed = annotation.__constraints__ or (annotation.__bound__ or object,)
        return frozenset().union(*map(kinds, allowed))
    if origin in (typing.Union, types.UnionType):
        return frozenset().union(*map(kinds, args))
    if origin in (typing.Annotated, typing.Final):
        return kinds(args[0])
    if origin is typing.Literal:
        return frozenset(map(type, args))
    return frozenset([type(None) if annotation is None else origin or annotation])
