"""The three answers against values computed by hand."""

import math

import pytest

from vaex.sweep.answers import CHEAPEST, DENSITY, answer
from vaex.sweep.settings import NO_DENSITY
from vaex.sweep.table import text

LAST = "last beta before collapse"


@pytest.fixture
def said(arranged):
    """The answers of a sweep's only measure."""

    def answers(sweep, **options):
        comparison = arranged(sweep, **options)
        (panel,) = comparison.panels
        return answer(comparison, panel)

    return answers


def lines(found):
    return {line.name: str(line) for line in found.lines}


def test_the_three_answers(said, betas):
    found = said(betas)
    # beta 1: mean NLL 22.6, s = 0.2 / sqrt(2), standard error = s / sqrt(2) = 0.1; beta 2: mean 22.675, within it
    assert [str(line) for line in found.lines] == [
        "best density: beta=1, NLL 22.60 +- 0.14 (n=2)",
        f"{CHEAPEST}: beta=2, rate 3.000 +- 0.000, NLL 22.68 +- 0.11 (n=2)",
        f"{LAST}: beta=2, 7/16 units active",
    ]
    assert "0.1 nats" in found.lines[1].note
    assert "beta=4" in found.lines[2].note
    assert found.split == "test"


def test_one_standard_error_is_sharp(said, grid):
    error = 0.1 / math.sqrt(2) / math.sqrt(2)  # of 22.55, 22.65: s = 0.1 / sqrt(2), n = 2

    def sweep(name, distance):
        best = [{"nll": 22.55, "rate": 5.0}, {"nll": 22.65, "rate": 5.0}]
        other = [{"nll": 22.6 + distance, "rate": 3.0}] * 2
        return said(grid({"objective.beta=1": best, "objective.beta=2": other}, name))

    assert sweep("in", 0.99 * error).lines[1].setting == "beta=2"
    outside = sweep("out", 1.01 * error).lines[1]
    assert outside.setting == "beta=1"
    assert "same setting" in outside.note


def test_one_seed_has_no_standard_error(said, grid):
    found = said(grid({f"objective.beta={b}": [{"nll": n}] for b, n in ((1, 22.0), (2, 23.0))}))
    assert lines(found)[DENSITY] == "best density: beta=1, NLL 22.00 (n=1)"
    assert CHEAPEST not in lines(found)


def test_a_tie_goes_to_the_lower_rate(said, grid):
    found = said(grid({"objective.beta=1": [{"rate": 5.0}], "objective.beta=2": [{"rate": 4.0}]}))
    assert found.lines[0].setting == "beta=2"


def test_collapse_is_of_the_median_seed(said, grid):
    few, most = [{"active_units": n} for n in (0, 3, 5)], [{"active_units": n} for n in (0, 0, 5)]
    found = said(grid({"objective.beta=1": few, "objective.beta=2": most}))
    assert lines(found)[LAST] == f"{LAST}: beta=1, 3/16 units active"


def test_collapse_at_the_first_value(said, grid):
    gone = [{"active_units": 0}]
    found = said(grid({"objective.beta=1": gone, "objective.beta=2": [{"active_units": 3}]}))
    assert lines(found)[LAST] == f"{LAST}: none, collapsed already at beta=1"
    assert found.lines[-1].note == "In use again from beta=2."
    every = said(grid({"objective.beta=1": gone, "objective.beta=2": gone}, "every"))
    assert every.lines[-1].note == "Every setting has collapsed."
    assert "collapsed" in every.lines[0].note


def test_nothing_collapsed(said, grid):
    found = said(grid({"objective.beta=2": [{}], "objective.beta=0.5": [{"active_units": 16}]}))
    assert lines(found)[LAST] == f"{LAST}: beta=2, 8/16 units active"
    assert "Nothing collapsed up to beta=2" in found.lines[-1].note


def test_each_curve_has_its_own_collapse(said, grid):
    settings = {
        f"objective.beta={beta} latent_dim={z}": [{"active_units": 0 if beta * z >= 8 else 1, "latent_dim": z}]
        for beta in (1, 2, 4)
        for z in (2, 4)
    }
    found = said(grid(settings))
    assert [line.setting for line in found.lines[1:]] == ["latent_dim=2 beta=2", "latent_dim=4 beta=1"]
    assert found.lines[-1].numbers == "1/4 units active"


def test_words_have_no_last_one(said, grid):
    settings = {"encoder=mlp": [{}], "encoder=conv": [{"active_units": 0, "nll": 30.0}]}
    found = said(grid(settings))
    assert [str(line) for line in found.lines] == [
        "best density: encoder=mlp, NLL 23.00 (n=1)",
        "collapsed: encoder=conv, the median seed has no active unit",
    ]


def test_all_diverged(said, grid):
    gone = {"status": "diverged", "rate": None, "distortion": None, "nll": None}
    found = said(grid({"objective.beta=1": [gone], "objective.beta=2": [gone, gone]}))
    assert found.lines == []
    assert "3 diverged" in found.why


def test_a_diverged_seed_is_said_and_not_counted(said, grid):
    gone = {"status": "diverged", "rate": None, "distortion": None, "nll": None}
    found = said(grid({"objective.beta=1": [{"nll": 20.0}, gone], "objective.beta=2": [{"nll": 21.0}] * 2}))
    assert lines(found)[DENSITY] == "best density: beta=1, NLL 20.00 (n=1)"
    assert "1 completed, 1 diverged" in found.lines[0].note


@pytest.mark.parametrize(("second", "said_why"), [(None, "The NLL is off"), (30.0, "Not every job has an NLL")])
def test_without_every_nll_the_elbo_ranks(said, grid, second, said_why):
    off = {"nll": None, "nll_num_samples": 0}
    low = [{"rate": 4.0, "distortion": 20.0 + s, **(off if second is None else {"nll": second})} for s in (0, 1)]
    high = [{"rate": 4.0, "distortion": 22.0 + s, **off} for s in (0, 1)]
    found = said(grid({"objective.beta=1": high, "objective.beta=2": low}))
    assert lines(found)[DENSITY] == "best density: beta=2, ELBO -24.50 +- 0.71 (n=2)"
    assert "evaluation.nll_num_samples=500" in found.lines[0].note
    assert "so the ELBO ranks" in found.lines[0].note
    assert found.lines[1].name == CHEAPEST.replace("NLL", "ELBO")
    if second is None:
        assert said_why in found.lines[0].note


def test_a_setting_with_an_infinite_nll_is_not_ranked(said, arranged, grid):
    """The mean of its other seeds would win."""
    infinite = {"nll": None, "elbo": None}  # as JSON holds what is not finite
    sweep = grid({"objective.beta=1": [{"nll": 20.0}, infinite], "objective.beta=2": [{"nll": 21.0}] * 2})
    found = said(sweep)
    assert lines(found)[DENSITY] == "best density: beta=2, NLL 21.00 +- 0.00 (n=2)"
    assert "Not ranked, since a job's NLL is not finite: beta=1" in found.lines[0].note
    assert "20.00 (1 of 2)" in text(arranged(sweep))
    assert "not finite" in said(grid({"objective.beta=1": [{"nll": 20.0}, infinite]}, "alone")).why


def test_what_is_no_density_is_never_ranked(said, grid):
    loss = {"data_measure": None, "nll": None, "likelihood": "bce"}
    found = said(grid({"objective.beta=1": [loss], "objective.beta=2": [{**loss, "active_units": 0}]}))
    assert list(lines(found)) == [LAST]
    assert found.best is None
    assert "bce is no density" in found.why


def test_measures_are_ranked_apart(arranged, grid):
    other = {"data_measure": "digits in [0, 1], Lebesgue measure"}
    loss = {"data_measure": None, "nll": None, "likelihood": "bce"}
    settings = {
        "likelihood=bernoulli objective.beta=1": [{"nll": 23.0}],
        "likelihood=bernoulli objective.beta=2": [{"nll": 24.0}],
        "likelihood=gaussian objective.beta=1": [{"nll": -5.0, **other}],
        "likelihood=gaussian objective.beta=2": [{"nll": -6.0, **other}],
        "likelihood=bce objective.beta=1": [loss],
    }
    comparison = arranged(grid(settings))
    found = {panel.measure: answer(comparison, panel) for panel in comparison.panels}
    bernoulli, gaussian, bce = found.values()
    assert bernoulli.lines[0].setting == "likelihood=bernoulli beta=1"
    assert gaussian.lines[0].setting == "likelihood=gaussian beta=2"
    assert bce.best is None
    assert list(found)[-1] == NO_DENSITY


def test_selection_is_on_the_validation_split_where_every_job_has_one(said, grid):
    def seeds(test, validation, units):
        numbers = {"nll": validation, "elbo": -25.0, "rate": 4.0, "active_units": units}
        return [{"nll": test, "active_units": 8, "validation": numbers}] * 2

    settings = {"objective.beta=1": seeds(22.0, 24.0, 5), "objective.beta=2": seeds(23.0, 23.5, 0)}
    found = said(grid(settings))
    assert found.split == "validation"
    assert str(found.lines[0]) == "best density: beta=2, NLL 23.50 +- 0.00 (n=2)"
    assert "On test: NLL 23.00 +- 0.00 (n=2)" in found.lines[0].note
    assert lines(found)[LAST] == f"{LAST}: beta=1, 5/16 units active"
    mixed = said(grid({**settings, "objective.beta=3": [{"nll": 25.0}]}, "mixed"))
    assert mixed.split == "test"
    assert mixed.lines[0].setting == "beta=1"


def test_seeds_alone_are_one_setting(said, grid):
    found = said(grid({"": [{"nll": 1.0}, {"nll": 3.0}]}))
    assert str(found.lines[0]) == "best density: the only setting, NLL 2.000 +- 1.414 (n=2)"
