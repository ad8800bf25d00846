"""What programs compute in: float32, and matrix products at a precision that has a name.

A program's precision is set inside the program, since JAX's own settings belong to a thread and programs are compiled
in several.
"""

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np

from vaex import _check
from vaex._check import VaexError

PRECISIONS = {
    "default": None,  # the device's own: TF32 on NVIDIA cards, float32 on a CPU
    "highest": "highest",  # float32
    "tf32": "tensorfloat32",  # the preset TF32_TF32_F32 is refused on CPUs
    "bfloat16": "BF16_BF16_F32",  # JAX's name `bfloat16` lowers to the device's own
}
REPORTED = "highest"  # of every number that is reported, unless `evaluation.matmul_precision` says otherwise


def check(key: str, name: object) -> None:
    """Raises `VaexError` unless `name` is a precision."""
    _check.one_of(key, name, PRECISIONS)


def multiplied(name: str) -> AbstractContextManager[Any]:
    """Returns a context in which float32 matrix products have a precision, in this thread.

    Of `bfloat16` convolutions keep the device's own, since JAX has no such preset for them.
    """
    return jax.default_matmul_precision(PRECISIONS[name])


class Program:
    """A compiled function whose numbers are float32, and its products as the static argument `products` says.

    Both hold in whichever thread it is called or compiled, and whatever `jax_enable_x64` says: a seed draws other
    numbers in float64. Without `products` they are at `REPORTED`.

    Args:
        function: of arrays.
        static: its keyword arguments that set shapes.
        **options: of `jax.jit`.
    """

    def __init__(self, function: Callable[..., Any], static: Sequence[str] = (), **options: Any):
        def precise(*args: Any, products: str = REPORTED, **settings: Any) -> Any:
            with multiplied(products):
                return function(*args, **settings)

        functools.update_wrapper(self, function)
        precise.__name__ = precise.__qualname__ = function.__name__
        self.jitted = jax.jit(precise, static_argnames=(*static, "products"), **options)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Returns the function's result."""
        with jax.enable_x64(False):
            return self.jitted(*args, **settings)

    def lower(self, *args: Any, **settings: Any) -> Any:
        """Returns the lowered program."""
        with jax.enable_x64(False):
            return self.jitted.lower(*args, **settings)

    def shapes(self, *args: Any, **settings: Any) -> Any:
        """Returns the result's shapes and types; nothing is computed."""
        with jax.enable_x64(False):
            return jax.eval_shape(functools.partial(self.jitted, **settings), *args)

    @property
    def num_compiled(self) -> int:
        """How many programs there are by now: one for each structure and shape."""
        return self.jitted._cache_size()  # type: ignore[attr-defined]


@functools.cache
def check_device(key: str, name: str, otherwise: str) -> None:
    """Raises `VaexError` where the device refuses a precision; `otherwise` is one that it takes."""
    if name in ("default", REPORTED):
        return
    x = np.ones((16, 16), np.float32)
    try:
        with multiplied(name):
            jax.block_until_ready(jax.jit(lambda a: a @ a)(x))
    except (ValueError, NotImplementedError, jax.errors.JaxRuntimeError) as error:
        raise VaexError(
            f"{key}={name}: {jax.devices()[0].device_kind} does not multiply so ({str(error).splitlines()[0]}); "
            f"type {key}={otherwise}"
        ) from None


def notes(training: str, evaluation: str) -> tuple[str, ...]:
    """Returns where products will not be what a reader of the settings, or of the environment, expects."""
    own = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    said = {"trainer.matmul_precision": training, "evaluation.matmul_precision": evaluation}
    unmet = [f"{key}={name}" for key, name in said.items() if name not in ("default", "highest")]
    found = []
    if unmet and jax.default_backend() == "cpu":
        found.append(f"{', '.join(unmet)}: a CPU multiplies float32 in float32, whatever is asked for")
    if own not in (None, PRECISIONS[training]):
        line = next((name for name, value in PRECISIONS.items() if value == own), "highest")
        found.append(
            f"JAX_DEFAULT_MATMUL_PRECISION={own} does not count here: trainer.matmul_precision={training} does; "
            f"type trainer.matmul_precision={line}"
        )
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        found.append("JAX_ENABLE_X64 does not count here: programs compute in float32")
    return tuple(found)
