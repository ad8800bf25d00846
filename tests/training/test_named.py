"""What loggers are told of a config: choices by the name that was typed."""

from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from experiments.assemble import plain
from experiments.command import CONF
from vaex.training.named import choice, named, shared

GROUPS = ("data", "encoder", "decoder", "likelihood", "posterior", "prior", "objective", "penalty", "schedule")
YAMLS = [path for group in (*GROUPS, "optimizer") for path in sorted(Path(CONF, group).glob("*.yaml"))]


def told(*words):
    with initialize_config_dir(CONF, version_base="1.3"):
        return named(plain(compose("train", list(words))))


def at(config, path):
    for key in path.split("."):
        config = config[key]
    return config


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_a_choice_is_called_as_it_is_typed(path):
    """Of the sets that tensorflow-datasets has, `data.name` says which."""
    node = yaml.safe_load(path.read_text())
    name = (node["name"] or "tfds").split("/")[0] if "name" in node else choice(node["_target_"])
    assert name == path.stem


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "",
            "likelihood.name=bernoulli data.name=digits encoder.name=mlp decoder.name=mlp prior.name=standard_normal "
            "posterior.name=diagonal_normal objective.name=elbo objective.penalty.name=none optimizer.name=adam "
            "objective.beta_schedule.name=constant optimizer.learning_rate_schedule.name=constant",
        ),
        (
            "likelihood=mse objective=tc_vae optimizer=adamw",
            "likelihood.name=mse objective.name=tc_vae optimizer.name=adamw",
        ),
        (
            "penalty@objective.penalty=dip schedule@objective.beta_schedule=cyclical",
            "objective.penalty.name=dip objective.beta_schedule.name=cyclical",
        ),
        ("data=kmnist", "data.name=kmnist data.choice=tfds"),
        ("data=tfds data.name=cifar10", "data.name=cifar10 data.choice=tfds"),
        ("likelihood._target_=mine.parts.SoftBernoulli", "likelihood.name=SoftBernoulli"),
    ],
)
def test_every_group_has_its_name(words, expected):
    config = told(*words.split())
    for pair in expected.split():
        path, value = pair.split("=")
        assert at(config, path) == value
    assert "_target_" not in str(config)


def test_numbers_stay_where_they_were():
    config = told("objective.beta=4", "likelihood=gaussian", "likelihood.scale=0.5", "logger.wandb.name=mine")
    assert (config["objective"]["beta"], config["likelihood"]["scale"], config["trainer"]["batch_size"]) == (4, 0.5, 64)
    assert config["logger"]["wandb"]["name"] == "mine"  # W&B's own, of a node that stands under its name
    assert config["encoder"]["hidden"] == plain_hidden()
    assert "name" not in config["trainer"]


def plain_hidden():
    return yaml.safe_load(Path(CONF, "encoder", "mlp.yaml").read_text())["hidden"]


def test_what_runs_share_is_what_none_has_otherwise():
    one = {"seed": 0, "likelihood": {"name": "gaussian", "scale": 0.5}, "objective": {"name": "elbo", "beta": 1}}
    other = {"seed": 1, "likelihood": {"name": "gaussian", "scale": 0.5}, "objective": {"name": "elbo", "beta": 4}}
    third = other | {"likelihood": {"name": "bernoulli"}}
    assert shared([one, other]) == {"likelihood": {"name": "gaussian", "scale": 0.5}, "objective": {"name": "elbo"}}
    assert shared([one, other, third]) == {"likelihood": {}, "objective": {"name": "elbo"}}
    assert shared([]) == {}
