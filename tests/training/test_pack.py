"""Members side by side: the same numbers as alone, one trace, and a failure that stays with its member."""

import jax
import numpy as np
import pytest

from tests.training.conftest import same
from vaex._check import VaexError
from vaex.data import Digits
from vaex.likelihoods import OptimalGaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO
from vaex.optimizers import SGD, Adam
from vaex.part import part
from vaex.training import Recipe
from vaex.training.loop import Hooks, fit
from vaex.training.members import Loop, Vmap, side_by_side
from vaex.training.pack import Pack
from vaex.training.train import train, train_pack

TRACES: list[str] = []


@part
class Counted(ELBO):
    """An ELBO that notes when it is traced."""

    def __call__(self, draws, state, ctx):
        TRACES.append("trace")
        return ELBO.__call__(self, draws, state, ctx)


@pytest.fixture
def recipes(make_recipe):
    """Five recipes that differ in every kind of number."""
    return [
        make_recipe(ELBO(beta=beta), Adam(learning_rate=rate), seed=seed)
        for beta, rate, seed in ((1, 1e-2, 0), (4, 1e-2, 0), (0.25, 1e-2, 1), (1, 1e-3, 2), (2, 3e-2, 3))
    ]


def first_losses(pack, **settings):
    """The losses of every step, by member."""
    rows = {m: [] for m in range(pack.num)}
    hooks = Hooks(row=lambda m, step, split, values: rows[m].append(values["loss"]) if split == "train" else None)
    return fit(pack, hooks=hooks, **settings), np.array([rows[m] for m in range(pack.num)])


def test_a_loop_is_each_run_alone_to_the_bit(vectors, recipes):
    together = train_pack(recipes, vectors, "loop")
    for recipe, member in zip(recipes, together, strict=True):
        alone = train(recipe, vectors)
        assert same(alone.params, member.params)
        assert alone.history == member.history
    devices = jax.devices()
    assert len(devices) > 1  # and members ran on both
    one_device = fit(Pack(recipes, vectors, Loop(5, devices[:1]))).outcomes
    assert all(same(a.state.params, b.params) for a, b in zip(one_device, together, strict=True))
    regrouped = train_pack(recipes[3:], vectors, "loop") + train_pack(recipes[:3], vectors, "loop")
    assert all(same(a.params, b.params) for a, b in zip(regrouped, together[3:] + together[:3], strict=True))


@pytest.mark.parametrize("num_devices", [1, 2])
def test_a_vmap_agrees_to_rounding(vectors, make_recipe, recipes, num_devices):
    recipes = [make_recipe(r.objective, r.optimizer, seed=r.seed, log_every=1) for r in recipes]
    loop = Pack(recipes, vectors, Loop(5, jax.devices()))
    vmap = Pack(recipes, vectors, Vmap(5, jax.devices()[:num_devices]))
    (_, exact), (fitted, found) = first_losses(loop), first_losses(vmap)
    assert found.shape == (5, 20)
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    assert [outcome.status for outcome in fitted.outcomes] == ["completed"] * 5
    # Evaluation too: the same draws of the same examples.
    estimates = zip(loop.estimates(fit(loop).states, "test", 8), vmap.estimates(fitted.states, "test", 8), strict=True)
    for (a, mse_a), (b, mse_b) in estimates:
        np.testing.assert_allclose(b.nll, a.nll, rtol=1e-4)
        np.testing.assert_allclose(mse_b, mse_a, rtol=1e-3)


def test_padding_changes_no_bit(vectors, recipes):
    """A resumed pack that has lost members keeps its size, and so its numbers."""
    whole = fit(Pack(recipes, vectors, Vmap(5, jax.devices()[:1]))).outcomes
    padded = fit(Pack(recipes[:2], vectors, Vmap(2, jax.devices()[:1], size=5))).outcomes
    assert len(padded) == 2
    assert all(same(a.state, b.state) for a, b in zip(padded, whole, strict=False))


@pytest.mark.parametrize("strategy", ["loop", "vmap"])
def test_one_trace_whatever_the_numbers(vectors, make_recipe, strategy):
    def recipes(first):
        return [make_recipe(Counted(beta=first + b), seed=first + b, eval_every=1000) for b in range(4)]

    train_pack(recipes(0), vectors, strategy)
    TRACES.clear()
    train_pack(recipes(4), vectors, strategy)
    assert not TRACES
    pack = Pack(recipes(8), vectors, side_by_side(4, strategy))
    assert pack.compile(100) > 0
    assert not TRACES  # the memory probe's program is the one that trains
    train_pack(recipes(0)[:3], vectors, strategy)
    assert not TRACES  # three are padded to four on two devices
    train_pack(recipes(0)[:2], vectors, strategy)
    # A loop knows no pack size; a stacked program of another one is traced once: a step's shapes, its body, and the
    # terms of an evaluation.
    assert len(TRACES) == (0 if strategy == "loop" else 3)


@pytest.mark.parametrize("strategy", ["loop", "vmap"])
def test_a_diverged_member_stands_still_and_its_neighbours_do_not_notice(vectors, make_recipe, strategy):
    def trained(rates):
        recipes = [make_recipe(optimizer=SGD(learning_rate=rate), seed=i, num_steps=50) for i, rate in enumerate(rates)]
        return train_pack(recipes, vectors, strategy)

    calm, wild = trained((1e-3, 1e-3, 1e-3)), trained((1e-3, 1e18, 1e-3))
    assert [result.status for result in wild] == ["completed", "diverged", "completed"]
    assert "not finite at step" in wild[1].message
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(wild[1].params))
    for place in (0, 2):
        assert same(calm[place].params, wild[place].params)
        assert calm[place].history == wild[place].history
    # Its own rows end with the step that was not finite.
    assert not [row for row in wild[1].history if row[1] == "test"]


def test_a_pack_continues_from_a_common_step_with_a_diverged_member(vectors, make_recipe):
    recipes = [make_recipe(optimizer=SGD(learning_rate=rate), num_steps=40, eval_every=20) for rate in (1e-3, 1e18)]
    saved = {}
    hooks = Hooks(checkpoint=lambda step, states: saved.update({step: states}))
    whole = fit(Pack(recipes, vectors), checkpoint_every=20, hooks=hooks).outcomes
    assert saved[20][1].diverged
    again = fit(Pack(recipes, vectors), saved[20], start=20).outcomes
    assert [outcome.status for outcome in again] == ["completed", "diverged"]
    assert all(same(a.state, b.state) for a, b in zip(again, whole, strict=True))
    assert again[1].message == whole[1].message


def test_recipes_of_two_structures_are_no_pack(vectors, make_recipe):
    with pytest.raises(VaexError, match="recipes of one structure"):
        Pack([make_recipe(), make_recipe(batch_size=9)], vectors)
    with pytest.raises(VaexError, match="expected one of auto, loop, vmap"):
        side_by_side(2, "pmap")


def test_members_are_spread_over_devices_and_padded():
    devices = jax.devices()[:2]
    three = Vmap(3, devices)
    assert (three.size, dict(three.mesh.shape)) == (4, {"member": 2, "data": 1})
    one = Vmap(1, devices)
    assert (one.size, dict(one.mesh.shape)) == (1, {"member": 1, "data": 2})
    indices = np.zeros((5, 8), np.int32)
    assert one.batches(indices).sharding.shard_shape(indices.shape) == (5, 4)
    assert one.batches(indices[:, :7]).sharding.shard_shape((5, 7)) == (5, 7)


def test_calibration_does_not_depend_on_batches_or_the_pack(digits, monkeypatch):
    model = VAE(encoders.Linear(), decoders.Linear(), OptimalGaussian(), 2, (8, 8, 1))
    data = Digits(binarize="dynamic").load(OptimalGaussian())
    recipes = [Recipe(model, ELBO(), seed=seed) for seed in range(3)]

    def scales(members):
        pack = Pack(recipes, data, members)
        return [float(s.params["likelihood"]["log_scale"]) for s in pack.gather(pack.at_rest(pack.init()))]

    exact = scales(Loop(3, jax.devices()))
    assert len({round(scale, 4) for scale in exact}) == 3
    assert scales(Vmap(3, jax.devices()[:1])) == pytest.approx(exact, rel=1e-5)
    monkeypatch.setattr("vaex.training.evaluate.BATCH", 77)
    assert scales(Loop(3, jax.devices())) == pytest.approx(exact, rel=1e-5)
