"""Every YAML names a public part of the matching folder, and every public part has its YAML."""

import importlib
import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from experiments.assemble import plain

CONF = Path(__file__).resolve().parents[1] / "conf"
GROUPS = {
    "data": "vaex.data",
    "encoder": "vaex.models.encoders",
    "decoder": "vaex.models.decoders",
    "likelihood": "vaex.likelihoods",
    "posterior": "vaex.models.posteriors",
    "prior": "vaex.models.priors",
    "objective": "vaex.objectives",
    "penalty": "vaex.objectives.penalties",
    "schedule": "vaex.schedules",
    "optimizer": "vaex.optimizers",
    "logger": "vaex.loggers",
    "metric": "vaex.metrics",
}
# Public, and no choice of a config: protocols, bases, and what parts are made of.
NOT_CHOICES = {
    "vaex.data": {"Data", "Dataset", "Preparation", "Raw", "batch_indices"},
    "vaex.likelihoods": {"Likelihood"},
    "vaex.objectives": {
        *("Context", "Drawing", "Draws", "Level", "Objective", "State", "Terms"),
        *("distortion", "exact_rate", "log_weights", "sampled_rate", "weighted_mean"),
    },
    "vaex.objectives.penalties": {"Penalty"},
    "vaex.schedules": {"Ramp", "Schedule"},
    "vaex.optimizers": {"Optimizer"},
    "vaex.loggers": {"Log", "Logger", "Progress", "RunInfo"},
    "vaex.metrics": {
        *("About", "Alarm", "ALARMS", "Annealing", "Estimate", "Metric", "active_units", "ais_estimate", "alarms"),
        *("bdmc_estimate", "bits_per_dim", "decomposition_of", "importance_estimate", "mean_and_se", "prior_hole"),
        *("rate_distortion_estimate", "summarise", "summarise_decomposition"),
    },
}
YAMLS = [(group, path) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]


def nodes(group: str, path: Path) -> list[dict]:
    """The nodes with a `_target_` in one file: loggers and metrics are keyed, so that several can be chosen."""
    content = OmegaConf.to_container(OmegaConf.load(path))
    return list(content.values()) if group in ("logger", "metric") else [content]


def slots_of(node: dict) -> list[str]:
    """The keys that a node's own defaults list fills, such as `/schedule@beta_schedule`."""
    return [key for choice in node.pop("defaults", []) for key in choice]


@pytest.mark.parametrize(("group", "path"), YAMLS, ids=lambda v: getattr(v, "stem", v))
def test_a_yaml_is_the_constructor_call_of_a_public_part(group, path):
    for node in nodes(group, path):
        filled = {key.split("@")[1] for key in slots_of(node)}
        module, _, name = node.pop("_target_").rpartition(".")
        assert module == GROUPS[group]
        assert name in importlib.import_module(module).__all__
        takes = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        own = {p for p in takes if p not in ("parent", "name") or "models" not in module}
        slots = {p for p in own if p.endswith("_schedule") or p == "penalty"}  # filled by a choice of another group
        assert filled == (slots if group == "objective" else set())
        assert set(node) == own - slots, f"{path} lists other settings than {name} takes"


@pytest.mark.parametrize("group", GROUPS)
def test_every_public_part_has_a_yaml(group):
    module = importlib.import_module(GROUPS[group])
    chosen = {n["_target_"].rpartition(".")[2] for g, path in YAMLS if g == group for n in nodes(g, path)}
    assert chosen == set(module.__all__) - NOT_CHOICES.get(GROUPS[group], set())


def test_folders_are_groups():
    own = {"experiment", "hydra"}
    assert {p.name for p in CONF.iterdir() if p.is_dir()} == {*GROUPS, *own}


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda p: p.stem)
def test_an_experiment_is_a_small_delta_that_opens_with_its_evidence(path):
    text = path.read_text()
    for word in ("# @package _global_", "# Paper:", "# Command:", "# Time:", "# Number:"):
        assert word in text, f"{path} does not say {word}"
    assert len(text.splitlines()) < 50
    assert f"experiment={path.stem}" in text


def test_the_default_composes_and_nothing_in_it_is_missing():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = plain(compose("train"))
    assert config["objective"]["beta_schedule"]["_target_"] == "vaex.schedules.Constant"
    assert set(config["logger"]) == {"jsonl", "wandb"}
