"""Optimizers against their formulas, step by step in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vaex._check import VaexError
from vaex.likelihoods import SharedGaussian
from vaex.models import VAE, decoders, encoders
from vaex.optimizers import Adam, AdamW, UncorrectedAdam
from vaex.optimizers.kernels import kernels
from vaex.typing import Stats


def trained(optimizer, grads, start):
    params = {"w": jnp.float32(start)}
    state = optimizer.init(params)
    for step, grad in enumerate(grads):
        params, state = optimizer.update({"w": jnp.float32(grad)}, state, params, step, len(grads))
    return np.asarray(params["w"])


GRADS = np.random.default_rng(0).normal(0.0, 0.3, (30, 4))
START = np.arange(4.0)


def test_uncorrected_adam_is_the_published_codes_update():
    # Gradients summed over 20 examples, eps 1e-4 and a second moment that starts at 1: theirs. Averaged: ours.
    b1, b2, rate, batch = 0.99, 0.999, 1e-3, 20
    m, v, w = np.zeros(4), np.ones(4), START.copy()
    for grad in GRADS:
        g = batch * grad
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w -= rate * m / (np.sqrt(v) + 1e-4)
    found = trained(UncorrectedAdam(learning_rate=rate), GRADS, START)
    np.testing.assert_allclose(found, w, rtol=1e-6)  # float32
    assert np.abs(found - trained(Adam(learning_rate=rate, b1=b1, b2=b2), GRADS, START)).max() > 1e-3


def test_uncorrected_adam_never_compiles_again_for_other_numbers():
    traces = []

    @jax.jit
    def update(optimizer, grads, state, params):
        traces.append(None)
        return optimizer.update(grads, state, params, 0, 10)

    params = {"w": jnp.ones(3)}
    for second_moment in (np.float32(0.0025), np.float32(1.0)):
        optimizer = UncorrectedAdam(second_moment=second_moment)
        update(optimizer, params, optimizer.init(params), params)
    assert len(traces) == 1


NETS = {"Dense_0": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}}
STACKED = {"kernel": np.ones((4, 2, 3)), "bias": np.ones((4, 3)), "scale": np.ones((4, 3)), "w": np.ones((2, 2))}
PARAMS = {
    "encoder": {**NETS, "Stack_0": STACKED, "LayerNorm_0": {"scale": np.ones(3), "bias": np.ones(3)}},
    "decoder": {"Conv_0": {"kernel": np.ones((3, 3, 1, 2)), "bias": np.ones((8, 8, 1))}, "log_scale": np.ones((8, 8))},
    "prior": {"means": np.ones((5, 2)), "pseudo_inputs": np.ones((5, 8, 8, 1)), "flow": NETS},
    "posterior": {"MADE_0": NETS},
    "levels": [{"encoder": NETS, "prior": {"means": np.ones((5, 2))}}],
    "likelihood": {"log_scale": np.float32(1.0), "dispersion": np.ones((8, 8))},
}
DECAYED = {
    *("encoder.Dense_0.kernel", "encoder.Stack_0.kernel", "encoder.Stack_0.w", "decoder.Conv_0.kernel"),
    *("prior.flow.Dense_0.kernel", "posterior.MADE_0.Dense_0.kernel", "levels.0.encoder.Dense_0.kernel"),
}


def decayed(optimizer, params):
    """The paths of what one step without a gradient moves, and by which factor."""
    params = jax.tree.map(jnp.float32, params)
    after, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params, 0, 1)
    both = zip(jax.tree.leaves_with_path(after), jax.tree.leaves(params), strict=True)
    factors = {jax.tree_util.keystr(path, simple=True, separator="."): np.unique(a / p) for (path, a), p in both}
    return {path: factor for path, factor in factors.items() if not np.all(factor == 1.0)}


def test_decay_is_of_the_kernels_of_networks_only():
    moved = decayed(AdamW(learning_rate=0.1, weight_decay=0.5), PARAMS)
    assert moved.keys() == DECAYED
    for factor in moved.values():
        assert factor == pytest.approx(1 - 0.1 * 0.5)  # lambda times the learning rate
    everything = decayed(AdamW(learning_rate=0.1, weight_decay=0.5, decay="all"), PARAMS)
    assert len(everything) == len(jax.tree.leaves(PARAMS))


@pytest.mark.parametrize(
    ("encoder", "decoder"), [(encoders.MLP((4,)), decoders.MLP((4,))), (encoders.Conv(), decoders.Conv())]
)
def test_decay_finds_the_kernels_of_our_networks(encoder, decoder):
    model = VAE(encoder, decoder, SharedGaussian(), 2, (8, 8, 1))
    stats = Stats(jnp.full((8, 8, 1), 0.5), jnp.ones((8, 8, 1)))
    flags = jax.tree.leaves_with_path(kernels(jax.eval_shape(lambda: model.init(jax.random.key(0), stats))))
    for path, flag in flags:
        assert flag == (jax.tree_util.keystr(path).endswith("['kernel']")), path
    assert sum(flag for _, flag in flags) >= 4


@pytest.mark.parametrize("decay", ["kernels", "all"])
def test_adamw_is_that_of_optax(decay):
    params = {"encoder": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(4)}, "likelihood": {"scale": jnp.ones((2, 2))}}
    mask = {"encoder": {"kernel": True, "bias": False}, "likelihood": {"scale": False}} if decay == "kernels" else None
    theirs = optax.adamw(0.01, weight_decay=0.3, mask=mask)
    ours = AdamW(learning_rate=0.01, weight_decay=0.3, decay=decay)
    plain = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(0.3))  # what every version decayed before
    p, q, r = params, params, params
    state, of_optax, of_plain = ours.init(p), theirs.init(q), plain.init(r)
    for step, grad in enumerate(GRADS[:10]):
        like = jax.tree.map(lambda a, grad=grad: jnp.reshape(jnp.float32(grad), a.shape), params)
        p, state = ours.update(like, state, p, step, 10)
        updates, of_optax = theirs.update(like, of_optax, q)
        q = optax.apply_updates(q, updates)
        directions, of_plain = plain.update(like, of_plain, r)
        r = jax.tree.map(lambda a, d: a - 0.01 * d, r, directions)
    for a, b in zip(jax.tree.leaves(p), jax.tree.leaves(q), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)  # float32: the rate is multiplied in another order
    if decay == "all":
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(p), jax.tree.leaves(r), strict=True))
        assert jax.tree.structure(state) == jax.tree.structure((optax.EmptyState(), of_plain))


def test_a_decay_of_something_else_is_refused():
    with pytest.raises(VaexError, match=r"optimizer\.decay: expected one of kernels, all; got 'kernel'; did you mean"):
        AdamW(decay="kernel")


def test_a_second_moment_below_zero_is_refused():
    with pytest.raises(VaexError, match=r"optimizer\.second_moment"):
        UncorrectedAdam(second_moment=-1.0)
