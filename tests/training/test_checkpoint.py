"""Checkpoints: the last two are kept, and those beyond a step that a run goes on from are forgotten."""

from typing import NamedTuple

import numpy as np

from tests.training.conftest import same
from vaex.objectives import GECO
from vaex.part import canonical
from vaex.training import checkpoint
from vaex.training.loop import Hooks, fit
from vaex.training.pack import Pack


class State(NamedTuple):
    step: np.ndarray
    params: dict


def state(step):
    return State(np.int32(step), {"w": np.arange(3.0) + step})


def test_the_last_two_are_kept(tmp_path):
    for step in (5, 10, 15):
        checkpoint.save(tmp_path, step, state(step), {})
    assert checkpoint.steps(tmp_path) == [10, 15]
    assert len(list(tmp_path.iterdir())) == 4
    assert checkpoint.latest(tmp_path).arrays[".params['w']"].tolist() == [15, 16, 17]
    assert checkpoint.latest(tmp_path, 14).at == 10
    assert checkpoint.latest(tmp_path, 9) is None


def test_what_lies_beyond_a_restart_does_not_displace_what_follows(tmp_path):
    for step in (500, 730, 1000):
        checkpoint.save(tmp_path, step, state(step), {})
    checkpoint.forget_after(tmp_path, 0)
    assert not list(tmp_path.iterdir())
    checkpoint.save(tmp_path, 500, state(500), {})
    checkpoint.save(tmp_path, 730, state(730), {})
    checkpoint.forget_after(tmp_path, 500)
    assert checkpoint.steps(tmp_path) == [500]


def test_a_frozen_state_has_a_step_of_its_own(tmp_path):
    checkpoint.save(tmp_path, 1000, state(137), {})
    found = checkpoint.latest(tmp_path)
    assert (found.at, found.step) == (1000, 137)


def test_a_controllers_state_goes_on_from_disk_bit_for_bit(tmp_path, vectors, make_recipe):
    recipe = canonical(make_recipe(GECO(target=5.0)))
    whole = fit(Pack([recipe], vectors), checkpoint_every=10).outcomes[0].state
    saved = []
    hooks = Hooks(checkpoint=lambda step, states: saved.append((step, states[0])))
    fit(Pack([recipe], vectors), checkpoint_every=10, hooks=hooks)
    step, half = saved[0]
    assert step == 10
    checkpoint.save(tmp_path, step, half, {})
    fresh = Pack([recipe], vectors)
    like = fresh.gather(fresh.init())[0]
    again = checkpoint.from_arrays(like, checkpoint.latest(tmp_path).arrays, "here")
    assert float(again.objective_state.log_beta) != float(like.objective_state.log_beta)  # it has moved
    rest = fit(fresh, [again], start=10, checkpoint_every=10).outcomes[0].state
    assert same(whole, rest)
