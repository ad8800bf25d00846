"""Optimizers against their formulas, step by step in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.optimizers import Adam, UncorrectedAdam


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


def test_a_second_moment_below_zero_is_refused():
    with pytest.raises(VaexError, match=r"optimizer\.second_moment"):
        UncorrectedAdam(second_moment=-1.0)
