"""Small checks that refuse at the seam: what was expected, what came, and the line to type instead."""

import difflib
import numbers
from collections.abc import Iterable

import numpy as np

Real = float | int | np.number
_LARGEST = float(np.finfo(np.float32).max)  # every number becomes a float32


class VaexError(ValueError):
    """A mistake in what the user asked for; its message is all that the command line prints."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns `; did you mean 'x'?` for the closest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def is_number(value: object) -> bool:
    """Whether `value` is a real number that float32 holds, and no flag (`True` is an int in Python)."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and abs(float(value)) <= _LARGEST


def positive(name: str, value: Real) -> None:
    """Raises `VaexError` unless `value > 0`."""
    if not value > 0:
        raise VaexError(f"{name}: expected a number above 0, got {value}")


def at_least(name: str, value: Real, low: Real) -> None:
    """Raises `VaexError` unless `value >= low`."""
    if not value >= low:
        raise VaexError(f"{name}: expected at least {low}, got {value}")


def fraction(name: str, value: Real, *, zero: bool = False) -> None:
    """Raises `VaexError` unless `value` lies in (0, 1], or in [0, 1] with `zero`."""
    if not (0 < value <= 1 or (zero and value == 0)):
        raise VaexError(f"{name}: expected a number in {'[' if zero else '('}0, 1], got {value}")


def whole(name: str, value: object, low: int = 1) -> None:
    """Raises `VaexError` unless `value` is an integer of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise VaexError(f"{name}: expected a whole number of at least {low}, got {value!r}")


def one_of(name: str, value: object, choices: Iterable[object]) -> None:
    """Raises `VaexError` unless `value` is among `choices`."""
    choices = tuple(choices)
    if value not in choices:
        names = [str(choice) for choice in choices]
        hint = did_you_mean(str(value), names)
        raise VaexError(f"{name}: expected one of {', '.join(names)}; got {value!r}{hint}")


def below_one(name: str, value: Real) -> None:
    """Raises `VaexError` unless `value` lies in [0, 1)."""
    if not 0 <= value < 1:
        raise VaexError(f"{name}: expected a number in [0, 1), got {value}")


def instance(name: str, value: object, kind: type, line: str) -> None:
    """Raises `VaexError` unless `value` is an instance of `kind`; `line` makes one."""
    if not isinstance(value, kind):
        raise VaexError(f"{name}: expected a {kind.__name__.lower()}, got {value!r}; type {line}")


def seed(name: str, value: object) -> None:
    """Raises `VaexError` unless `0 <= value < 2**31`: `jax.random.key(2**40)` silently equals `key(0)`."""
    whole(name, value, low=0)
    if value >= 2**31:  # type: ignore[operator]
        raise VaexError(f"{name}: expected a whole number below 2**31 = 2147483648, got {value}")
