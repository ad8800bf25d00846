"""The parts of the rate over a whole split, against quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.three_points import EXACT, MEANS, VARIANCES
from vaex.distributions import Normal
from vaex.metrics import decomposition_of, summarise_decomposition
from vaex.objectives.decomposition import Decomposition

PRIOR = Normal(jnp.zeros(2), jnp.zeros(2))
MANY = Normal(jnp.tile(MEANS, (800, 1)), jnp.tile(0.5 * jnp.log(VARIANCES), (800, 1)))  # the same mixture of three


@pytest.mark.parametrize("block", [7, 200])
def test_each_part_is_its_quadrature_whatever_the_block(block):
    keys = jax.random.split(jax.random.key(3), 2400)
    found = summarise_decomposition(decomposition_of(MANY, PRIOR, keys, 2400, block), 2400)
    for name, exact in EXACT._asdict().items():
        assert abs(found[name] - exact) < 4 * found[f"{name}_se"]
    assert "one draw of each of 2400 examples" in found["decomposition"]


def test_padding_is_no_component():
    keys = jax.random.split(jax.random.key(4), 3)
    base = decomposition_of(Normal(MEANS, 0.5 * jnp.log(VARIANCES)), PRIOR, keys, 3)
    padded = Normal(jnp.concatenate([MEANS, MEANS + 5]), jnp.tile(0.5 * jnp.log(VARIANCES), (2, 1)))
    for a, b in zip(base, decomposition_of(padded, PRIOR, keys, 3), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_without_a_decomposition_the_numbers_are_null():
    found = summarise_decomposition(None, 10)
    assert set(found.values()) == {None}
    assert set(Decomposition._fields) < found.keys()
