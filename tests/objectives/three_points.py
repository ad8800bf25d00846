"""A mixture of three posteriors whose rate is known in its parts."""

import jax.numpy as jnp

from vaex.objectives.decomposition import Decomposition

# Three equally likely points; by two-dimensional quadrature:
MEANS = jnp.array([[1.0, 0.5], [-1.0, -0.5], [0.2, 1.0]])
VARIANCES = jnp.array([[0.2, 0.4], [0.3, 0.25], [0.5, 0.1]])
EXACT = Decomposition(0.799898086582, 0.195208592645, 0.238514667991)
