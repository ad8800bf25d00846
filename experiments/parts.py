"""`python -m experiments.parts`: writes docs/parts.md, the table of every part, from the docstrings."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "parts.md"
GROUPS = {
    "likelihood": "Likelihoods",
    "objective": "Objectives: bounds and weightings",
    "penalty": "Penalties, which every weighted objective takes (`penalty@objective.penalty=NAME`)",
    "schedule": "Schedules",
    "posterior": "Posteriors",
    "prior": "Priors",
    "encoder": "Encoders",
    "decoder": "Decoders",
    "optimizer": "Optimizers",
    "metric": "Metrics, after training (`python -m experiments.evaluate metric=NAME`)",
    "data": "Data",
}
_SHARED = ("test_contract.py", "test_every_part.py")  # hold all parts to what is common
_INTRO = """# Parts

Every part, its formula, its config name and the test that holds it, from the docstrings (`python -m experiments.parts`
writes this page, and the suite compares them). Numbers are nats per datum. What all parts of a folder promise is held
by the folder's contract test and by `tests/training/test_every_part.py`, where each trains alone and beside a neighbour
of other numbers.

Gradient estimators are a setting of the objective, `objective.estimator`: `reparameterized`; `stl` (no gradient inside
log q(z|x); one draw, or an ELBO with `objective.kl=sampled`); `dreg` (bounds of several draws). `objective.chunk`
bounds their memory.

A schedule is a setting of a weight or of a learning rate: `schedule@objective.beta_schedule=linear`,
`schedule@optimizer.learning_rate_schedule=warmup optimizer.learning_rate_schedule.then=cosine`. A weight is multiplied
by s, which ends at 1. A learning rate is multiplied by 1 - s; `warmup`, `cyclical` and `stages` say what they do
instead. `optimizer=adamw` decays the kernels of the networks; `optimizer.decay=all` decays every parameter.
"""


class Row(NamedTuple):
    """One line of the table."""

    name: str  # in the config
    formula: str
    papers: str
    test: str  # path from the root, or "" where none names the part


def rows(group: str) -> list[Row]:
    """Returns a row for each choice of a config group."""
    found = []
    for path in sorted((ROOT / "conf" / group).glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        node = content if "_target_" in content else content[path.stem]  # metrics are keyed
        module, _, name = node["_target_"].rpartition(".")
        part = getattr(importlib.import_module(module), name)
        doc = inspect.getdoc(part) or ""
        found.append(Row(path.stem, _first_sentences(doc), _references(doc), _test_of(name, module)))
    return found


def _first_sentences(doc: str) -> str:
    """Returns the docstring's first paragraph, of a function without its `Returns`."""
    text = " ".join(doc.split("\n\n")[0].split())
    return re.sub(r"^Returns (the )?", "", text)


def _references(doc: str) -> str:
    """Returns the first lines of what stands under `References:`."""
    if "References:" not in doc:
        return ""
    return " ".join(doc.split("References:")[1].split()).rstrip(".")


def _test_of(name: str, module: str) -> str:
    """Returns the test that says most of a part, of the folder's own tests where there is one."""
    word = re.compile(rf"\b{name}\b")
    counts: dict[tuple[bool, int, str], None] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        number = len(word.findall(path.read_text(encoding="utf-8")))
        if number and path.name not in _SHARED:
            own = path.parent.name in module.split(".")
            counts[own, number, path.relative_to(ROOT).as_posix()] = None
    return max(counts)[2] if counts else ""


def page() -> str:
    """Returns the page's text."""
    sections = [_INTRO]
    for group, title in GROUPS.items():
        lines = [f"## {title}", "", f"| `{group}=` | formula | paper | test |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{r.name}` | {_cell(r.formula)} | {_cell(r.papers)} | [{r.test}](../{r.test}) |" for r in rows(group)
        ]
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def _cell(text: str) -> Any:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
