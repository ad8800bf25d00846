"""Names of activations and initialisers: closures never compare equal, so a module's fields hold names."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from vaex import _check

ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "elu": nn.elu,
    "gelu": nn.gelu,
    "leaky_relu": nn.leaky_relu,
    "relu": nn.relu,
    "sigmoid": nn.sigmoid,
    "silu": nn.silu,
    "softplus": nn.softplus,
    "tanh": nn.tanh,
}
INITIALIZERS: dict[str, Callable[..., Array]] = {
    "glorot_normal": nn.initializers.glorot_normal(),
    "glorot_uniform": nn.initializers.glorot_uniform(),
    "he_normal": nn.initializers.he_normal(),
    "he_uniform": nn.initializers.he_uniform(),
    "lecun_normal": nn.initializers.lecun_normal(),
    "orthogonal": nn.initializers.orthogonal(),
}


def check_widths(name: str, widths: Any) -> tuple[int, ...]:
    """Returns the widths as a tuple (lists do not hash); raises `VaexError` unless each is a whole number above 0."""
    if not isinstance(widths, (tuple, list)):
        raise _check.VaexError(f"{name}: expected a list of widths, got {widths!r}; write {name}=[{widths}]")
    for width in widths:
        _check.whole(name, width)
    return tuple(widths)


def check_names(module: str, activation: str, kernel_init: str) -> None:
    """Raises `VaexError` unless both names are known."""
    _check.one_of(f"{module}.activation", activation, ACTIVATIONS)
    _check.one_of(f"{module}.kernel_init", kernel_init, INITIALIZERS)


def dense_stack(x: Array, hidden: tuple[int, ...], activation: str, kernel_init: str) -> Array:
    """Returns `x` after a stack of Dense layers, each with its activation (call inside a compact module)."""
    for width in hidden:
        x = ACTIVATIONS[activation](nn.Dense(width, kernel_init=INITIALIZERS[kernel_init])(x))
    return x


def starting_at(bias: Float[Array, "..."] | None) -> Callable[..., Array]:
    """Returns an initialiser that gives the bias handed in at `init`, and zeros without one."""

    def init(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        del key
        return (
            jnp.zeros(shape, dtype) if bias is None else jnp.reshape(jax.lax.stop_gradient(bias), shape).astype(dtype)
        )

    return init
