"""Parts: what is a leaf, what is static, and when two share a program."""

import dataclasses

import jax
import numpy as np
import pytest

from tests import text_annotations
from vaex._check import VaexError
from vaex.likelihoods import Bernoulli, DiagonalGaussian, Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO
from vaex.optimizers import SGD, Adam
from vaex.part import canonical, from_dict, part, static, to_dict
from vaex.schedules import Cyclical, Linear
from vaex.training import Recipe


def recipe(beta=1.0, seed=0, rate=1e-3, hidden=(8,), schedule=None, **settings):
    model = VAE(encoders.MLP(hidden), decoders.MLP(hidden), Gaussian(), 2, (6,))
    objective = ELBO(beta=beta) if schedule is None else ELBO(beta=beta, beta_schedule=schedule)
    return Recipe(model=model, objective=objective, optimizer=Adam(learning_rate=rate), seed=seed, **settings)


def structure(tree):
    return jax.tree.structure(canonical(tree)), [(np.shape(x), x.dtype) for x in jax.tree.leaves(canonical(tree))]


def test_numbers_are_leaves_and_shapes_are_structure():
    base = structure(recipe())
    for same in (recipe(beta=4), recipe(seed=7), recipe(rate=0.1), recipe(beta=np.float32(1)), recipe(beta=True + 1)):
        assert structure(same) == base
    ramp = structure(recipe(schedule=Linear(fraction=0.5)))
    assert structure(recipe(schedule=Linear(fraction=0.1))) == ramp != base
    for other in (recipe(hidden=(9,)), recipe(num_steps=10), recipe(batch_size=2), recipe(ema_decay=0.9)):
        assert structure(other) != base
    assert structure(recipe(ema_decay=0.9)) == structure(recipe(ema_decay=0.5))


def test_a_recipe_made_twice_is_equal_and_hashes_alike():
    assert recipe() == recipe()
    assert hash(recipe()) == hash(recipe())
    assert hash(jax.tree.structure(recipe())) == hash(jax.tree.structure(recipe()))
    assert recipe() != recipe(beta=2.0)


def test_unflattening_bypasses_checks_that_would_break_under_jit():
    assert jax.jit(lambda r: r.objective.beta * 2)(canonical(recipe(beta=3))) == 6.0
    stacked = jax.tree.map(lambda *a: np.stack(a), canonical(recipe(beta=1)), canonical(recipe(beta=2)))
    assert stacked.objective.beta.tolist() == [1.0, 2.0]


def test_plain_data_and_back():
    for thing in (recipe(schedule=Cyclical(fraction=0.3)), SGD(nesterov=True), Bernoulli(), DiagonalGaussian()):
        assert from_dict(to_dict(thing)) == thing
        assert from_dict(to_dict(canonical(thing))) == canonical(thing)
    assert to_dict(canonical(Gaussian(scale=0.1)))["scale"] == 0.1


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"_target_": "os.system"}, "the run names 'os.system'"),
        ({"_target_": "vaex.nothing.Here"}, "no part of vaex"),
        ({"_target_": "Adam"}, "expected an import path"),
        ({"x": 1}, "expected an import path"),
        ({"_target_": "vaex.likelihoods.mse"}, "import path of a part"),  # a preset, which no part is made of
    ],
)
def test_only_parts_are_built_from_plain_data(description, message):
    with pytest.raises(VaexError, match=message):
        from_dict(description)


def test_a_field_that_was_renamed_is_named():
    with pytest.raises(VaexError, match="no field 'scal'; did you mean 'scale'"):
        from_dict({"_target_": "vaex.likelihoods.gaussian.Gaussian", "scal": 1.0})


@pytest.mark.parametrize("beta", ["4", None, [1.0], float("nan"), float("inf"), True])
def test_what_is_no_number_is_refused(beta):
    with pytest.raises(VaexError, match=r"ELBO\.beta: expected a number"):
        ELBO(beta=beta)


def test_a_field_that_cannot_be_traced_must_say_that_it_is_static():
    with pytest.raises(TypeError, match=r"Wrong\.width: declare it static"):

        @part
        class Wrong:
            width: int = 3

    @part
    class Right:
        width: int = static(default=3)

    assert jax.tree.leaves(Right()) == []


@pytest.mark.parametrize("seed", [-1, 2**31, 2**40, 1.5, "0"])
def test_seeds_that_jax_would_fold_together_are_refused(seed):
    with pytest.raises(VaexError):
        recipe(seed=seed)


def test_annotations_that_are_text_are_resolved():
    """`from __future__ import annotations` turns no guard off, whatever the spelling."""
    fine = canonical(text_annotations.Fine())
    numbers = ("inherited", "weight", "union", "either", "noted", "alias", "quoted")
    assert {getattr(fine, name).dtype.name for name in numbers} == {"float32"}
    assert fine.seed.dtype == np.int32
    assert fine.shared == 3
    assert next(f.name for f in dataclasses.fields(fine)) == "inherited"
    assert "shared" not in {f.name for f in dataclasses.fields(fine)}
    for name in numbers:
        assert structure(text_annotations.Fine(**{name: 1})) == structure(text_annotations.Fine(**{name: 1.0}))
        with pytest.raises(VaexError, match=rf"Fine\.{name}: expected a number, got '4'"):
            text_annotations.Fine(**{name: "4"})
    with pytest.raises(VaexError, match="expected a whole number"):
        text_annotations.Fine(seed=1.5)
    assert structure(text_annotations.Fine(count=3)) != structure(text_annotations.Fine(count=4))
    right, _ = text_annotations.local()
    assert canonical(right()).width.dtype == np.float32


@pytest.mark.parametrize("kind", text_annotations.WRONG)
def test_what_no_tracer_stands_for_is_refused(kind):
    with pytest.raises(TypeError, match=r"Wrong\.\w+: declare it static"):
        text_annotations.WRONG[kind]()


def test_text_that_hides_an_int_is_refused():
    with pytest.raises(TypeError, match=r"Wrong\.width: declare it static"):
        text_annotations.undeclared()
    with pytest.raises(TypeError, match=r"Wrong\.width: cannot resolve the annotation 'Missing'"):
        text_annotations.under_type_checking()
