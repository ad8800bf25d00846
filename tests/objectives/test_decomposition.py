"""I, TC and the dimension-wise KL, each against quadrature: their sum telescopes whatever the estimator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.conjugate import mean_and_4se
from tests.objectives.three_points import EXACT, MEANS, VARIANCES
from vaex.distributions import Normal, kl_divergence
from vaex.objectives import Context, Draws, Level
from vaex.objectives.decomposition import constants, decompose, mixture_weights
from vaex.objectives.penalties.total_correlation import batch_decomposition

THREE = Normal(MEANS, 0.5 * jnp.log(VARIANCES))


def parts_of(q, prior, log_w, key, num_draws):
    """The parts of `num_draws` draws of every posterior, [num_draws, B]."""

    def one(key):
        z, log_qz = jax.vmap(Normal.sample_and_log_prob)(q, jax.random.split(key, len(q.loc)))
        log_q = jax.vmap(q.log_prob_each)(z)
        return decompose(log_q, log_qz, jax.vmap(prior.log_prob)(z), log_w)

    return jax.vmap(one)(jax.random.split(key, num_draws))


def test_with_the_whole_mixture_each_part_is_its_quadrature():
    uniform = jnp.full((3, 3), -jnp.log(3.0))
    prior = Normal(jnp.zeros(2), jnp.zeros(2))
    parts = parts_of(THREE, prior, uniform, jax.random.key(0), 100_000)
    for found, exact in zip(parts, EXACT, strict=True):
        mean, band = mean_and_4se(np.asarray(found).mean(1))
        assert abs(mean - exact) < band
    total, band = mean_and_4se(np.asarray(sum(parts)).mean(1))
    assert abs(total - float(jnp.mean(jnp.sum(kl_divergence(THREE, prior), axis=1)))) < band
    assert EXACT.mutual_information < np.log(3)


@pytest.mark.parametrize(
    ("estimator", "known"),
    # D = 5, posterior variance .2, N = 60,000, batches of 256, of an aggregate that is N(0, I); truth 4.0236, 0, 0
    [
        ("minibatch_weighted", (14.66, 44.34, -54.98)),
        ("stratified", (4.351, -0.301, -0.031)),
        ("uniform", (3.662, 0.328, 0.029)),
    ],
)
def test_the_estimators_have_their_tabulated_bias(estimator, known):
    size, num_train, dims, variance = 256, 60_000, 5, 0.2
    prior = Normal(jnp.zeros(dims), jnp.zeros(dims))
    if estimator == "uniform":
        log_w = jnp.full((size, size), -jnp.log(float(size)))
    else:
        log_w = mixture_weights(estimator, num_train, jnp.ones(size))

    def batch(key):
        of_means, of_draws = jax.random.split(key)
        means = jnp.sqrt(1 - variance) * jax.random.normal(of_means, (size, dims))
        q = Normal(means, jnp.full((size, dims), 0.5 * jnp.log(variance)))
        return jax.tree.map(jnp.mean, parts_of(q, prior, log_w, of_draws, 1))

    parts = jax.lax.map(batch, jax.random.split(jax.random.key(1), 400))
    for found, expected in zip(parts, known, strict=True):
        mean, band = mean_and_4se(found)
        assert abs(mean - expected) < 2 * band + 5e-3  # the table's own run was of this length, and is rounded
    total, band = mean_and_4se(sum(parts))
    truth = 0.5 * dims * (variance + (1 - variance) - 1 - np.log(variance))
    assert abs(total - truth) < band


def test_minibatch_weighting_is_the_uniform_estimate_plus_its_constants():
    z_log_q = jax.random.normal(jax.random.key(2), (6, 6, 3))
    own, prior = jnp.arange(6.0), -jnp.arange(6.0)
    weighted = decompose(z_log_q, own, prior, mixture_weights("minibatch_weighted", 1000, jnp.ones(6)))
    uniform = decompose(z_log_q, own, prior, jnp.full((6, 6), -jnp.log(6.0)))
    for a, b, c in zip(weighted, uniform, constants("minibatch_weighted", 1000, 3), strict=True):
        np.testing.assert_allclose(a - c, b, atol=1e-5)  # float32 sums of order ten
    assert [float(c) for c in constants("stratified", 1000, 3)] == [0.0, 0.0, 0.0]


def test_stratified_weights_are_the_papers_and_leave_padding_out():
    log_w = mixture_weights("stratified", 100, jnp.array([1.0, 1.0, 1.0, 1.0, 0.0]))
    w = np.exp(np.asarray(log_w))[:4]
    np.testing.assert_allclose(w.sum(1), 1.0, rtol=1e-6)
    # N = 100, M = 3: itself 1/N, one other (N - M)/(N M), the rest 1/M
    np.testing.assert_allclose(np.sort(w, axis=1), [[0, 0.01, 97 / 300, 1 / 3, 1 / 3]] * 4, rtol=1e-6)
    np.testing.assert_allclose(np.diag(w), 0.01, rtol=1e-6)


@pytest.mark.parametrize(
    ("num_train", "weights"),
    [
        (100, [1.0]),
        (1, [1.0]),
        (100, [1.0, 0.0, 0.0]),
        (1, [1.0, 0.0, 0.0]),
        (3, [1.0] * 6),
        (3, [1.0] * 4),
        (3, [1.0] * 5 + [0.0]),
        (4, [1.0] * 4),
    ],
)
def test_stratified_weights_sum_to_one_at_any_size(num_train, weights):
    """A single example is all there is, and a batch of more than the data set weighs each of its examples alike."""
    num = int(sum(weights))
    w = np.exp(np.asarray(mixture_weights("stratified", num_train, jnp.array(weights))))
    assert np.isfinite(w).all()
    np.testing.assert_allclose(w.sum(1), 1.0, rtol=1e-6)  # rows of padding too, or 0 times them is NaN
    assert not w[:, num:].any()
    if num == 1 or num > num_train:
        np.testing.assert_allclose(w[:num, :num], 1.0 / num, rtol=1e-6)


def test_stratified_density_is_unbiased_for_the_data_sets_mixture():
    """Over all batches, E q^(z) = q(z): for one z of the first of five points, and every batch of three."""
    import itertools

    density = np.array([0.9, 0.1, 0.5, 2.0, 0.3])  # q(z | x_n) at that z
    w = np.exp(np.asarray(mixture_weights("stratified", 5, jnp.ones(3))))[0]
    batches = [(0, a, b) for a, b in itertools.permutations(range(5), 2) if 0 not in (a, b)]
    # The paper's own example stands first, the others are drawn without it: each other point must weigh 1/N on average.
    found = np.mean([np.dot(w, density[list(b)]) for b in batches])
    others = density[1:].mean()
    assert found == pytest.approx(density[0] / 5 + others * 4 / 5, rel=1e-6)


def test_padding_repetition_and_a_stopped_q_change_no_part():
    q = THREE
    z, log_qz = jax.vmap(Normal.sample_and_log_prob)(q, jax.random.split(jax.random.key(3), 3))
    prior = Normal(jnp.zeros(2), jnp.zeros(2))
    draws = Draws((Level(z[:, None], log_qz[:, None], jnp.zeros((3, 1)), q, None),), jnp.zeros((3, 1)))
    base = batch_decomposition(draws, Context(0, 1, jax.random.key(0), prior, 3, jnp.ones(3)), "stratified")
    padded = jax.tree.map(lambda a: jnp.concatenate([a, a[:2] + 0.7]), draws)
    weights = jnp.array([1.0, 1.0, 1.0, 0.0, 0.0])
    found = batch_decomposition(padded, Context(0, 1, jax.random.key(0), prior, 3, weights), "stratified")
    for a, b in zip(base, found, strict=True):
        assert float(a) == pytest.approx(float(b), abs=1e-6)
    assert all(bool(jnp.isfinite(p)) for p in base)
