"""What was learned from counts, beside the model that drew them."""

import jax
import numpy as np
import pytest

from vaex.data import Counts
from vaex.likelihoods import NegativeBinomial, Poisson
from vaex.metrics import AIS
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO
from vaex.optimizers import Adam
from vaex.part import canonical
from vaex.schedules import Cosine
from vaex.training import Recipe
from vaex.training.train import train_pack

# Without an encoder, so that the truth, which has none, is scored as the others are.
METRIC = canonical(AIS(num_temperatures=50, num_chains=4, num_pilot=25))


@jax.jit
def nll(model, params, x):
    """-log p(x) of each example, nats."""
    return jax.lax.map(
        lambda pair: METRIC.example(model, params, jax.random.key(0), *pair).nll,
        (np.arange(len(x)), x),
        batch_size=100,
    )


@pytest.mark.parametrize("dispersion", [2.0, None], ids=["negative binomial data", "Poisson data"])
def test_the_truth_explains_counts_best_and_the_wider_family_loses_nothing(dispersion):
    data, found = Counts(dispersion=dispersion), {}
    for likelihood in (NegativeBinomial(library="observed"), Poisson(library="observed")):
        loaded = data.load(likelihood)
        model = VAE(
            encoder=encoders.MLP(hidden=(64,)),
            decoder=decoders.Linear(),
            likelihood=likelihood,
            latent_dim=2,
            event_shape=loaded.event_shape,
        )
        optimizer = Adam(learning_rate=5e-3, learning_rate_schedule=Cosine())
        # On Poisson data the dispersion has far to go, to where it no longer matters.
        recipe = Recipe(model, ELBO(), optimizer, num_steps=10_000 if dispersion is None else 1500, eval_every=10**6)
        (result,) = train_pack([recipe], loaded, devices=jax.devices()[:1])
        model, x = canonical(model), np.asarray(loaded.test[:200])
        found[likelihood.name] = np.asarray(nll(model, result.params, x))
        if likelihood.name == ("poisson" if dispersion is None else "negative_binomial"):
            found["truth"] = np.asarray(nll(model, {**result.params, **data.true_params()}, x))

    def difference(one, other):
        paired = found[one] - found[other]
        return paired.mean(), paired.std() / np.sqrt(len(paired))

    for name in ("negative_binomial", "poisson"):
        mean, se = difference(name, "truth")
        assert mean > -4 * se, name  # of finite data, what was fitted to other examples is no better
        if dispersion is None or name == "negative_binomial":
            assert mean < 1.0, name  # and close: the wrong family is 60 nats away
    mean, se = difference("negative_binomial", "poisson")
    if dispersion is None:
        assert abs(mean) < 4 * se  # the same model, with r large
    else:
        assert mean < -30 - 4 * se
