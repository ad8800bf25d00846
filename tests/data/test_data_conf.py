"""Tests that the YAML files say what the constructors say."""

import dataclasses
from pathlib import Path

import pytest
import yaml

import vaex.data
from vaex.data import Array, Counts, Data, Digits, FashionMnist, Mnist, Patches, Tfds

CONF = Path(__file__).parents[2] / "conf" / "data"


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        *(("digits", Digits), ("mnist", Mnist), ("fashion_mnist", FashionMnist), ("array", Array)),
        *(("counts", Counts), ("patches", Patches)),
    ],
)
def test_every_argument_is_there_with_its_default(name: str, cls: type[Data]) -> None:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert node.pop("_target_") == f"vaex.data.{cls.__name__}"
    assert node == {field.name: field.default for field in dataclasses.fields(cls)}
    data = cls(**node)
    assert data == cls()  # jobs share a pack if their data nodes are equal
    assert hash(data) == hash(cls())
    assert data.name == name


DOORS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONF.glob("*.yaml"))}
DOORS = {name: node for name, node in DOORS.items() if node.pop("_target_") == "vaex.data.Tfds"}


@pytest.mark.parametrize("name", DOORS)
def test_a_named_set_is_the_door_with_its_name(name: str) -> None:
    node, defaults = DOORS[name], {field.name: field.default for field in dataclasses.fields(Tfds)}
    changed = {key for key in {*node, *defaults} if node[key] != defaults[key]}
    assert changed <= {"name", "size", "grey"}
    assert (node["name"] or "tfds").partition("/")[0] == name
    assert hash(Tfds(**node)) == hash(Tfds(**node))  # jobs share a pack if their data nodes are equal


def test_every_data_set_has_a_file() -> None:
    public = [value for value in vars(vaex.data).values() if isinstance(value, type)]
    final = {cls.__name__ for cls in public if issubclass(cls, Data) and cls is not Data}
    targets = {yaml.safe_load(path.read_text())["_target_"] for path in CONF.glob("*.yaml")}
    assert {f"vaex.data.{name}" for name in final} <= targets
