"""Tests of the way from what is stored to what the model sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex.data import Preparation

KEY = jax.random.key(0)


@pytest.mark.parametrize(("levels", "divisor"), [(17, 16.0), (256, 255.0)])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_levels_become_fractions_and_the_ends_are_exact(levels: int, divisor: float, wrap) -> None:
    stored = jnp.arange(levels, dtype=jnp.uint8)
    x = np.asarray(wrap(Preparation(divisor=divisor))(stored))
    assert x.dtype == np.float32
    # The compiler may multiply by 1 / divisor: two roundings of float32, 1.2e-7 relative.
    np.testing.assert_allclose(x, np.arange(levels) / divisor, rtol=1.3e-7, atol=0)
    assert x[0] == 0  # exact, or likelihoods on [0, 1] and {0, 1} would refuse or misjudge the ends
    assert x[-1] == 1


def test_numpy_on_the_host_and_jax_on_the_device_agree() -> None:
    preparation = Preparation(np.float32([0.3, -1]), np.float32([2, 0.5]), divisor=16.0)
    stored = np.arange(12, dtype=np.uint8).reshape(6, 2)
    on_host = preparation(stored)
    assert isinstance(on_host, np.ndarray)
    assert on_host.dtype == np.float32
    # The same float32 operations, in the same order, on both sides.
    np.testing.assert_array_equal(np.asarray(preparation(jnp.asarray(stored))), on_host)


def test_inverse_undoes_forward() -> None:
    preparation = Preparation(np.float32([0.3, -7]), np.float32([2, 0.05]))
    given = np.float32([[0.1, -3], [5, 2]])
    np.testing.assert_allclose(preparation.inverse(preparation.forward(given)), given, rtol=1e-6)  # float32 rounding


@pytest.mark.parametrize(
    ("event_shape", "scale"),
    [((3,), [2.0, 0.5, 7.0]), ((2, 3, 2), [4.0, 0.3]), ((5,), 3.0), ((2, 2, 1), 1.0)],
)
def test_log_jacobian_is_that_of_forward(event_shape: tuple[int, ...], scale: object) -> None:
    preparation = Preparation(np.float32(0.7), np.asarray(scale, np.float32))
    size = int(np.prod(event_shape))
    jacobian = jax.jacfwd(lambda given: preparation.forward(given.reshape(event_shape)).ravel())(jnp.ones(size))
    expected = np.linalg.slogdet(np.asarray(jacobian, np.float64)).logabsdet
    # 1 / scale is rounded to float32 in the derivative: 1e-7 for each of at most 12 values.
    assert preparation.log_jacobian(event_shape) == pytest.approx(expected, abs=2e-6)


def test_dynamic_draws_have_the_grey_values_as_their_means() -> None:
    preparation = Preparation(divisor=16.0, dynamic=True, binary=True)
    stored = jnp.arange(17, dtype=jnp.uint8)
    draws = jax.vmap(lambda key: preparation(stored, key))(jax.random.split(KEY, 4000))
    assert set(np.unique(draws)) == {0.0, 1.0}
    # Standard error at most sqrt(1/4 / 4000) = 0.008; five of them.
    np.testing.assert_allclose(draws.mean(0), np.arange(17) / 16, atol=0.04)


def test_dynamic_binarization_of_binary_data_is_the_identity() -> None:
    preparation = Preparation(divisor=255.0, dynamic=True, binary=True)
    stored = jax.random.bernoulli(KEY, 0.5, (100, 784)).astype(jnp.uint8) * jnp.uint8(255)
    np.testing.assert_array_equal(preparation(stored, KEY), stored // 255)


def test_the_key_sets_the_draw_and_jit_changes_nothing() -> None:
    preparation = Preparation(divisor=16.0, dynamic=True, binary=True)
    stored = jnp.arange(17, dtype=jnp.uint8).repeat(20)
    once, again = preparation(stored, KEY), jax.jit(type(preparation).__call__)(preparation, stored, KEY)
    np.testing.assert_array_equal(once, again)
    assert (once != preparation(stored, jax.random.key(1))).any()


def test_without_a_key_or_without_dynamic_nothing_is_drawn() -> None:
    stored = jnp.arange(17, dtype=jnp.uint8)
    grey = np.arange(17, dtype=np.float32) / 16  # exact: sixteenths
    np.testing.assert_array_equal(Preparation(divisor=16.0, dynamic=True)(stored), grey)
    np.testing.assert_array_equal(Preparation(divisor=16.0)(stored, KEY), grey)


def test_shift_and_scale_may_move_without_a_new_trace_and_the_rest_may_not() -> None:
    traces = []

    @jax.jit
    def prepare(preparation: Preparation, stored: jax.Array) -> jax.Array:
        traces.append(preparation)
        return preparation(stored)

    stored = jnp.ones(3, jnp.uint8)
    for shift, scale in [(0, 1), (2, 4)]:
        x = prepare(Preparation(np.float32(shift), np.float32(scale), divisor=2.0), stored)
        np.testing.assert_array_equal(x, np.full(3, (0.5 - shift) / scale))  # halves and quarters: exact
    assert len(traces) == 1
    prepare(Preparation(np.float32(0), np.float32(1), divisor=4.0), stored)
    assert len(traces) == 2
