"""Densities of single values over whole grids, for comparison with an oracle."""

import jax
import jax.numpy as jnp
import numpy as np


def over(likelihood, params, raws, xs, dtype=jnp.float32):
    """log p of every (raw, x) pair as an event of one value: values [N], and gradients by raw and by the parameters."""
    params = jax.tree.map(lambda p: jnp.asarray(p, dtype), params)

    def one(params, raw, x):
        return likelihood.log_prob(params, raw[None], x[None])

    both = jax.jit(jax.vmap(jax.value_and_grad(one, argnums=(0, 1)), in_axes=(None, 0, 0)))
    values, grads = both(params, jnp.asarray(raws, dtype), jnp.asarray(xs, dtype))
    return np.asarray(values, np.float64), jax.tree.leaves(jax.tree.map(np.asarray, grads))


def close(found, exact, absolute, relative):
    """Asserts |found - exact| <= absolute + relative |exact|, of an oracle that is finite, and says where not."""
    exact = np.asarray(exact)
    # Beside an infinite one every finite number would pass: inf > inf is false.
    assert np.all(np.isfinite(exact)), f"the oracle is not finite at {np.flatnonzero(~np.isfinite(exact))[:5]}"
    bad = ~(np.abs(found - exact) <= absolute + relative * np.abs(exact))  # also where `found` is no number
    assert not bad.any(), list(zip(np.flatnonzero(bad)[:5], found[bad][:5], exact[bad][:5], strict=True))


def in_both(likelihood, params, raws, xs, oracle, x64_context):
    """Holds the density to 1e-6 in float64, and to 1e-5 + 1e-4 |log p| in float32 at the inputs as rounded there.

    `oracle(params, raws, xs)` is in float64. Gradients must be finite over the whole grid.
    """
    raws, xs = np.asarray(raws, np.float64), np.asarray(xs, np.float64)
    with x64_context(True):
        found, _ = over(likelihood, params, raws, xs, jnp.float64)
    close(found, oracle(params, raws, xs), 1e-6, 1e-6)
    rounded = np.float32(raws), np.float32(xs)
    found, grads = over(likelihood, params, *rounded)
    single = jax.tree.map(lambda p: np.float64(np.float32(p)), params)
    close(found, oracle(single, *map(np.float64, rounded)), 1e-5, 1e-4)
    for grad in grads:
        assert np.all(np.isfinite(grad))


def product(*axes):
    """Every combination, [N, len(axes)]."""
    return np.stack([a.ravel() for a in np.meshgrid(*map(np.asarray, axes), indexing="ij")], axis=-1)
