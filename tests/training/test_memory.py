"""A process that trains many structures keeps within the memory maps that it may have."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from vaex.training.memory import make_room
from vaex.training.train import train_pack


def maps():
    return len(Path("/proc/self/maps").read_bytes().splitlines())


def test_programs_are_forgotten_only_beyond_the_share():
    function = jax.jit(lambda x: x + 1)
    function(jnp.ones(3))
    assert not make_room(1.0)
    assert function._cache_size() == 1
    if not Path("/proc/self/maps").exists():
        pytest.skip("no memory maps to count here")
    assert make_room(0.0)
    assert function._cache_size() == 0
    assert float(function(jnp.ones(3))[0]) == 2.0


def test_many_structures_do_not_pile_up(monkeypatch, vectors, make_recipe):
    if not Path("/proc/self/maps").exists():
        pytest.skip("no memory maps to count here")
    make_room(0.0)
    monkeypatch.setattr("vaex.training.pack.make_room", lambda: make_room(0.0))  # as if each pack met the limit
    held = []
    for batch_size in (5, 6, 7):
        train_pack([make_recipe(batch_size=batch_size, seed=seed) for seed in (0, 1)], vectors, strategy="loop")
        held.append(maps())
    assert held[-1] < 1.5 * held[0]  # without it, each adds as much again
