"""Tests that the YAML files say what the constructors say."""

import dataclasses
from pathlib import Path

import pytest
import yaml

import vaex.data
from vaex.data import Array, Data, Digits, FashionMnist, Mnist

CONF = Path(__file__).parents[2] / "conf" / "data"


@pytest.mark.parametrize(
    ("name", "cls"), [("digits", Digits), ("mnist", Mnist), ("fashion_mnist", FashionMnist), ("array", Array)]
)
def test_every_argument_is_there_with_its_default(name: str, cls: type[Data]) -> None:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert node.pop("_target_") == f"vaex.data.{cls.__name__}"
    assert node == {field.name: field.default for field in dataclasses.fields(cls)}
    data = cls(**node)
    assert data == cls()  # jobs share a pack if their data nodes are equal
    assert hash(data) == hash(cls())
    assert data.name == name


def test_every_data_set_has_a_file() -> None:
    public = [value for value in vars(vaex.data).values() if isinstance(value, type)]
    final = {cls.__name__ for cls in public if issubclass(cls, Data) and cls is not Data}
    targets = {yaml.safe_load(path.read_text())["_target_"] for path in CONF.glob("*.yaml")}
    assert {f"vaex.data.{name}" for name in final} <= targets
