"""Parts whose annotations are text: what `from __future__ import annotations` makes of all of them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NewType, Optional, Union

from jax import Array
from jaxtyping import Float

from vaex.part import leaf, part, static

if TYPE_CHECKING:
    from nowhere import Missing

type Alias = int
type Weight = float | None
Count = NewType("Count", int)


class Kind(enum.Enum):
    A = 1


@dataclasses.dataclass(frozen=True)
class Plain:
    inherited: Optional[float] = 2.0  # noqa: UP045


@part
class Fine(Plain):
    """Everything that a sweep may move, in every spelling."""

    shared: ClassVar[int] = 3
    _: dataclasses.KW_ONLY
    weight: float = 1.0
    optional: Optional[float] = None  # noqa: UP045
    union: Union[float, None] = 1  # noqa: UP007
    either: float | int = 1
    noted: Annotated[float, "nats"] = 1
    alias: Weight = 1
    quoted: "float" = 1  # noqa: UP037
    seed: int = leaf(default=0)
    count: int | None = static(default=None)
    unknown: Missing = static(default=None)
    array: Float[Array, ""] | None = None
    anything: Any = None


WRONG = {
    "int": lambda: declared(int_=int),
    "alias": lambda: declared(alias=Alias),
    "new type": lambda: declared(count=Count),
    "literal": lambda: declared(kind=Literal["a", "b"]),
    "list": lambda: declared(hidden=list[int]),
    "dict": lambda: declared(table=dict[str, float]),
    "set": lambda: declared(names=set[str]),
    "optional": lambda: declared(num=Optional[int]),  # noqa: UP045
    "union": lambda: declared(num=Union[str, float]),  # noqa: UP007
    "enum": lambda: declared(kind=Kind),
    "function": lambda: declared(activation=Callable[[float], float]),
    "annotated": lambda: declared(kind=Annotated[bool, "flag"]),
}


def declared(**annotations):
    return part(type("Wrong", (), {"__annotations__": annotations, "__module__": __name__}))


def undeclared():
    Own = int

    @part
    class Wrong:
        width: Own = 3

    return Wrong


def local():
    Own = float

    def inner():
        @part
        class Right:
            width: Own = 3

        return Right

    return inner(), Own


def under_type_checking():
    @part
    class Wrong:
        width: Missing = 3

    return Wrong
