"""How JAX is set up by the commands; a library never touches this."""

import contextlib
import os
from pathlib import Path


def prepare_jax(num_devices: int = 1) -> None:
    """Turns on the persistent compilation cache, which makes a second start several times faster.

    Args:
        num_devices: host devices on a CPU, at most one a core: the members of a pack run on all of them.
    """
    import jax

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


def cores() -> int:
    """Returns the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
