"""Settings that a command would ignore in silence: of a sweep in a single run, of a run in a sweep, of experiments."""

import sys
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from experiments.command import is_sweep
from experiments.words import key_of
from vaex._check import VaexError


def is_grid(hydra: Any) -> bool:
    """Whether our own sweeper asks."""
    return str(hydra.sweeper._target_).endswith(".GridSweeper")


def refuse_unheeded(hydra: Any) -> None:
    """Raises `VaexError` for settings of a sweep in a single run, and the other way round: nothing would read them."""
    typed = [str(word) for word in hydra.overrides.hydra]
    sweeps = is_sweep(hydra)
    heeded = ("hydra.run.",) if sweeps else ("hydra.sweep.", "hydra.launcher.", "hydra.sweeper.")
    for word in typed:
        if key_of(word).startswith(heeded):
            instead = "hydra.sweep.dir" if sweeps else "hydra.run.dir"
            folder = f", or {instead}={word.split('=', 1)[-1]}" if ".dir=" in word else ""
            ours, theirs = ("a single run", "this is a sweep") if sweeps else ("a sweep", "this is a single run")
            raise VaexError(f"{word} is of {ours}, and {theirs}: {'leave it out' if sweeps else 'type -m'}{folder}")
    own = hydra.sweeper.get("params") or {}
    if own and not sweeps and not any(key_of(word) == "hydra.mode" for word in sys.argv):  # Hydra adds one itself
        values = " ".join(f"{key}={value}" for key, value in own.items())
        name = hydra.runtime.choices.get("experiment")
        raise VaexError(
            f"experiment={name} brings a sweep of its own ({values}), which a single run would ignore: type -m, or "
            "hydra.mode=RUN for one run without it"
        )
    if sweeps and not is_grid(hydra):
        _refuse_experiments(hydra)


def _refuse_experiments(hydra: Any) -> None:
    """Raises `VaexError` where another sweeper varies experiments that bring sweeps of their own."""
    parsed = OverridesParser.create().parse_overrides([str(word) for word in hydra.overrides.task])
    chosen = [o for o in parsed if o.key_or_group == "experiment" and o.is_discrete_sweep() and o.is_choice_sweep()]
    names = [name for o in chosen for name in o.sweep_string_iterator()]
    folders = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
    for path in (folder / "experiment" / f"{name}.yaml" for name in names for folder in folders):
        if path.exists() and OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params"):
            sweeper = hydra.runtime.choices.get("hydra/sweeper")
            raise VaexError(
                f"experiment={path.stem} brings a sweep of its own, which hydra/sweeper={sweeper} would ignore among "
                f"several experiments: leave out hydra/sweeper={sweeper}, or type experiment={path.stem} alone"
            )
