"""Imports go down the floors only, and a library needs no Hydra."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = [
    (
        *("vaex._check", "vaex._annotations", "vaex._write", "vaex.lines", "vaex.trust", "vaex.typing", "vaex.part"),
        *("vaex.numerics", "vaex.distributions", "vaex.schedules"),
    ),
    ("vaex.likelihoods",),
    ("vaex.objectives", "vaex.optimizers", "vaex.conventions"),
    ("vaex.models", "vaex.metrics", "vaex.data"),
    ("vaex.training", "vaex.loggers"),
    ("vaex.loaded", "vaex.evaluation", "vaex.sweep"),
    ("experiments", "hydra_plugins"),
]
FILES = [path for room in ("vaex", "experiments", "hydra_plugins") for path in ROOT.glob(f"{room}/**/*.py")]


def floor_of(module: str) -> int | None:
    """The number of the floor that a module stands on."""
    for number, rooms in enumerate(FLOORS):
        if any(module == room or module.startswith(room + ".") for room in rooms):
            return number
    return None


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path):
    own = floor_of(name_of(path))
    if own is None:
        assert name_of(path) == "vaex"  # the front door, which imports lazily
        return
    for module in imports(path):
        other = floor_of(module)
        assert other is None or other <= own, f"{name_of(path)} (floor {own}) imports {module} (floor {other})"


@pytest.mark.parametrize("path", [p for p in FILES if p.relative_to(ROOT).parts[0] == "vaex"], ids=name_of)
def test_hydra_and_flax_stay_in_their_rooms(path):
    roots = {module.split(".")[0] for module in imports(path)}
    assert not roots & {"hydra", "omegaconf"}
    assert "flax" not in roots or "models" in path.parts
    assert "torch" not in roots
    assert "tensorflow" not in roots


def test_every_file_stands_on_a_floor():
    assert [name_of(p) for p in FILES if floor_of(name_of(p)) is None] == ["vaex"]


def test_the_plugin_is_light():
    """Hydra executes it for every application of the environment, and a failing import would break them all."""
    light = {"hydra", "omegaconf", "hydra_plugins", "collections", "dataclasses", "typing", "time"}
    for path in ROOT.glob("hydra_plugins/**/*.py"):
        assert {module.split(".")[0] for module in imports(path)} <= light
    assert not (ROOT / "hydra_plugins" / "__init__.py").exists()
