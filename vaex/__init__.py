"""vaex: research on variational autoencoders in JAX.

The folders are the parts: `vaex.likelihoods`, `vaex.models`, `vaex.objectives`, `vaex.schedules`, ... They are imported
when first used, so that `import vaex` costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_FOLDERS = (
    *("data", "distributions", "likelihoods", "loggers", "metrics", "models"),
    *("objectives", "optimizers", "schedules", "sweep", "training"),
)
_NAMES = {
    "LoadedModel": "vaex.loaded",
    "Recipe": "vaex.training",
    "VAE": "vaex.models",
    "VaexError": "vaex._check",
    "load": "vaex.loaded",
    "train": "vaex.training",
    "train_pack": "vaex.training",
}

__all__ = [*_FOLDERS, *_NAMES, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return importlib.import_module(f"vaex.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'vaex' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
