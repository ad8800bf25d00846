"""The precision of float32 matrix products, and what its names are to JAX.

A program's precision is set inside the program (`vaex.training.members.Packed`), since JAX's own setting belongs to a
thread and programs are compiled in several.
"""

import functools
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np

from vaex import _check
from vaex._check import VaexError

LOG = logging.getLogger("vaex")

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


def products(name: str) -> AbstractContextManager[Any]:
    """Returns a context in which float32 matrix products have a precision, in this thread.

    Of `bfloat16` convolutions keep the device's own, since JAX has no such preset for them.
    """
    return jax.default_matmul_precision(PRECISIONS[name])


def reported[F: Callable[..., Any]](function: F) -> F:
    """Returns the function with its products at `REPORTED`; to be put below `jax.jit`."""

    @functools.wraps(function)
    def precise(*args: Any, **settings: Any) -> Any:
        with products(REPORTED):
            return function(*args, **settings)

    return precise  # type: ignore[return-value]


@functools.cache
def check_device(key: str, name: str, otherwise: str) -> None:
    """Raises `VaexError` where the device refuses a precision; `otherwise` is one that it takes."""
    if name in ("default", REPORTED):
        return
    x = np.ones((16, 16), np.float32)
    try:
        with products(name):
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
    return tuple(found)
