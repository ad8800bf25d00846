"""Hydra's errors, and those of the YAML and of JAX below it, in one message with the line to type."""

import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError, safe_load

from experiments.words import PLAIN, as_text, config_dir
from vaex._check import did_you_mean

CONF = str(Path(__file__).resolve().parents[1] / "conf")
_HYDRAS = ("hydra/", "hydra_plugins/hydra_", "omegaconf/", "yaml/", "antlr4/")
_PLUGINS = {
    "hydra/launcher": {
        "joblib": "hydra-joblib-launcher",
        "ray": "hydra-ray-launcher",
        "ray_aws": "hydra-ray-launcher",
        "rq": "hydra-rq-launcher",
        "submitit_local": "hydra-submitit-launcher",
        "submitit_slurm": "hydra-submitit-launcher",
    },
    "hydra/sweeper": {
        "ax": "hydra-ax-sweeper",
        "nevergrad": "hydra-nevergrad-sweeper",
        "optuna": "hydra-optuna-sweeper",
        "orion": "hydra-orion-sweeper",
    },
    "hydra/job_logging": {"colorlog": "hydra-colorlog"},
    "hydra/hydra_logging": {"colorlog": "hydra-colorlog"},
}
_FUNCTIONS = ("choice", "range", "interval", "glob", "sort", "shuffle", "tag", "int", "float", "str", "bool")


def explain(error: Exception, config_name: str) -> str | None:
    """Returns what a mistake in the words, the YAML or the environment was; None for an error of another kind."""
    text = str(error)
    if isinstance(error, YAMLError):
        return _of_yaml(error)
    if isinstance(error, UnicodeDecodeError):
        path = _yaml_file(error)
        return (
            path and f"{path}: expected UTF-8, got byte {error.object[error.start]:#x} at {error.start}; save it anew"
        )
    if isinstance(error, OverrideParseException):
        return _of_word(error)
    if isinstance(error, MissingConfigException) or "Could not load '" in text:
        return _of_choice(error, text)
    if swept := re.search(r"(?:Ambiguous value for argument|Sweep parameters|is not supported :) '([^\n]*)'", text):
        return _of_sweep(swept.group(1), text, config_name)
    if slot := re.search(r"Could not override '([^'@]+)@([^']+)'", text):
        return _of_slot(*slot.groups())
    found = re.search(
        r"Could not override '([^'@]+)'|Key '([^']+)' is not in struct|not in '\w+'\n\s*full_key: (\S+)", text
    )
    if found:
        return _of_key(next(filter(None, found.groups())), text, config_name)
    if "Config group override" in text:  # of `GROUP=null`
        return f"{text}; expected one or several of a group's choices, such as metric=nll; --help lists them"
    if isinstance(error, OmegaConfBaseException) or _is_of_hydra(error):
        cause = f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
        return re.sub(r"\n\s*(object_type=\w+|reference_type=\w+|full_key: *(?=\n|$))", "", f"{text}{cause}").strip()
    return None


def composed(config_name: str, words: Sequence[str] = (), **settings: Any) -> DictConfig:
    """Returns the config of some words, with the choices of the `--config-dir` that was typed."""
    GlobalHydra.instance().clear()
    more = config_dir(sys.argv[1:])
    path = [f"hydra.searchpath=[{as_text('', f'file://{Path(more).absolute()}')[1:]}]"] if more else []
    with initialize_config_dir(CONF, version_base="1.3"):
        return compose(config_name, [*path, *words], **settings)


def _is_of_hydra(error: Exception) -> bool:
    """Whether an error was raised inside Hydra or what it reads configs with."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and any(f"/site-packages/{name}" in frames[-1].filename for name in _HYDRAS)


def _yaml_file(error: Exception) -> str | None:
    frames = (frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__))
    return next((str(found["full_path"]) for found in frames if "full_path" in found), None)


def _of_yaml(error: YAMLError) -> str:
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return f"{_yaml_file(error) or 'a YAML file'}: {error}"
    mark, problem = error.problem_mark, str(error.problem)
    hint = ""
    if "\\t" in problem:
        hint = "; indent with spaces, YAML takes no tab"
    elif "duplicate key" in problem:
        hint = "; keep one of them"
    elif "<block end>" in problem or "mapping values" in problem:
        hint = "; the keys of one level begin in one column, two spaces deeper than the key above them"
    return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: {problem}{hint}"


def _of_word(error: OverrideParseException) -> str:
    """Returns what Hydra's grammar did not take: a word that is no setting, or a value to quote."""
    word = error.override
    key, equals, value = word.partition("=")
    if not equals or not re.fullmatch(r"[+~]*[\w./@:$-]+", key, re.ASCII):
        return f"{word!r} is no setting: expected KEY=VALUE, such as objective.beta=4"
    function = re.match(r"(\w+)\(", value)
    hint = did_you_mean(function.group(1), _FUNCTIONS) if function and function.group(1) not in _FUNCTIONS else ""
    lines = [
        f"{key}: cannot read the value {value!r}{hint}",
        f"as text: {shlex.quote(as_text(key, value))}",
    ]
    if "," in value and not function and value[0] not in "[{":
        parts = [part.strip() for part in value.split(",") if part.strip()]
        several = ",".join(part if PLAIN.fullmatch(part) else as_text("", part)[1:] for part in parts)
        lines.append(f"as values of a sweep: -m {shlex.quote(f'{key}={several}')}")
    elif value[0] in "[{" or function:
        lines.append(f"as values of a sweep: -m {key}=1,4 or -m '{key}=range(0,4)'; as a list: '{key}=[8,8]'")
    return "\n".join(lines)


def _of_sweep(word: str, text: str, config_name: str) -> str:
    key, _, value = word.partition("=")
    if "Sweeping over Hydra's" in text:
        lists = f"; for a list type '{key}=[{value}]'" if "," in value and "/" not in key else ""
        return f"{word}: a setting of Hydra's has one value and cannot be swept{lists}"
    if "requires --multirun" in text:
        return f"{word} is a sweep: type -m {shlex.quote(word)}"
    sweep = f"to sweep over them type -m {shlex.quote(word)}; " * (config_name == "train")
    texts = f"as one text {shlex.quote(as_text(key, value))}; as a list {shlex.quote(f'{key}=[{value}]')}"
    return f"{word} has several values: {sweep}{texts}"


def _of_choice(error: Exception, text: str) -> str:
    found = re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text)
    if not found:
        return text
    group, name = found.groups()
    if package := _PLUGINS.get(group, {}).get(name):
        return f"{group}={name} is a plugin that is not installed; type: pip install {package}"
    known = sorted(getattr(error, "options", None) or ())
    if not known and group.startswith("experiment/"):
        group = group.removeprefix("experiment/")
        return f"no group experiment/{group}; in the defaults of an experiment type `- override /{group}: {name}`"
    known = known or sorted(path.stem for path in Path(CONF, group).glob("*.yaml"))
    return f"unknown choice {group}={name}; expected one of {', '.join(known)}{did_you_mean(name, known)}"


def _of_slot(group: str, place: str) -> str:
    """Returns which choices have a slot for another group's part, such as `schedule@objective.beta_schedule`."""
    part, _, name = place.partition(".")
    chosen = "".join(f"; {word} has none" for word in sys.argv[1:] if word.startswith(f"{part}="))
    files = sorted(Path(CONF, part).glob("*.yaml"))
    having = [f"{part}={f.stem}" for f in files if f"/{group}@{name}:" in f.read_text(encoding="utf-8")]
    more = f"; type it with one of {', '.join(having)}" if having else "; --cfg job prints every key"
    return f"unknown slot '{group}@{place}'{chosen}{more}"


def _of_key(key: str, text: str, config_name: str) -> str:
    from experiments.assemble import leaves, plain, unknown_key

    where = "".join(re.findall(r"^In '[^']+': ", text))
    typed = [word for word in sys.argv[1:] if "=" in word and "." not in word.split("=", 1)[0]]
    if key.startswith("hydra."):
        hydras = [word for word in typed if word.startswith(("hydra/launcher=", "hydra/sweeper="))]
        node: Any = OmegaConf.to_container(composed(config_name, hydras, return_hydra_config=True).hydra)
        depth = key.count(".") + 1
        known = {".".join(f"hydra.{path}".split(".")[:depth]) for path in leaves(node)}
        inside = [path for path in known if path.startswith(key.rpartition(".")[0] + ".")]
        with_it = [word for word in hydras if key.startswith(word.split("=")[0].replace("/", ".") + ".")]
        without = "".join(f"; {word} has no such setting" for word in with_it)
        return f"{where}unknown key '{key}'{did_you_mean(key, inside) or without or did_you_mean(key, known)}"
    value = next((word.split("=", 1)[1] for word in sys.argv[1:] if word.lstrip("+").startswith(f"{key}=")), "...")
    config = plain(composed(config_name))
    if key in leaves(config):  # but not of the choice that was made
        chosen = [word for word in typed if key.startswith(word.split("=")[0].split("@")[-1] + ".")]
        return f"{where}unknown key '{key}'{''.join(f'; {word} has no such setting' for word in chosen)}"
    group, _, name = key.partition(".")
    takes = {path.stem: safe_load(path.read_text(encoding="utf-8")) or {} for path in Path(CONF, group).glob("*.yaml")}
    if having := sorted(f"{group}={choice}" for choice, node in takes.items() if name in node):
        return f"{where}unknown key '{key}'; it is one of {', '.join(having)}"
    message = unknown_key(key, value, config)
    if "did you mean" in message and f"{group}." in message.split("did you mean")[1]:
        return where + message
    hint = did_you_mean(key, sorted({f"{group}.{known}" for node in takes.values() for known in node}))
    return f"{where}unknown key '{key}'{hint}" if name and hint else where + message
