"""Schedules: their ends, their lengths, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.part import canonical
from vaex.schedules import Constant, Cosine, Cyclical, Linear, Sigmoid, Stages, Warmup

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


EVERY = [
    *(Constant(), Linear(), Linear(fraction=0.3), Cosine(), Sigmoid(), Sigmoid(sharpness=1e-3), Stages(), Warmup()),
    *(Cyclical(), Cyclical(rise=1.0), Cyclical(cycles=7, rise=0.1), Cyclical(cycles=2.5), Warmup(steps=1)),
    *(Stages(factors=(1.0, 0.5, 0.0), lengths=(1, 2, 1)), Stages(factors=(0.9, 0.1, 0.9, 0.1), lengths=(1, 1, 1, 1))),
]
RATES = [Warmup(steps=20, then="linear"), Warmup(fraction=0.5, then="cosine")]
# asked to be 0 before training ends
ENDS_EARLY = (Linear(fraction=0.3), Stages(factors=(1.0, 0.5, 0.0), lengths=(1, 2, 1)))


@pytest.mark.parametrize("num_steps", [40, 997])
@pytest.mark.parametrize("schedule", [*EVERY, *RATES], ids=str)
def test_every_schedule_is_of_use_to_both(schedule, num_steps):
    """In [0, 1]; a weight ends at its value, and a learning rate is not 0 for a stretch before the end."""
    steps = jnp.arange(num_steps + 1)
    rising, falling = jax.vmap(lambda i: (schedule.rising(i, num_steps), schedule.falling(i, num_steps)))(steps)
    assert np.all((rising >= 0) & (rising <= 1 + 1e-6) & (falling >= 0) & (falling <= 1 + 1e-6))
    if schedule not in RATES:
        schedule.check("objective.beta_schedule", num_steps)
        assert float(rising[-1]) == pytest.approx(1.0, abs=1e-6)
    schedule.check_rate("optimizer.learning_rate_schedule", num_steps)
    if schedule not in ENDS_EARLY:
        zeros = np.flatnonzero(np.asarray(falling[1:num_steps]) < 1e-6)
        assert not np.any(np.diff(zeros) == 1)  # never two steps in a row


def test_a_cyclical_rate_falls_and_starts_again():
    for rise, known in ((1.0, [1, 0.8, 0.2, 1, 0.8]), (0.5, [1, 1, 0.4, 1, 1])):
        found = [float(Cyclical(rise=rise).falling(step, 100)) for step in (0, 5, 20, 25, 30)]
        assert found == pytest.approx(known, abs=1e-5)


def test_a_rate_warms_up_and_then_stays_or_falls():
    known = {
        "constant": [0, 0.5, 1, 1, 1, 1],
        "linear": [0, 0.5, 1, 0.75, 0.5, 0],
        "cosine": [0, 0.5, 1, (1 + np.sqrt(0.5)) / 2, 0.5, 0],
    }
    for then, values in known.items():
        for schedule in (Warmup(fraction=0.2, then=then), Warmup(steps=20, then=then)):
            found = [float(canonical(schedule).falling(step, 100)) for step in (0, 10, 20, 40, 60, 100)]
            assert found == pytest.approx(values, abs=1e-6)
    assert [float(Warmup().rising(step, 100)) for step in (0, 5, 10, 99)] == pytest.approx([0, 0.5, 1, 1])


@pytest.mark.parametrize(
    ("schedule", "of", "message"),
    [
        (Warmup(then="cosine"), "weight", r"x\.then=cosine: only a learning rate falls.*use x\.then=constant"),
        (Warmup(steps=100, then="linear"), "rate", r"nothing is left to fall in; use x\.fraction=0\.1"),
        (Warmup(steps=101), "rate", r"x\.steps=101 is longer than training \(100 steps\)"),
        (Stages(factors=(1.0,), lengths=(1,)), "weight", r"x\.factors: .*for example x\.factors=\[1,0\.5,0\]"),
        (Stages(factors=(0.1, 0.5), lengths=(1, 1)), "weight", r"must be the smallest"),
        (Cyclical(cycles=60), "weight", r"cycles of at least two steps.*use x\.cycles=50"),
        (Cyclical(steps=6), "rate", r"x\.cycles=4: .*use x\.cycles=3"),
    ],
)
def test_what_does_not_fit_its_use_is_refused(schedule, of, message):
    with pytest.raises(VaexError, match=message):
        (schedule.check if of == "weight" else schedule.check_rate)("x", 100)


@pytest.mark.parametrize("ramp", [Linear, Cosine, Sigmoid])
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
            assert float(stages.rising(first, num)) == pytest.approx((1 - factor) / 0.9, abs=1e-6)
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
