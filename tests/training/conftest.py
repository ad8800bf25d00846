"""Small data and recipes that train in milliseconds."""

import numpy as np
import pytest

from vaex.data import Array, Digits
from vaex.likelihoods import Bernoulli, Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO
from vaex.optimizers import Adam
from vaex.training import Recipe


@pytest.fixture(scope="session")
def vectors(ppca_file):
    """The 50 known vectors; training and test are the same."""
    return Array(path=str(ppca_file)).load(Gaussian())


@pytest.fixture(scope="session")
def digits():
    """Dynamically binarized digits."""
    return Digits().load(Bernoulli())


@pytest.fixture
def make_recipe():
    """A recipe for the vectors, with any of its settings changed."""

    def make(objective=None, optimizer=None, likelihood=None, **settings):
        model = VAE(encoders.MLP((8,)), decoders.MLP((8,)), likelihood or Gaussian(), 2, (6,))
        settings = {"num_steps": 20, "batch_size": 10, "eval_every": 10, "log_every": 5, **settings}
        return Recipe(model, objective or ELBO(), optimizer or Adam(), **settings)

    return make


def same(a, b):
    """Whether two trees are equal to the bit."""
    import jax

    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
