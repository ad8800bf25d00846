"""Schedules: their ends, their lengths, and what they refuse."""

import jax
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.part import canonical
from vaex.schedules import Constant, Cosine, Cyclical, Linear, Sigmoid, Stages

RAMPS = [Linear, Cosine, Sigmoid, Cyclical]


@pytest.mark.parametrize("ramp", RAMPS)
def test_a_ramp_rises_from_0_to_1_and_stays(ramp):
    schedule = ramp(steps=50)
    assert float(schedule.rising(0, 200)) == pytest.approx(0.0, abs=1e-7)
    for step in (50, 51, 200):
        assert float(schedule.rising(step, 200)) == pytest.approx(1.0, abs=1e-6)
    values = np.array([float(schedule.rising(step, 200)) for step in range(51)])
    assert np.all((values >= -1e-6) & (values <= 1 + 1e-6))
    if ramp is not Cyclical:
        assert np.all(np.diff(values) > 0)


@pytest.mark.parametrize("ramp", RAMPS)
def test_a_learning_rate_falls_by_the_same_shape(ramp):
    for step in (0, 13, 77, 200):
        both = ramp().rising(step, 200) + ramp().falling(step, 200)
        assert float(both) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("ramp", RAMPS)
def test_fraction_and_steps_say_the_same_length(ramp):
    for step in (0, 10, 33, 50, 150):
        a, b = ramp(fraction=0.25).rising(step, 200), ramp(steps=50).rising(step, 200)
        assert float(a) == pytest.approx(float(b), abs=1e-6)


def test_shapes_at_known_points():
    assert float(Linear().rising(30, 100)) == pytest.approx(0.3)
    assert float(Cosine().rising(25, 100)) == pytest.approx(0.5 * (1 - np.cos(np.pi / 4)), abs=1e-6)
    assert float(Sigmoid().rising(50, 100)) == pytest.approx(0.5, abs=1e-6)
    # Four cycles of 25 steps, each rising over its first half.
    found = [float(Cyclical().rising(step, 100)) for step in (0, 5, 12.5, 20, 24.9, 25, 30, 99)]
    assert found == pytest.approx([0, 0.4, 1, 1, 1, 0, 0.4, 1], abs=1e-5)


def test_constant_leaves_a_weight_and_a_rate_alone():
    assert float(Constant().rising(3, 10)) == float(Constant().falling(3, 10)) == 1.0


@pytest.mark.parametrize("ramp", RAMPS)
def test_lengths_are_traced_and_never_compile_again(ramp):
    traces = []

    @jax.jit
    def value(schedule, step):
        traces.append(None)
        return schedule.rising(step, 1000)

    for fraction in (0.1, 0.5, 1):
        value(canonical(ramp(fraction=fraction)), np.int32(7))
    assert len(traces) == 1


def test_too_long_names_the_lines_to_type():
    with pytest.raises(
        VaexError,
        match=r"objective\.beta_schedule\.steps=500 is longer than training \(200 steps\).*trainer\.num_steps=500",
    ):
        Linear(steps=500).check("objective.beta_schedule", 200)
    Linear(steps=200).check("objective.beta_schedule", 200)


@pytest.mark.parametrize(
    "settings", [{"fraction": 0.0}, {"fraction": 1.5}, {"steps": 0.5}, {"fraction": 0.5, "steps": 10}, {"steps": "ten"}]
)
def test_a_length_that_means_nothing_or_two_things_is_refused(settings):
    with pytest.raises(VaexError):
        Linear(**settings)


def test_the_stages_of_the_published_recipe():
    # Burda et al.: stage i of 8 takes 3^(i-1) epochs at 1e-3 round(10^(1 - (i-1)/7), 1) / 10
    stages, epochs = Stages(), [3**i for i in range(8)]
    assert stages.factors == pytest.approx([round(10 ** (1 - i / 7), 1) / 10 for i in range(8)])
    assert sum(epochs) == 3280
    begins = np.cumsum([0, *epochs[:-1]])
    for per_epoch in (1, 3000):
        num = 3280 * per_epoch
        for begin, length, factor in zip(begins, epochs, stages.factors, strict=True):
            first, last = begin * per_epoch, (begin + length) * per_epoch - 1
            assert float(stages.falling(first, num)) == pytest.approx(factor)
            assert float(stages.falling(last, num)) == pytest.approx(factor)
            assert float(stages.rising(first, num)) == pytest.approx(1 - factor, abs=1e-6)
    assert float(stages.falling(num + 5, num)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "settings",
    [
        {"factors": (1.0, 0.5)},
        {"factors": (1.0, 1.5), "lengths": (1, 1)},
        {"factors": (1.0, 0.5), "lengths": (1, 0)},
        {"factors": 1.0, "lengths": 1},
        {"factors": (), "lengths": ()},
    ],
)
def test_stages_that_mean_nothing_are_refused(settings):
    with pytest.raises(VaexError, match="stages"):
        Stages(**settings)


def test_more_stages_than_steps_are_refused():
    with pytest.raises(VaexError, match=r"8 stages do not fit into 5 steps"):
        Stages().check("optimizer.learning_rate_schedule", 5)
