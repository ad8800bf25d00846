"""No two draws share a key, unless they are meant to be the same draw."""

from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex.data import Preparation
from vaex.likelihoods import Bernoulli
from vaex.metrics import AIS, BDMC, NLL, Information
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO, penalties
from vaex.part import canonical
from vaex.training import Recipe
from vaex.training.evaluate import decompose_split, statistic_sum, terms_sum
from vaex.training.step import init_state, run_steps
from vaex.training.streams import SPLITS, stream
from vaex.typing import Stats

SHORT = {"num_temperatures": 3, "num_chains": 2, "num_leapfrog": 1, "num_pilot": 2}
EXAMPLES = 8
STATS = Stats(jnp.zeros(6), jnp.ones(6))


@pytest.fixture
def consumed(monkeypatch):
    """Returns what a call draws with: each key that a sampler got, as often as it got it."""
    seen: list[tuple[int, ...]] = []

    def note(key):
        for words in np.asarray(key).reshape(-1, 2):
            seen.append(tuple(map(int, words)))

    def noting(sampler):
        def noted(key, *args, **settings):
            jax.debug.callback(note, jax.random.key_data(key))
            return sampler(key, *args, **settings)

        return noted

    for name in ("normal", "uniform", "bernoulli", "bits"):
        monkeypatch.setattr(jax.random, name, noting(getattr(jax.random, name)))

    def call(function, *args):
        seen.clear()
        jax.block_until_ready(jax.jit(function)(*args))
        jax.effects_barrier()
        return Counter(seen)

    return call


@pytest.fixture(scope="module")
def model():
    model = canonical(VAE(encoders.MLP((4,)), decoders.MLP((4,)), Bernoulli(), 2, (6,)))
    return model, model.init(jax.random.key(5), STATS)


def test_metrics_draw_with_keys_of_their_own(consumed, model):
    vae, params = model
    x, index, key = np.zeros((EXAMPLES, 6), np.float32), np.arange(EXAMPLES), stream(0, "evaluation")
    metrics = {"nll": NLL(8), "bdmc": BDMC(**SHORT), "information": Information(), "ais": AIS(**SHORT)}
    found = {}
    for name, metric in metrics.items():
        metric = canonical(metric)
        each = jax.vmap(partial(metric.example, vae, params, key))
        found[name] = consumed(lambda index, x, each=each: each(index, x), index, x)
        assert found[name], name
        assert set(found[name].values()) == {1}, f"{name} draws twice with one key"
    whole = canonical(Information())
    of_examples = jax.vmap(partial(whole.example, vae, params, key))(index, x)
    found["whole"] = consumed(lambda found: whole.whole(vae, params, key, found), of_examples)
    everything = sum(found.values(), Counter())
    assert set(everything.values()) == {1}, "two metrics draw with one key"


def of_run(consumed, vae, seed):
    """What one run draws with in training, evaluation, decomposition and calibration; the data's seed is 0."""
    objective = ELBO(num_samples=2, kl="sampled", penalty=penalties.MMD())
    recipe = canonical(Recipe(vae, objective, seed=seed, num_steps=2, batch_size=4, eval_every=2))
    about = (recipe, init_state(recipe, STATS), canonical(Preparation(dynamic=True)))
    x, index = jnp.full((EXAMPLES, 6), 0.5), jnp.arange(EXAMPLES)
    weights, batches, start = jnp.ones(EXAMPLES), index.reshape(2, 4), np.int32(0)
    test = np.int32(SPLITS.index("test"))
    evaluated = partial(terms_sum.function, num_train=EXAMPLES)
    return {
        "steps": consumed(lambda *of: run_steps.function(*of, start, x, batches, start, np.int32(2)), *about),
        "terms": consumed(lambda *of: evaluated(*of, np.int32(2), x, index, weights, test, np.int32(0)), *about),
        "parts": consumed(lambda *of: decompose_split.function(*of, x, test, 5, 5), *about),
        "calibration": consumed(lambda *of: statistic_sum.function(*of, x, index, weights), *about),
    }


def test_a_run_draws_with_keys_of_its_own(consumed, model):
    """Of two seeds side by side, too: they share the data's binarization, and nothing else."""
    first, second = (of_run(consumed, model[0], seed) for seed in (0, 1))
    shared = first["steps"] & second["steps"]
    assert len(shared) == 2  # a batch a step
    for found in (first, second):
        assert all(found.values())
        assert set(sum(found.values(), Counter()).values()) == {1}
    everything = sum([*first.values(), *second.values()], Counter())
    assert everything - shared == Counter(dict.fromkeys(everything, 1))
