"""`make reproduce`: ours beside the published number, in the page."""

import dataclasses

import pytest
import yaml

from experiments import reproduce as module
from experiments.published import REPRODUCTIONS, SHORTENED
from experiments.reproduce import HEAD, reproduce, with_rows
from tests.experiments.conftest import SMALL
from tests.test_conf_mirror import CONF
from vaex._check import VaexError

PAGE = f"# Results\n\n<!-- reproduce: begin -->\n{HEAD}<!-- reproduce: end -->\nafter\n"


def test_every_reproduction_is_an_experiment_and_shortened_ones_say_so():
    for name, about in REPRODUCTIONS.items():
        text = (CONF / "experiment" / f"{name}.yaml").read_text()
        assert ("NOT the published recipe" in text) == (about.note == SHORTENED) == name.endswith("_short")
        if not name.endswith("_short"):
            for value in about.values.values():  # the file's opening lines give the same numbers
                assert f"{value:.2f}" in text


def test_the_full_schedule_is_the_published_one():
    recipe = yaml.safe_load((CONF / "experiment" / "burda_vae.yaml").read_text())["trainer"]
    assert (recipe["num_epochs"], recipe["batch_size"]) == (3280, 20)


def test_rows_take_the_place_of_earlier_ones_and_of_no_others():
    page = with_rows(PAGE, "rd_curve", ["| `rd_curve` | beta=1 | 2 |"])
    page = with_rows(page, "burda_vae", ["| `burda_vae` | K=1 | 3 |"])
    page = with_rows(page, "rd_curve", ["| `rd_curve` | beta=1 | 4 |"])
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == ["| `burda_vae` | K=1 | 3 |", "| `rd_curve` | beta=1 | 4 |"]
    assert page.startswith("# Results\n")
    assert page.endswith("<!-- reproduce: end -->\nafter\n")
    with pytest.raises(VaexError, match="between which the table stands"):
        with_rows("# Results\n", "rd_curve", [])


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(VaexError, match=r"got 'burda'.*make reproduce NAME=burda_iwae_short"):
        reproduce("burda")


def test_it_trains_evaluates_and_writes_a_row_a_setting(command, tmp_path, monkeypatch):
    lines = []

    def run(name, *words):
        lines.append((name, *words))
        done = command(*words, *(SMALL if name == "train" else ()), name=name)
        assert done.code == 0, done.err

    settings = ("num_temperatures=10", "num_chains=2", "num_examples=5")
    small = ("metric=rd_curve", *(f"metric.rd_curve.{setting}" for setting in settings))
    about = dataclasses.replace(REPRODUCTIONS["rd_curve"], evaluate=small)
    monkeypatch.setitem(REPRODUCTIONS, "rd_curve", about)
    monkeypatch.setattr(module, "_run", run)
    page = tmp_path / "results.md"
    page.write_text(PAGE)
    printed = reproduce("rd_curve", page=page)
    rows = [line for line in page.read_text().splitlines() if line.startswith("| `rd_curve`")]
    assert [row.split(" | ")[1] for row in rows] == ["beta=0.5", "beta=1", "beta=2"]
    assert all("over examples (1)" in row and "no published number is verified" in row for row in rows)
    assert [line for line in printed if line.startswith("| `")] == rows
    assert [name for name, *_ in lines] == ["train", "evaluate", "compare"]
    reproduce("rd_curve", page=page)  # again: what was measured stands
    assert [name for name, *_ in lines[3:]] == ["train", "compare"]
    (tmp_path / "outputs" / "reproduce" / "rd_curve" / "1" / "evaluation.json").unlink()
    reproduce("rd_curve", page=page)  # what is lacking is measured, and nothing else
    assert [words[0] for name, *words in lines[5:] if name == "evaluate"] == ["run=outputs/reproduce/rd_curve/1"]
    other = dataclasses.replace(about, evaluate=(*small[:-1], "metric.rd_curve.num_examples=6"))
    monkeypatch.setitem(REPRODUCTIONS, "rd_curve", other)
    reproduce("rd_curve", page=page)  # a number of other settings is not taken for the one asked for
    assert [words[0] for name, *words in lines[8:] if name == "evaluate"] == ["run=outputs/reproduce/rd_curve"]
