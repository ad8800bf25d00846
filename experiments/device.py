"""How JAX is set up by the commands; a library never touches this."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

from vaex._check import VaexError

_DEVICES = ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "JAX_NUM_CPU_DEVICES", "XLA_FLAGS")


def import_jax() -> Any:
    """Returns JAX, which reads its environment variables when it is first imported.

    Raises:
        VaexError: where one of them has no meaning.
    """
    try:
        import jax
    except ValueError as error:
        raise VaexError(f"JAX cannot start: {error}; mend that environment variable") from None
    return jax


def prepare_jax(num_devices: int = 1) -> None:
    """Turns on the persistent compilation cache, which makes a second start several times faster.

    Args:
        num_devices: host devices on a CPU, at most one a core: the members of a pack run on all of them.

    Raises:
        VaexError: where JAX finds no device of a kind that the environment asks for.
    """
    jax = import_jax()
    logging.getLogger("jax").setLevel(logging.WARNING)  # which platforms it looks for is no news
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "vaex" / "jax"))
    # Small programs too: a run of digits is made of them.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # What the user said, by JAX_NUM_CPU_DEVICES or XLA_FLAGS, stands; once JAX is in use it is too late.
    said = jax.config.jax_num_cpu_devices != -1 or "device_count" in os.environ.get("XLA_FLAGS", "")
    if num_devices > 1 and not said:
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", min(num_devices, cores()))
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the second where a platform's plug-in is not installed
        said = " ".join(f"{key}={os.environ[key]}" for key in _DEVICES if key in os.environ)
        why = f": {str(error).splitlines()[0]}" if str(error) else ", whose plug-in is not installed or finds no card"
        raise VaexError(f"no device for {said or 'JAX'}{why}; type JAX_PLATFORMS=cpu before the command") from None


def open_files() -> int:
    """Returns how many files this process may have open, after raising the limit as far as it may be raised."""
    try:
        import resource
    except ImportError:  # not a Unix
        return 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


def cores() -> int:
    """Returns the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
