"""How a table is written, and which of its columns are wanted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vaex import _check
from vaex._check import VaexError, did_you_mean

_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "\\t": "\t"}
_DECIMALS = {"point": ".", "comma": ","}
_SHOWN = 8  # names in a message
Columns = Any  # int | str | a sequence of them | None, as typed


@dataclass(frozen=True)
class Dialect:
    """The settings of `data=array` that say how a file is read; `Dialect()` leaves all to the file."""

    header: str | bool = "auto"  # auto: a first row of names, or of the numbers 0, 1, 2, ... as pandas writes them
    columns: Columns = None  # names, places from 0 (-1 is the last), or ranges such as 1: ; None: all
    separator: str = "auto"  # one character, or comma, semicolon, tab, space; auto: comma, or tab in a .tsv
    decimal: str = "."  # or , (also point, comma)

    def __post_init__(self) -> None:
        """Raises `VaexError` for what no table is written in."""
        _check.one_of("data.header", self.header, ("auto", True, False))
        known = self.separator in ("auto", *_SEPARATORS)
        if not (known or (isinstance(self.separator, str) and re.fullmatch(r'[^"#.\w\r\n]', self.separator))):
            names = ", ".join(name for name in _SEPARATORS if name != "\\t")
            raise VaexError(f"data.separator: expected auto, {names} or one character, got {self.separator!r}")
        _check.one_of("data.decimal", self.decimal, (".", ",", *_DECIMALS))
        if self.comma and self.separator_of("") == ",":
            raise VaexError("data.decimal=comma: the comma cannot separate cells too; type data.separator=semicolon")
        for item in self.items:
            if isinstance(item, bool) or not isinstance(item, (int, str)):
                raise VaexError(
                    f"data.columns: expected names, places counted from 0 or ranges, got {item!r}; for example "
                    "data.columns=[0,2] or data.columns=1:"
                )

    @property
    def comma(self) -> bool:
        """Whether 1,5 is one and a half."""
        return _DECIMALS.get(self.decimal, self.decimal) == ","

    @property
    def items(self) -> tuple[Any, ...]:
        """The columns asked for, one by one; none where all are."""
        asked: Any = self.columns
        return () if asked is None else (asked,) if isinstance(asked, (int, str)) else tuple(asked)

    @property
    def typed(self) -> tuple[str, ...]:
        """The settings that only a table of text can follow and that are not the defaults."""
        names = ("header", "separator", "decimal")
        return tuple(f"data.{n}={getattr(self, n)}" for n in names if getattr(self, n) != getattr(Dialect, n))

    def separator_of(self, suffix: str) -> str:
        """Returns the character between cells, or nothing where `auto` leaves it to `sep=`, or a comma."""
        if self.separator == "auto":
            return "\t" if suffix == ".tsv" else ""
        return _SEPARATORS.get(self.separator, self.separator)

    def chosen(self, where: str, width: int, names: Sequence[str] = ()) -> list[int] | None:
        """Returns the places of the columns asked for, or None where all are.

        Raises:
            VaexError: where a column is not there, is there twice, or is asked for twice.
        """
        if self.columns is None:
            return None
        found = [place for item in self.items for place in self._places(where, item, width, names)]
        if not found or len(set(found)) < len(found):
            what = "none" if not found else "one twice"
            raise VaexError(f"data.columns={self.columns}: expected columns of {where}, each once, got {what}")
        return found

    def _places(self, where: str, item: int | str, width: int, names: Sequence[str]) -> list[int]:
        same = [place for place, name in enumerate(names) if name == str(item)]
        if len(same) > 1:
            raise VaexError(
                f"data.columns: {len(same)} columns of {where} are named {item!r}; type their places: {same}"
            )
        if isinstance(item, int) and -width <= item < width:
            return [item % width]
        if same:
            return same
        bounds = re.fullmatch(r"(-?\d*):(-?\d*)", item) if isinstance(item, str) else None
        if bounds:
            return list(range(width))[slice(*(int(bound) if bound else None for bound in bounds.groups()))]
        known = f", named {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}" if names else ""
        hint = did_you_mean(str(item), names)
        raise VaexError(f"data.columns: {where} has no column {item!r}; it has {width}, 0 to {width - 1}{known}{hint}")
