"""Exact KL divergences: a table of pairs, each registered beside its class."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

_PAIRS: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(q: type, p: type) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Returns a decorator that enters the exact KL(q || p) of two classes into the table."""

    def enter(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        _PAIRS[q, p] = function
        return function

    return enter


def has_kl(q: type, p: type) -> bool:
    """Whether KL(q || p) has a registered closed form."""
    return (q, p) in _PAIRS


def kl_divergence(q: Any, p: Any) -> Float[Array, "*B Z"] | None:
    """Returns KL(q || p) per dimension, in nats, or None where there is no closed form.

    A sampled KL in place of an exact one is chosen (`objective.kl=sampled`), never fallen into.
    """
    pair = _PAIRS.get((type(q), type(p)))
    return None if pair is None else pair(q, p)
