"""What a command prints to be pasted can be pasted, whatever the folder is called."""

import json
import shlex
from pathlib import Path

import pytest

from experiments.command import again
from tests.experiments.conftest import SMALL
from vaex import VaexError
from vaex.lines import word
from vaex.training import checkpoint

NAMES = ["objective.beta=1,seed=0", "it's (1) #2", "naïve [x] $HOME", "ends\\", "2026", "a\nb"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_run_goes_on_in_any_folder(command, train, name):
    """Started, refused by `evaluate` since it is not completed, continued by the line, evaluated, started from."""
    assert train(word("hydra.run.dir", name), "trainer.num_steps=10").code == 0
    folder = Path(name)
    assert json.loads((folder / "summary.json").read_text())["status"] == "completed"
    (folder / "summary.json").unlink()
    (folder / "checkpoint" / "step_0000000010.json").unlink()
    (folder / "checkpoint" / "step_0000000010.safetensors").unlink()
    done = command(word("run", name), "metric=nll", name="evaluate")
    (typed,) = shlex.split(done.err.split("continue it with ")[1])
    assert train(typed, "trainer.num_steps=10").code == 0
    assert (folder / "summary.json").exists()
    done = train(word("hydra.run.dir", name), "trainer.num_steps=10", "latent_dim=3")
    (typed,) = shlex.split(done.err.split("from its parameters, add ")[1])
    assert typed == word("trainer.init_from", folder.absolute())
    assert train(typed, "hydra.run.dir=next", "trainer.num_steps=10").code == 0
    assert command(word("run", name), "metric=nll", "metric.nll.num_samples=2", name="evaluate").code == 0


def test_a_sweep_goes_on_in_any_folder(command):
    """In folders made of `hydra.job.override_dirname`; the line of `Stopped` is the line of a full disk."""
    subdir = "hydra.sweep.subdir=${hydra.job.override_dirname}"
    words = ("-m", *SMALL, "logger=none", "seed=0,1", subdir, word("hydra.sweep.dir", "beta=1,4 (it's)"))
    assert command(*words, "objective.beta=1").code == 0
    (folder,) = Path().glob("beta*")
    assert len(list(folder.glob("*/summary.json"))) == 2
    assert command(word("sweep", folder), "wandb=false", name="compare").code == 0
    job = next(folder.glob("*seed=1*"))
    evaluated = command(word("run", job), "metric=nll", "metric.nll.num_samples=2", name="evaluate")
    assert evaluated.code == 0, evaluated.err


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_the_line_of_a_signal(monkeypatch, name):
    monkeypatch.setattr("sys.argv", ["train", "hydra.run.dir=old", "a=1,2", "b='x y'"])
    words = shlex.split(again("train", "hydra.run.dir", name))
    assert words == ["python", "-m", "experiments.train", "a=1,2", "b='x y'", word("hydra.run.dir", name)]


def test_a_run_without_a_checkpoint_names_its_folder(tmp_path):
    (tmp_path / "a,b").mkdir()
    with pytest.raises(VaexError) as error:
        checkpoint.require(tmp_path / "a,b")
    assert shlex.split(str(error.value).split("train there first: ")[1]) == [word("hydra.run.dir", tmp_path / "a,b")]


@pytest.mark.parametrize(("words", "name"), [(["run=2026"], "evaluate"), (["sweep=2026"], "compare")])
def test_a_folder_that_reads_as_a_number(command, words, name):
    """Hydra would read the number 2026."""
    done = command(*words, name=name)
    assert done.code == 1
    assert "2026" in done.err
    assert "does not exist" in done.err
