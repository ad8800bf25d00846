"""Networks and the VAE: shapes, the contract of every network, and exact sums through the whole model."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from vaex._check import VaexError
from vaex.likelihoods import Bernoulli, DiagonalGaussian, Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.models._layers import check_widths
from vaex.objectives import ELBO, exact_rate
from vaex.part import from_dict, to_dict
from vaex.typing import Stats

NETWORKS = [
    (encoders.MLP((16,)), decoders.MLP((16,)), (5,)),
    (encoders.MLP((16, 8, 4), "tanh", "glorot_uniform"), decoders.MLP((4, 8), "silu"), (4, 3, 2)),
    (encoders.MLP(()), decoders.MLP(()), (5,)),
    (encoders.Linear(), decoders.Linear(), (5,)),
    (encoders.Conv((4, 4, 4, 4), hidden=8), decoders.Conv((4, 4, 4, 4), hidden=8), (13, 10, 3)),
]
PRECISIONS = ("float32", "bfloat16")
ALL = pytest.mark.parametrize(("encoder", "decoder", "shape"), NETWORKS)


def stats(shape):
    return Stats(jnp.full(shape, 0.3), jnp.full(shape, 0.2))


@ALL
@pytest.mark.parametrize("likelihood", [Bernoulli(), DiagonalGaussian()], ids=lambda likelihood: likelihood.name)
def test_shapes_for_one_example_and_under_vmap(encoder, decoder, shape, likelihood):
    model = VAE(encoder, decoder, likelihood, 3, shape)
    params = model.init(jax.random.key(0), stats(shape))
    x = jax.random.bernoulli(jax.random.key(1), 0.5, (2, *shape)).astype(jnp.float32)
    one = model.apply(params, jax.random.key(2), x[0], num_samples=4)
    assert one.log_px.shape == (4,)
    level = one.levels[0]
    assert (level.z.shape, level.log_qz.shape, level.log_pz.shape, level.kl.shape) == ((4, 3), (4,), (4,), (1, 3))
    assert model.reconstruct(params, x[0]).shape == shape
    keys = jnp.stack([jax.random.key(2)] * 2)
    both = jax.jit(jax.vmap(lambda k, x: model.apply(params, k, x, num_samples=4)))(keys, x)
    np.testing.assert_allclose(both.log_px[0], one.log_px, rtol=1e-4)  # convolutions sum in another order in a batch
    assert exact_rate(both).shape == (2,)


@ALL
def test_fields_are_names_numbers_and_tuples(encoder, decoder, shape):
    model = VAE(encoder, decoder, Bernoulli(), 3, shape)
    assert from_dict(to_dict(model)) == model
    assert hash(from_dict(to_dict(encoder))) == hash(encoder)


@ALL
def test_the_last_bias_starts_at_the_data_mean(encoder, decoder, shape):
    model = VAE(encoder, decoder, Gaussian(), 3, shape)
    params = jax.tree.map(jnp.zeros_like, model.init(jax.random.key(0), stats(shape)))
    fresh = model.init(jax.random.key(0), stats(shape))
    last = max(fresh["decoder"], key=lambda name: (fresh["decoder"][name]["bias"].size == np.prod(shape), name))
    params["decoder"][last]["bias"] = fresh["decoder"][last]["bias"]
    if "Conv" in type(decoder).__name__:
        last = "ConvTranspose_3"
        params["decoder"][last]["bias"] = fresh["decoder"][last]["bias"]
    np.testing.assert_allclose(model.generate(params, jnp.zeros(3)), 0.3, rtol=1e-5)  # a float32 mean of 130 values


def test_number_of_parameters_is_the_textbook_one():
    count = lambda encoder, decoder, latents, shape: sum(  # noqa: E731
        leaf.size
        for leaf in jax.tree.leaves(
            jax.eval_shape(VAE(encoder, decoder, Bernoulli(), latents, shape).init, jax.random.key(0), stats(shape))
        )
    )
    burda = count(encoders.MLP((200, 200)), decoders.MLP((200, 200)), 50, (28, 28, 1))
    dense = lambda *widths: sum(a * b + b for a, b in itertools.pairwise(widths))  # noqa: E731
    assert burda == dense(784, 200, 200, 100) + dense(50, 200, 200, 784)
    # Locatello et al. 2019: kernels of 4 x 4 and stride 2 with 32, 32, 64, 64 channels, a Dense layer of 256
    conv = 16 * (1 * 32 + 32 * 32 + 32 * 64 + 64 * 64) + 192 + dense(1024, 256, 20)
    deconv = dense(10, 256, 1024) + 16 * (64 * 64 + 64 * 32 + 32 * 32 + 32 * 1) + 64 + 32 + 32 + 1
    assert count(encoders.Conv(), decoders.Conv(), 10, (64, 64, 1)) == conv + deconv


def test_masses_of_every_image_sum_to_one_through_the_whole_model():
    model = VAE(encoders.MLP((4,)), decoders.MLP((4,)), Bernoulli(), 1, (6,))
    params = model.init(jax.random.key(3), stats((6,)))
    every = jnp.asarray(list(itertools.product([0.0, 1.0], repeat=6)))
    z = np.linspace(-8, 8, 2001)  # quadrature over the one latent
    weights = norm.pdf(z) * (z[1] - z[0])
    log_p = jax.vmap(lambda z: jax.vmap(lambda x: Bernoulli().log_prob({}, model.decode(params, z), x))(every))
    total = np.sum(np.exp(np.asarray(log_p(jnp.asarray(z, jnp.float32)[:, None]), np.float64)) * weights[:, None])
    assert total == pytest.approx(1.0, abs=1e-5)  # float32 masses


def test_jit_changes_nothing():
    model = VAE(encoders.MLP((8,)), decoders.MLP((8,)), Bernoulli(), 2, (6,))
    params, x = model.init(jax.random.key(0), stats((6,))), jnp.ones(6)
    plain = model.apply(params, jax.random.key(1), x, 3)
    jitted = jax.jit(model.apply, static_argnums=3)(params, jax.random.key(1), x, 3)
    np.testing.assert_allclose(plain.log_px, jitted.log_px, rtol=1e-6)


def test_bfloat16_networks_keep_float32_densities():
    models = [
        VAE(encoders.MLP((32,)), decoders.MLP((32,)), Bernoulli(), 4, (64,), precision=p)
        for p in ("float32", "bfloat16")
    ]
    params = models[0].init(jax.random.key(0), stats((64,)))
    x = (jnp.arange(64) % 3 == 0).astype(jnp.float32)
    full, half = (m.apply(params, jax.random.key(1), x) for m in models)
    assert half.log_px.dtype == half.levels[0].kl.dtype == jnp.float32
    assert float(half.log_px[0]) == pytest.approx(
        float(full.log_px[0]), rel=0.02
    )  # bfloat16 has 8 bits: 0.4 % a product
    assert float(half.log_px[0]) != float(full.log_px[0])


def test_a_readers_own_networks_fit():
    from flax import linen as nn

    class Mine(nn.Module):
        @nn.compact
        def __call__(self, x, out, bias=None):
            shape = out if isinstance(out, tuple) else (out,)
            return nn.Dense(int(np.prod(shape)))(jnp.tanh(x.reshape(-1))).reshape(shape)

    model = VAE(Mine(), Mine(), Bernoulli(), 2, (2, 3, 1))
    params = model.init(jax.random.key(0), stats((2, 3, 1)))
    assert np.isfinite(model.apply(params, jax.random.key(1), jnp.ones((2, 3, 1))).log_px[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: check_widths("encoder.hidden", None), "expected a list of widths"),
        (lambda: check_widths("encoder.hidden", 128), r"encoder\.hidden=\[128\]"),
        (lambda: encoders.MLP((0,)), r"encoder\.hidden: expected a whole number of at least 1"),
        (lambda: decoders.MLP(activation="rleu"), "did you mean 'relu'"),
        (lambda: VAE(encoders.Linear(), decoders.Linear(), Gaussian(), 0, (3,)), "latent_dim: expected a whole number"),
        (lambda: VAE(encoders.Linear(), decoders.Linear(), Gaussian(), 2, (3,), precision="float16"), "precision"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, message):
    with pytest.raises(VaexError, match=message):
        make()


def test_convolutions_refuse_vectors_with_the_line_to_type():
    model = VAE(encoders.Conv(), decoders.MLP(), Gaussian(), 2, (30,))
    with pytest.raises(VaexError, match="use encoder=mlp for vectors"):
        model.init(jax.random.key(0), stats((30,)))
    model = VAE(encoders.MLP(), decoders.Conv(), Gaussian(), 2, (30,))
    with pytest.raises(VaexError, match="use decoder=mlp for vectors"):
        model.init(jax.random.key(0), stats((30,)))


def test_an_objective_needs_nothing_but_draws():
    model = VAE(encoders.Linear(), decoders.Linear(), Gaussian(), 2, (3,))
    ELBO().check(model, 10)
    assert model.has_exact_kl
