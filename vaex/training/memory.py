"""What a device can still hold."""

import os
import threading
from pathlib import Path
from typing import Any

import jax

from vaex._check import VaexError

COMPILING = threading.RLock()  # held while a thread compiles what is called later: nothing is forgotten meanwhile
SPARE = 0.9  # of what is free: allocators need room, and other programs run too


class TooLarge(VaexError):
    """A pack's program needs more memory than its device has."""

    def __init__(self, num: int, need: int, free: int):
        super().__init__(
            f"{num} members need {need / 2**30:.2f} GiB a device, which has {free / 2**30:.2f} GiB free; "
            "hydra.launcher.max_pack=N makes packs smaller"
        )
        self.fits = max(1, num * free // need)  # to be tried next


def make_room(share: float = 0.5) -> bool:
    """Forgets compiled programs where they hold more than `share` of the memory maps that a process may have.

    A program for a CPU holds hundreds of maps, and one structure of recipe about a thousand. At the kernel's limit
    (65,530 on Linux) XLA does not report an error: the process dies. What is forgotten comes back from the persistent
    cache. No number depends on it. Where another pack's evaluation is being compiled it waits for that.

    Returns:
        Whether anything was forgotten.
    """
    try:
        with Path("/proc/self/maps").open("rb") as maps:
            held = sum(1 for _ in maps)
        limit = int(Path("/proc/sys/vm/max_map_count").read_text())
    except (OSError, ValueError):  # not Linux
        return False
    if held <= share * limit:
        return False
    with COMPILING:
        jax.clear_caches()
    return True


def free_bytes(device: Any, sharing: int) -> int:
    """Returns the bytes that a program may take on a device; host devices share the host's memory.

    Args:
        device: of JAX.
        sharing: host devices in use.
    """
    stats = device.memory_stats()  # None on a CPU
    if stats and "bytes_limit" in stats:
        return int(SPARE * (stats["bytes_limit"] - stats["bytes_in_use"]))
    return int(SPARE * host_bytes() / sharing)


def host_bytes() -> int:
    """Returns the memory that the host has available to this process, its control group's limit included."""
    free = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")] if "SC_AVPHYS_PAGES" in os.sysconf_names else []
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = [int(lines["MemAvailable"].split()[0]) * 1024]  # counts what caches would give back
    except (OSError, KeyError, ValueError):
        pass
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        reclaimable = int(stat.get("inactive_file", 0))  # file cache, which gives way
        free += [int(limit) - int(used) + reclaimable] if limit != "max" else []
    except (OSError, ValueError):
        pass
    return max(0, min(free, default=2**40))
