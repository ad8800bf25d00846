"""What was typed, as Hydra reads it: flags first, `--KEY=VALUE` as `KEY=VALUE`, and quoted where only a quote lacks."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from vaex._check import VaexError, did_you_mean

# Their values are names of files and folders, whatever characters are in them.
_PATHS = (
    *("data.path", "data.manual_dir", "data.data_dir", "trainer.init_from"),
    *("output_dir", "run", "sweep", "out", "hydra.run.dir", "hydra.sweep.dir"),
)
PLAIN = re.compile(r"[\w./+@:$*?|%\\ -]*", re.ASCII)  # what a value may hold without quotes
_NO_TEXT = re.compile(r"[+-]?([\d_.]+(e[+-]?\d+)?|inf|nan)|true|false", re.IGNORECASE)
_BRACKETS = re.compile(r"""[()\[\]{}'",]""")  # with them a word may have been meant as a list, a function or a sweep
_GROUPS = ("hydra.launcher", "hydra.sweeper", "hydra.job_logging", "hydra.hydra_logging")
_PARAMS = "hydra.sweeper.params."


def understood(words: Sequence[str]) -> list[str]:
    """Returns the words of a command line as Hydra takes them.

    Raises:
        VaexError: for a flag that does not exist, or a word that Hydra would take for something else in silence.
    """
    flags, settings = _sorted(words)
    for word in settings:
        _refuse_misread(word)
    return [*flags, *(_quoted(word, is_multirun(flags)) for word in settings)]


def key_of(word: str) -> str:
    """Returns the key of a setting."""
    return word.split("=", 1)[0].lstrip("+")


def is_multirun(words: Sequence[str]) -> bool:
    """Whether `-m` is among the words."""
    return any(word == "-m" or (len(word) > 3 and "--multirun".startswith(word)) for word in words)


def config_dir(words: Sequence[str]) -> str | None:
    """Returns the folder of YAML files that `--config-dir` adds."""
    flags = ("--config-dir", "-cd")
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in flags:
            return value if equals else next(iter(words[i + 1 :]), None)
    return None


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns Hydra's flags with their values, and the settings: argparse refuses settings on both sides of a flag."""
    known = get_args_parser()._option_string_actions
    flags, settings, left = [], [], list(words)
    while left:
        word = left.pop(0)
        name, equals, _ = word.partition("=")
        flag = known.get(name)
        if not word.startswith("-") or word == "--":
            settings += [word] if word != "--" else []
        elif flag is not None and (flag.nargs != 0 or not equals):
            flags.append(word)
            optional = flag.nargs == "?"  # --info
            if flag.nargs != 0 and not equals and left and (not optional or left[0] in (flag.choices or ())):
                flags.append(left.pop(0))
        elif name.startswith("--") and equals:  # as W&B's agent types it
            settings.append(word[2:])
        elif name.startswith("--") and left and _is_value(left[0]):
            settings.append(f"{word[2:]}={left.pop(0)}")
        elif len([option for option in known if name.startswith("--") and option.startswith(name)]) == 1:
            flags.append(word)  # argparse takes abbreviations
        else:
            hint = did_you_mean(name.lower(), known) or f"; a setting is typed KEY=VALUE: {name.lstrip('-')}=..."
            raise VaexError(f"{word} is not a flag{hint}")
    return flags, settings


def _is_value(word: str) -> bool:
    return "=" not in word and (not word.startswith("-") or word[1:2].isdigit())


def _refuse_misread(word: str) -> None:
    key, _, value = word.partition("=")
    if key in _GROUPS and not value.startswith("{"):
        raise VaexError(f"{word}: did you mean {key.replace('.', '/')}={value}?")
    if key_of(word).startswith(_PARAMS):
        name = key_of(word).removeprefix(_PARAMS)
        raise VaexError(f"{word}: only a file sets {_PARAMS[:-1]}; type -m {shlex.quote(f'{name}={value}')}")


def _quoted(word: str, sweeps: bool) -> str:
    """Returns a setting with its value in quotes where it can only be meant as text."""
    key, equals, value = word.partition("=")
    if not equals or not value:
        return word
    is_path = key_of(word) in _PATHS
    if PLAIN.fullmatch(value):
        return as_text(key, value) if is_path and _NO_TEXT.fullmatch(value) else word
    if _parses(word):
        # One file of that name is meant by nothing else; a sweep over Hydra's own folders does not exist.
        named = is_path and "," in value and not sweeps and value[0] not in "[{'\""
        return as_text(key, value) if named and (key.startswith("hydra.") or Path(value).exists()) else word
    if not _parses(f"{key}=x"):
        return word
    several = sweeps and not key.startswith("hydra.") and ("," in value or re.match(r"\w+\(", value))
    of_list = key == "sweep" and value.startswith("[")
    only_text = not (several or of_list) if is_path else not _BRACKETS.search(value)
    return as_text(key, value) if only_text else word


def _parses(word: str) -> bool:
    try:
        OverridesParser.create().parse_overrides([word])
    except (HydraException, ValueError):
        return False
    return True


def as_text(key: str, value: str) -> str:
    """Returns the setting that Hydra reads as this text, whatever characters are in it."""
    return f"{key}={QuotedString(text=value, quote=Quote.single if '"' in value else Quote.double).with_quotes()}"
