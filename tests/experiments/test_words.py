"""What was typed, as Hydra reads it."""

from pathlib import Path

import numpy as np
import pytest

from experiments.words import understood
from vaex._check import VaexError

WORDS = [
    (["seed=1", "-m", "beta=2"], ["-m", "seed=1", "beta=2"]),  # argparse refuses settings on both sides of a flag
    (["--objective.beta=4"], ["objective.beta=4"]),
    (["--seed", "1", "--objective.beta", "-1"], ["seed=1", "objective.beta=-1"]),
    (["--experiment=mnist"], ["experiment=mnist"]),  # not --experimental-rerun
    (["--run=here"], ["run=here"]),
    (["--cfg", "job", "seed=1"], ["--cfg", "job", "seed=1"]),
    (["-c", "job", "--config-dir", "mine", "seed=1"], ["-c", "job", "--config-dir", "mine", "seed=1"]),
    (["--cfg=job", "--config-dir=mine"], ["--cfg=job", "--config-dir=mine"]),
    (["--info", "seed=1"], ["--info", "seed=1"]),
    (["--help"], ["--help"]),
    (["--multi", "seed=1"], ["--multi", "seed=1"]),
    (["data.path=données.npy"], ['data.path="données.npy"']),
    (["data.path=a=b.npy"], ['data.path="a=b.npy"']),
    (["data.path=x (1).npy"], ['data.path="x (1).npy"']),
    (["data.path=x#1.npy"], ['data.path="x#1.npy"']),
    (["data.path=x y.npy"], ["data.path=x y.npy"]),
    (["data.path=it's.npy"], ['data.path="it\'s.npy"']),
    (["data.path=[a].npy"], ['data.path="[a].npy"']),
    (["data.path=2026"], ['data.path="2026"']),
    (["data.path=null"], ["data.path=null"]),
    (["data.path='é.npy'"], ["data.path='é.npy'"]),
    (["data.path=~/x.npy"], ['data.path="~/x.npy"']),
    (["-m", "data.path=é.npy,ü.npy"], ["-m", "data.path=é.npy,ü.npy"]),  # one file or two? refused, with both lines
    (["-m", "data.path=a.npy,b.npy"], ["-m", "data.path=a.npy,b.npy"]),
    (["hydra.run.dir=a,b(1)"], ['hydra.run.dir="a,b(1)"']),
    (["-m", "hydra.sweep.dir=é,ü"], ["-m", 'hydra.sweep.dir="é,ü"']),
    (["sweep=[é,ü]"], ["sweep=[é,ü]"]),
    (["logger.wandb.notes=größe=2"], ['logger.wandb.notes="größe=2"']),
    (["encoder.hidden=[8"], ["encoder.hidden=[8"]),
]


@pytest.mark.parametrize(("typed", "read"), WORDS)
def test_words(typed, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert understood(typed) == read


@pytest.mark.parametrize("word", ["--foo", "--multirn", "-M", "-seed", "hydra.launcher=basic"])
def test_words_that_mean_nothing(word):
    with pytest.raises(VaexError):
        understood([word])


NAMES = ["données.npy", "a=b.npy", "x (1)#1.npy", "a,b.npy", "2026.npy", "x's&[c].npy"]


def test_files_and_folders_of_any_name(command, train, tmp_path):
    """One after another in one test: what differs is the name alone."""
    for name in NAMES:
        np.save(tmp_path / name, np.random.default_rng(0).normal(size=(90, 3)))
        done = train("data=array", f"data.path={name}", "likelihood=gaussian", f"hydra.run.dir=run {name}")
        assert done.code == 0, done.err
        assert Path(f"run {name}/summary.json").exists()
    done = command("run=run données.npy", "wandb=false", "metric=nll", "metric.nll.num_samples=2", name="evaluate")
    assert done.code == 0, done.err


def test_settings_as_an_agent_types_them(train):
    done = train("--seed=1", "--objective.beta", "4", "hydra.run.dir=agent", "output_dir=ü")
    assert done.code == 0, done.err
    assert {"- seed=1", "- objective.beta=4"} <= set(Path("agent/.hydra/overrides.yaml").read_text().splitlines())
