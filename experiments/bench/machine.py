"""Where the numbers were measured."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("vaex-jax", "jax", "jaxlib", "flax", "optax", "numpy", "keras", "numpyro", "wandb")


def machine() -> dict[str, Any]:
    """Returns the processor, its cores, the memory and the system."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": platform.platform(),
        "load_before": os.getloadavg()[0],
    }


def versions() -> dict[str, str | None]:
    """Returns the versions of Python and of the packages in this environment; None for one that is not there."""
    return {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
