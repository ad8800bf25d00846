"""A process that trains many structures keeps within the memory maps that it may have."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import jax
import jax.numpy as jnp
import pytest

from vaex.training import Pack
from vaex.training.members import packed, side_by_side
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


def test_nothing_is_forgotten_while_a_thread_compiles(monkeypatch, vectors, make_recipe):
    """A pack that starts waits for the evaluation of one that ended early."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("no memory maps to count here")
    pack, begun, may_end, order = Pack([make_recipe()], vectors), Event(), Event(), []

    def compiled(*args, **settings):
        begun.set()
        assert may_end.wait(30)
        order.append("compiled")

    monkeypatch.setattr(pack.members, "compiled", compiled)
    monkeypatch.setattr(jax, "clear_caches", lambda: order.append("forgotten"))
    pack.compile_evaluation(4)
    assert begun.wait(30)
    other = Thread(target=make_room, args=(0.0,))
    other.start()
    other.join(0.2)
    assert order == []
    may_end.set()
    other.join(30)
    pack._evaluation_ready()
    assert order[-1] == "forgotten"
    assert set(order[:-1]) == {"compiled"}


def test_threads_share_one_stacked_program(monkeypatch):
    side = side_by_side(2, "vmap")
    function = packed(each=("x",))(lambda x: x + 1)
    jit = jax.jit
    monkeypatch.setattr(jax, "jit", lambda *args, **settings: (time.sleep(0.05), jit(*args, **settings))[1])
    with ThreadPoolExecutor(8) as threads:
        programs = list(threads.map(lambda _: function.stacked(side._own), range(8)))
    assert all(program is programs[0] for program in programs)
