"""A line that is printed to be pasted gives back the very text, through the shell and through Hydra."""

import itertools
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from vaex.lines import command_line, setting, word

NASTY = [
    *(
        "a b",
        "a,b=c",
        "objective.beta=1,seed=0",
        "it's",
        'say "x"',
        "a\\b",
        "a\\",
        "a\\'",
        'a\\"',
        "$x",
        "${x}",
        "\\${x}",
    ),
    *("a#b", "(1)", "run (1)", "[x]", "{y: 1}", "ünï/日本", "a\nb", "a\tb", "123", "001", "1e5", "-1", "null", "True"),
    *("inf", "1_000", " lead", "trail ", "a:b", "~/x", "-x", "%", "@", "*", "a\n", "x\\\\'y", "${oc.env:HOME}", "''"),
    *("outputs/runs/2026-11-27/00-35-10", "/tmp/x", "a.b", "_", "..", "a/1"),
]
ALL_OF_FOUR = ["".join(letters) for letters in itertools.product("\\'\"${a", repeat=4)]


def read(text: str) -> str:
    """What the shell, then Hydra make of a word."""
    (typed,) = shlex.split(text)
    override = OverridesParser.create().parse_override(typed)
    assert not override.is_sweep_override()
    return OmegaConf.create({"run": override.value()}).run


@pytest.mark.parametrize("name", NASTY, ids=repr)
def test_what_is_printed_is_what_is_read(name):
    assert read(setting("run", name)) == name


def test_any_four_of_the_letters_that_mean_something():
    assert [read(setting("run", name)) for name in ALL_OF_FOUR] == ALL_OF_FOUR


def test_what_needs_no_quotes_has_none():
    assert setting("run", "outputs/runs/2026-11-27/00-35-10-1") == "run=outputs/runs/2026-11-27/00-35-10-1"
    assert word("run", "a,b") == 'run="a,b"'


def test_a_line_is_its_words():
    line = command_line("train", "-m", "objective.beta=1,4", word("hydra.sweep.dir", "a b"))
    assert shlex.split(line)[3:] == ["-m", "objective.beta=1,4", 'hydra.sweep.dir="a b"']
