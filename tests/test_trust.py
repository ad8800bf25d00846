"""What a run's folder may name, and that nothing else of it is imported."""

import importlib
import sys

import pytest

from tests.test_conf_mirror import CONF, GROUPS, nodes
from vaex._check import VaexError
from vaex.trust import find, modules

TARGETS = [n["_target_"] for g in GROUPS for p in sorted((CONF / g).glob("*.yaml")) for n in nodes(g, p)]


@pytest.fixture
def mypkg(tmp_path, monkeypatch):
    """A package of the user's, a neighbour whose name begins alike, and a module that must not be imported."""
    (tmp_path / "mypkg").mkdir()
    text = "import os\nfrom os import system\nclass Net: ...\ndef preset(): ...\nnumber = 3\n"
    for name in ("mypkg/__init__", "mypkg/nets", "mypkg2", "vaexevil"):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("mypkg", "mypkg.nets", "mypkg2", "vaexevil"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("target", [*TARGETS, "vaex.training.Trainer"])
def test_what_a_yaml_names_may_be_named(target):
    found = find(target, ())
    assert found is find(target, None)
    if isinstance(found, type):  # as a checkpoint spells it
        assert find(f"{found.__module__}.{found.__qualname__}", ()) is found


def test_what_else_a_checkpoint_is_made_of():
    for target in ("vaex.training.recipe.Recipe", "vaex.models.vae.VAE", "vaex.data.preparation.Preparation"):
        assert find(target, ()).__qualname__ == target.rpartition(".")[2]


@pytest.mark.parametrize(
    "target",
    [
        *("os.system", "subprocess.Popen", "builtins.eval", "vaexevil.Net", "mypkg.Net", "experiments.train.main"),
        *("vaex.training.job.os.system", "vaex.training.job.Recipe", "vaex.training.job.os.Trainer", "vaex.load"),
        *("vaex.training.run", "vaex.training.train", "vaex.sweep.compare", "vaex.training.StopFlag"),
        *(
            "vaex.part.from_dict",
            "vaex.trust.find",
            "vaex._write.write_bytes",
            "vaex.nothing.Here",
            "vaex.models.priors",
        ),
        *("vaex.data.batch_indices", "vaex.metrics.alarms", "vaex.loggers.Progress", "vaex.data.__init__.Array"),
        *("vaex..likelihoods.Gaussian", ".os.system", "os.system.", "os", "", "vaex", "vaex.likelihoods. Gaussian"),
        *("../os.system", "vaex/../os.system", "VAEX.likelihoods.Gaussian", "os:system"),
        *(None, 3, True, ["os.system"], {"_target_": "os.system"}),
    ],
    ids=str,
)
def test_anything_else_is_refused(target, mypkg):
    before = set(sys.modules)
    with pytest.raises(VaexError) as error:
        find(target, ())
    assert repr(target) in str(error.value)
    assert not {"mypkg", "mypkg2", "vaexevil"} & (set(sys.modules) - before)


@pytest.mark.parametrize("trust", [("mypkg",), ["other", "mypkg"], "mypkg", "other, mypkg"])
def test_a_trusted_package_may_be_named(trust, mypkg):
    for target in ("mypkg.Net", "mypkg.preset", "mypkg.nets.Net"):
        assert find(target, modules(trust)).__name__ == target.rpartition(".")[2]


@pytest.mark.parametrize(
    ("trust", "target"),
    [
        *(("mypkg", "mypkg2.Net"), ("mypkg.nets", "mypkg.Net"), ("mypkg", "os.system")),
        *(
            ("mypkg", "mypkg.system"),
            ("mypkg", "mypkg.os.system"),
            ("mypkg", "mypkg.number"),
            ("mypkg", "mypkg.Nothing"),
        ),
        *(("vaex", "vaexevil.Net"), ("vaex", "vaex.training.job.os.system"), ("", "mypkg.Net")),
    ],
)
def test_trust_reaches_no_further_than_its_package(trust, target, mypkg):
    with pytest.raises(VaexError, match=target):
        find(target, modules(trust))
    assert not {"mypkg2", "vaexevil"} & set(sys.modules)


def test_the_environment_adds_to_what_is_trusted(mypkg, monkeypatch):
    monkeypatch.setenv("VAEX_TRUST", "other,mypkg.nets")
    assert find("mypkg.nets.Net", ()).__name__ == "Net"
    with pytest.raises(VaexError, match=r"trust=\[mypkg\]"):
        find("mypkg.Net", ())


@pytest.mark.parametrize("trust", [3, [3], ["my pkg"], "../mypkg", ["mypkg.*"], {"a": 1, "b-c": 2}], ids=str)
def test_what_is_no_module_is_not_trusted(trust):
    with pytest.raises(VaexError, match="trust: expected names of modules"):
        modules(trust)


def test_the_user_may_name_anything(mypkg):
    assert find("os.path.join", None) is importlib.import_module("os").path.join
    with pytest.raises(VaexError, match="expected an import path"):
        find("mypkg.number", None)
