"""Lines that are printed to be pasted: what Hydra reads, and the shell before it."""

import re
import shlex
from pathlib import Path

_PLAIN = re.compile(r"(?=.*/|[A-Za-z_])[A-Za-z0-9_./-]+", re.ASCII)  # and not a number, as 1e5 is
_NO_TEXT = ("null", "true", "false", "nan", "inf")


def word(key: str, value: str | Path) -> str:
    """Returns `key=value` such that Hydra reads that very text, whatever is in it."""
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return f"{key}={text}"
    # Backslashes count where they stand before a quote or an interpolation, and are doubled there.
    text = re.sub(r'(\\*)("|\Z)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), text)
    text = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", text)
    return f'{key}="{text}"'


def setting(key: str, value: str | Path) -> str:
    """Returns `key=value` as it is typed in a shell."""
    return shlex.quote(word(key, value))


def pasted(*words: str) -> str:
    """Returns a command of such words as it is typed in a shell."""
    return shlex.join(words)


def command_line(name: str, *words: str) -> str:
    """Returns the line that starts one of our commands."""
    return pasted("python", "-m", f"experiments.{name}", *words)
