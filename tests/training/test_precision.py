"""What matrices are multiplied in: training's own precision, and that of every number that is reported."""

import re
from functools import partial
from threading import Thread

import jax
import numpy as np
import pytest

import vaex
from vaex import loaded
from vaex._check import VaexError
from vaex.likelihoods import Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.part import canonical
from vaex.training import Pack, precision, program_of
from vaex.training.evaluate import estimate_batch
from vaex.training.members import side_by_side
from vaex.training.step import run_steps

NAMES = ("default", "highest", "tf32", "bfloat16")
ASKED = {  # how a product of float32 is written in a program: the precision of each factor, types, type of the sum
    "default": {("DEFAULT", "")},
    "highest": {("HIGHEST", "")},
    "tf32": {("HIGH", "")},
    "bfloat16": {("DEFAULT", "bf16, bf16, f32")},
}


def products(text: str) -> set[tuple[str, str]]:
    kind = r"lhs_precision_type = (\w+), rhs_precision_type = (\w+), accumulation_type = (\w+)"
    found = re.findall(rf"dot_general.*precision = \[(\w+), \w+\](?:, algorithm = <{kind})?", text)
    return {(name, ", ".join(filter(None, types))) for name, *types in found}


@pytest.mark.parametrize(("strategy", "names"), [("loop", NAMES), ("vmap", ("bfloat16",))])
def test_training_asks_for_its_precision_and_numbers_for_theirs(strategy, names, vectors, make_recipe):
    for name in names:
        recipes = [make_recipe(seed=seed, matmul_precision=name) for seed in range(2)]
        pack = Pack(recipes, vectors, side_by_side(2, strategy, jax.devices()[:1]))
        states = pack.init()
        texts = []

        def lower(pack=pack, states=states, texts=texts):
            arguments = pack._step_arguments(states, 0, 0, 3)
            texts.append(pack.members.lower(run_steps, *arguments, **pack._step_settings)[0].as_text())

        lower()
        other = Thread(target=lower)  # JAX's own setting is each thread's
        other.start()
        other.join()
        assert [products(text) for text in texts] == [ASKED[name]] * 2
    about = (pack.recipes, states, pack.preparation, pack.splits["test"], np.arange(4, dtype=np.int32), np.int32(0))
    for name in names:
        text = pack.members.lower(estimate_batch, *about, num_samples=2, products=name)[0].as_text()
        assert products(text) == ASKED[name]
    assert products(pack.members.lower(estimate_batch, *about, num_samples=2)[0].as_text()) == ASKED["highest"]


def test_what_is_shared_knows_the_precision(make_recipe):
    programs = {program_of(make_recipe(matmul_precision=a, evaluation_precision=b)) for a in NAMES for b in NAMES}
    assert len(programs) == 16


def test_networks_of_bfloat16_stay_as_they_are():
    model = VAE(encoders.MLP((8,)), decoders.MLP((8,)), Gaussian(), 2, (6,), precision="bfloat16")
    params = model.init(jax.random.key(0), vaex.typing.Stats(np.zeros(6), np.ones(6)))
    texts = set()
    for name in NAMES:
        with precision.multiplied(name):
            texts.add(jax.jit(partial(VAE.decode, model)).lower(params, np.zeros(2, np.float32)).as_text())
    assert len(texts) == 1


def test_a_precision_that_a_device_refuses_is_refused_first(monkeypatch, vectors, make_recipe):
    precision.check_device("trainer.matmul_precision", "tf32", "default")  # taken by every device
    monkeypatch.setitem(precision.PRECISIONS, "tf32", "TF32_TF32_F32")  # which CPUs refuse
    precision.check_device.cache_clear()
    with pytest.raises(VaexError, match=r"(?s)matmul_precision=tf32: cpu does not.*trainer\.matmul_precision=default"):
        Pack([make_recipe(matmul_precision="tf32")], vectors)
    with pytest.raises(VaexError, match=r"type evaluation\.matmul_precision=highest"):
        Pack([make_recipe(evaluation_precision="tf32")], vectors)
    precision.check_device.cache_clear()


def test_unknown_names_are_refused(make_recipe):
    with pytest.raises(VaexError, match=r"trainer\.matmul_precision: expected one of default, highest, tf32, bfloat16"):
        make_recipe(matmul_precision="float16")


def test_a_loaded_model_reports_at_highest():
    model = VAE(encoders.MLP((8,)), decoders.MLP((8,)), Gaussian(), 2, (6,))
    params = model.init(jax.random.key(0), vaex.typing.Stats(np.zeros(6), np.ones(6)))
    model, x, z = canonical(model), np.zeros((3, 6), np.float32), np.zeros((3, 2), np.float32)
    key = jax.random.key(0)
    programs = (
        loaded._encode.lower(model, params, x),
        loaded._generate.lower(model, params, z),
        loaded._reconstruct.lower(model, params, x),
        loaded._sample.lower(model, params, key, np.arange(3), mean=False),
        loaded._log_prob.lower(model, params, key, np.arange(3), x, num_samples=2, chunk=2),
    )
    assert [products(program.as_text()) for program in programs] == [ASKED["highest"]] * 5
