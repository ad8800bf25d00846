"""Training: known optima, compile counts, and what may not change a number."""

import itertools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.conftest import same
from vaex._check import VaexError
from vaex.data import Array, Digits, Preparation, batch_indices
from vaex.likelihoods import Bernoulli, Gaussian, OptimalGaussian, SharedGaussian
from vaex.models import VAE, decoders, encoders
from vaex.numerics import soft_clip
from vaex.objectives import ELBO
from vaex.optimizers import SGD, Adam, AdamW
from vaex.part import canonical, part
from vaex.schedules import Cosine, Linear
from vaex.training import Recipe, init_state, run_steps, train, train_step
from vaex.training.evaluate import Stopped
from vaex.training.loop import Hooks, default_steps_per_call, fit, next_end
from vaex.training.pack import Pack
from vaex.training.streams import stream

KEY = jax.random.key(17)
PPCA = -4.70738008689545  # the best log-likelihood of 2 latents on the known data, nats per point


def linear_elbo(params, x):
    """The ELBO of a linear VAE from its weights, in closed form and float64, and the worst posterior scale."""
    weights = {
        k: [np.asarray(params[k]["Dense_0"][n], np.float64) for n in ("kernel", "bias")] for k in ("encoder", "decoder")
    }
    (a, c), (w, b) = weights["encoder"], weights["decoder"]
    features = x @ a + c
    mu, log_s = np.split(features, 2, axis=1)
    with jax.enable_x64(True):
        log_s = np.asarray(soft_clip(jnp.asarray(log_s)))
        log_scale = float(soft_clip(jnp.asarray(np.float64(params["likelihood"]["log_scale"]))))
    v, s2, d = np.exp(2 * log_s), np.exp(2 * log_scale), x.shape[1]
    sse = np.sum((x - mu @ w - b) ** 2, axis=1) + v @ np.sum(w**2, axis=1)  # E_q ||x - x^||^2
    kl = 0.5 * np.sum(v + mu**2 - 1 - 2 * log_s, axis=1)
    return np.mean(-0.5 * d * np.log(2 * np.pi * s2) - sse / (2 * s2) - kl)


def test_a_linear_vae_reaches_the_ppca_likelihood_and_never_exceeds_it(ppca_x, ppca_file):
    likelihood = SharedGaussian()
    data = Array(path=str(ppca_file)).load(likelihood)
    recipe = Recipe(
        VAE(encoders.Linear(), decoders.Linear(), likelihood, 2, (6,)),
        ELBO(num_samples=16),
        Adam(learning_rate=0.05, learning_rate_schedule=Cosine()),
        num_steps=20_000,
        batch_size=50,
        eval_every=5000,
        log_every=5000,
    )
    result = train(recipe, data)
    found = linear_elbo(result.params, ppca_x)
    assert PPCA - 1e-4 < found <= PPCA + 1e-9
    # Evaluation agrees with the closed form: 500 draws of 50 points, so the standard error is of distortions' spread.
    pack = Pack([recipe], data)
    states = [pack.gather(pack.init())[0]._replace(params=result.params)]
    ((estimate, _),) = pack.estimates(pack.scatter(states), "test", 500)
    assert np.mean(-estimate.rate - estimate.distortion) == pytest.approx(found, abs=4 * np.sqrt(6 / 2 / 25_000))
    assert -np.mean(estimate.nll) == pytest.approx(PPCA, abs=1e-2)  # the posterior is exact: its weights hardly vary


def test_a_new_number_never_traces_again(vectors, make_recipe):
    train(make_recipe(), vectors)
    sizes = run_steps.one.num_compiled, init_state.one.num_compiled
    for other in (
        make_recipe(ELBO(beta=4)),
        make_recipe(seed=3),
        make_recipe(optimizer=Adam(learning_rate=1)),
        make_recipe(likelihood=Gaussian(scale=2)),
    ):
        train(other, vectors)
    assert (run_steps.one.num_compiled, init_state.one.num_compiled) == sizes
    train(make_recipe(batch_size=9), vectors)  # and the counter does count
    assert run_steps.one.num_compiled == sizes[0] + 1


def test_calls_end_at_every_boundary_and_cover_each_step_once():
    ends = [3]
    while ends[-1] < 50:
        ends.append(next_end(ends[-1], 50, 7, (10, 25)))
    assert all(0 < b - a <= 7 for a, b in itertools.pairwise(ends))
    assert ends[-1] == 50
    assert {10, 20, 25, 30, 40, 50} <= set(ends)


def fit_one(recipe, data, states=None, **settings):
    """How a pack of one ends."""
    return fit(Pack([recipe], data), states, **settings).outcomes[0]


@pytest.mark.parametrize("size", [1, 3, 20])
def test_parameters_do_not_depend_on_steps_per_call(vectors, make_recipe, size):
    base = fit_one(make_recipe(), vectors, steps_per_call=7).state
    other = fit_one(make_recipe(), vectors, steps_per_call=size).state
    assert same(base.params, other.params)


def test_stopping_and_continuing_changes_no_bit(vectors, make_recipe):
    recipe = make_recipe(ema_decay=0.9)
    whole = fit_one(recipe, vectors, steps_per_call=4).state
    asked = iter([False, False, True])
    part = fit_one(recipe, vectors, steps_per_call=4, hooks=Hooks(should_stop=lambda: next(asked)))
    assert part.status == "interrupted"
    step = int(part.state.step)
    assert 0 < step < 20
    assert same(whole, fit_one(recipe, vectors, [part.state], start=step, steps_per_call=4).state)
    assert int(part.state.step) == step  # what was handed in is not given away


def test_a_step_goes_down_the_gradient(vectors, make_recipe):
    """Adam's first step is -lr g / (|g| + eps): SGD's step has the same sign everywhere, and the loss falls."""
    x = jnp.asarray(vectors.train[:10])
    moved, losses = [], []
    for optimizer in (Adam(learning_rate=1e-3), SGD(learning_rate=1e-3)):
        recipe = canonical(make_recipe(optimizer=optimizer))
        state = init_state(recipe, vectors.stats)
        after, terms = train_step(recipe, state, KEY, x, 50)
        again = train_step(recipe, after._replace(step=jnp.int32(0)), KEY, x, 50)[1]  # the same noise
        losses.append((float(terms["loss"]), float(again["loss"])))
        both = zip(jax.tree.leaves(after.params), jax.tree.leaves(state.params), strict=True)
        moved.append(np.concatenate([np.ravel(a - b) for a, b in both]))
    assert all(later < first for first, later in losses)
    adam, sgd = moved
    steep = np.abs(sgd) > 1e-5  # gradients above 1e-2
    assert steep.any()
    np.testing.assert_allclose(adam[steep], 1e-3 * np.sign(sgd[steep]), rtol=1e-3)  # differences of float32 near 1


@pytest.mark.parametrize(
    "optimizer", [SGD(learning_rate=0.1), SGD(learning_rate=0.1, clip_norm=1e-3), AdamW(weight_decay=0.5, decay="all")]
)
def test_optimizers_do_what_they_say(vectors, make_recipe, optimizer):
    recipe = canonical(make_recipe(optimizer=optimizer))
    params = init_state(recipe, vectors.stats).params
    grads = jax.tree.map(lambda p: jnp.ones_like(p) * 3.0, params)
    after, _ = recipe.optimizer.update(grads, recipe.optimizer.init(params), params, jnp.int32(0), 20)
    moved = np.concatenate(
        [np.ravel(a - b) for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(params), strict=True)]
    )
    if isinstance(optimizer, AdamW):
        start = np.concatenate([np.ravel(p) for p in jax.tree.leaves(params)])
        np.testing.assert_allclose(moved, -1e-3 * (1 + 0.5 * start), rtol=1e-3, atol=1e-7)
    elif optimizer.clip_norm:
        assert np.linalg.norm(moved) == pytest.approx(
            0.1 * 1e-3, rel=1e-3
        )  # differences of float32 parameters near 1: 6e-8 each
    else:
        np.testing.assert_allclose(moved, -0.3, rtol=1e-5)


def test_the_learning_rate_falls_with_its_schedule(vectors, make_recipe):
    optimizer = canonical(SGD(learning_rate=0.1, learning_rate_schedule=Linear()))
    params = {"w": jnp.zeros(1)}
    for step, rate in ((0, 0.1), (5, 0.05), (10, 0.0)):
        after, _ = optimizer.update({"w": jnp.ones(1)}, optimizer.init(params), params, jnp.int32(step), 10)
        assert float(after["w"][0]) == pytest.approx(-rate, abs=1e-8)


def test_averaged_parameters_follow_their_formula(vectors, make_recipe):
    recipe = canonical(make_recipe(ema_decay=0.75))
    state = init_state(recipe, vectors.stats)
    average = state.params
    for _ in range(3):
        state, _ = train_step(recipe, state, KEY, jnp.asarray(vectors.train[:10]), 50)
        average = jax.tree.map(lambda a, p: 0.75 * a + 0.25 * p, average, state.params)
    for a, b in zip(jax.tree.leaves(average), jax.tree.leaves(state.ema), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert same(state.eval_params, state.ema)


def test_a_step_that_is_not_finite_keeps_the_last_good_state(vectors, make_recipe):
    recipe = make_recipe(optimizer=SGD(learning_rate=1e18), num_steps=50)
    rows = []
    outcome = fit_one(recipe, vectors, steps_per_call=10, hooks=Hooks(row=lambda m, *row: rows.append(row)))
    assert outcome.status == "diverged"
    assert f"step {int(outcome.state.step) + 1};" in outcome.message
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(outcome.state.params))
    assert bool(outcome.state.diverged)
    # The flag is sticky: nothing moves any more.
    frozen, _ = train_step(canonical(recipe), outcome.state, KEY, jnp.asarray(vectors.train[:10]), 50)
    assert same(frozen, outcome.state)
    assert max(step for step, _, _ in rows) == int(outcome.state.step) + 1


def test_rows_come_once_and_at_their_steps(vectors, make_recipe):
    result = train(make_recipe(), vectors)
    assert [(step, split) for step, split, _ in result.history] == [
        *((5, "train"), (10, "train"), (10, "test"), (15, "train"), (20, "train"), (20, "test"))
    ]
    for _, _, values in result.history:
        assert values["loss"] == pytest.approx(values["distortion"] + values["rate"], rel=1e-5)


@pytest.mark.parametrize("batch", [7, 50, 500])
def test_evaluation_uses_each_example_once_whatever_the_batch(vectors, make_recipe, monkeypatch, batch):
    pack = Pack([make_recipe()], vectors)
    (whole,) = pack.terms(pack.init(), "test", 0)
    monkeypatch.setattr("vaex.training.evaluate.BATCH", batch)
    (found,) = pack.terms(pack.init(), "test", 0)
    assert found == pytest.approx(whole, rel=1e-5)  # sums in another order


def test_a_splits_terms_are_the_mean_over_its_examples(vectors, make_recipe):
    recipe = make_recipe()
    pack = Pack([recipe], vectors)
    (found,) = pack.terms(pack.init(), "test", 0)
    params, model = init_state(canonical(recipe), vectors.stats).params, recipe.model
    q = jax.vmap(lambda x: model.posterior_of(params, x))(jnp.asarray(vectors.test))
    loc, log_scale = np.asarray(q.loc, np.float64), np.asarray(q.log_scale, np.float64)
    rates = 0.5 * np.sum(np.exp(2 * log_scale) + loc**2 - 1 - 2 * log_scale, axis=1)
    assert found["rate"] == pytest.approx(rates.mean(), rel=1e-5)


def test_estimates_stop_when_asked(vectors, make_recipe):
    pack = Pack([make_recipe()], vectors)
    with pytest.raises(Stopped):
        pack.estimates(pack.init(), "test", 4, lambda: True)


def test_the_optimal_scale_is_frozen_at_the_training_sets(vectors, make_recipe):
    recipe = canonical(make_recipe(likelihood=OptimalGaussian()))
    pack = Pack([recipe], vectors)
    params, train_split = init_state(recipe, vectors.stats).params, jnp.asarray(vectors.train)
    (frozen,) = pack.gather(pack.at_rest(pack.init()))

    def error(i, x):
        key, _ = jax.random.split(jax.random.fold_in(stream(recipe.seed, "calibration"), i))
        z, _ = recipe.model.posterior_of(params, x).sample_and_log_prob(key)
        return jnp.mean(jnp.square(x - recipe.model.decode(params, z)))

    mse = jnp.mean(jax.vmap(error)(jnp.arange(50), train_split))
    assert float(jnp.exp(2 * frozen.params["likelihood"]["log_scale"])) == pytest.approx(float(mse), rel=1e-5)
    state = fit_one(recipe, vectors).state
    assert same(state, pack.gather(pack.at_rest(pack.scatter([state])))[0])


def test_likelihoods_without_a_statistic_are_left_alone(vectors, make_recipe):
    pack = Pack([make_recipe()], vectors)
    states = pack.init()
    assert pack.at_rest(states) is states


class Spy(Bernoulli):
    """A Bernoulli that shows what it is given."""

    seen: ClassVar[list] = []

    def log_prob(self, params, raw, x):
        jax.debug.callback(lambda x: self.seen.append(np.asarray(x).ravel()), x)
        return Bernoulli.log_prob(self, params, raw, x)


def batches_seen(seed, data_seed):
    """The examples that two steps were trained on, as a sorted list."""
    data = Digits(seed=data_seed).load(Bernoulli())
    model = VAE(encoders.Linear(), decoders.Linear(), SPY(), 2, (8, 8, 1))
    recipe = canonical(Recipe(model, ELBO(), seed=seed, num_steps=2, batch_size=4))
    Spy.seen.clear()
    indices = batch_indices(data_seed, len(data.train), 4, 0, 2)
    state = init_state(recipe, data.stats)
    about = (canonical(data.preparation), np.int32(data_seed), jnp.asarray(data.train), indices)
    jax.block_until_ready(run_steps(recipe, state, *about, np.int32(0), np.int32(2)))
    jax.effects_barrier()
    return sorted(tuple(x.tolist()) for x in Spy.seen)


SPY = part(Spy)


def test_members_of_a_sweep_see_the_same_batches_binarized_alike():
    base = batches_seen(0, 0)
    assert len(base) == 8
    assert {value for x in base for value in x} == {0.0, 1.0}
    assert batches_seen(1, 0) == base
    assert batches_seen(0, 1) != base


@part
class Spread(ELBO):
    """An ELBO that also says how log p(x|z) differs between the examples of a batch."""

    def __call__(self, draws, state, ctx):
        loss, state, terms = ELBO.__call__(self, draws, state, ctx)
        return loss, state, {**terms, "spread": jnp.std(draws.log_px)}


def test_noise_differs_between_examples_steps_and_seeds(vectors, make_recipe):
    x, found = jnp.zeros((10, 6)), set()
    for seed in (0, 1):
        recipe = canonical(make_recipe(Spread(), seed=seed))
        state = init_state(canonical(make_recipe(Spread())), vectors.stats)
        for step in (0, 1):
            about = (recipe, state._replace(step=jnp.int32(step)), stream(recipe.seed, "noise"))
            terms = train_step(*about, x, 50)[1]
            assert float(terms["spread"]) > 1e-3  # identical examples, so one shared key would leave none
            found.add(float(terms["distortion"]))
    assert len(found) == 4


def test_convolutions_run_one_step_a_call_on_a_cpu(make_recipe, vectors, digits):
    model = VAE(encoders.Conv((4,), hidden=4), decoders.MLP((4,)), Bernoulli(), 2, (8, 8, 1))
    expected = 1 if jax.default_backend() == "cpu" else 100
    assert default_steps_per_call(Pack([Recipe(model, ELBO())], digits)) == expected
    assert default_steps_per_call(Pack([make_recipe()], vectors)) == 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_steps": 0}, r"trainer\.num_steps"),
        ({"ema_decay": 1.5}, r"trainer\.ema_decay"),
        ({"objective": ELBO(beta_schedule=Linear(steps=30))}, r"objective\.beta_schedule\.steps=30 is longer"),
        ({"optimizer": Adam(learning_rate_schedule=Cosine(steps=30))}, r"optimizer\.learning_rate_schedule\.steps=30"),
    ],
)
def test_recipes_that_cannot_be_are_refused(make_recipe, settings, message):
    with pytest.raises(VaexError, match=message):
        make_recipe(**settings)


def test_preparation_is_part_of_the_program_only_by_structure():
    a, b = canonical(Preparation(shift=0.0, scale=2.0)), canonical(Preparation(shift=1.0, scale=1.0))
    assert jax.tree.structure(a) == jax.tree.structure(b)
