"""z ~ N(0, 1), x|z ~ N(z, .5), x = 1.5, as a real VAE of one latent: everything about it is known in closed form."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from vaex.likelihoods import Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.numerics import soft_clip
from vaex.objectives import Context

LOG_PX, L_1 = -1.871671087258755, -1.974039886863432  # the second at q = N(.8, .7^2)
Q = (0.8, math.log(0.7))
POSTERIOR = (1.0, 0.5 * math.log(1 / 3))
X = jnp.array([1.5])
MODEL = VAE(encoders.Linear(), decoders.Linear(), Gaussian(scale=math.sqrt(0.5)), 1, (1,))


def params_of(phi, theta=(1.0, 0.0)):
    """Parameters with q(z|x) = N(m, s^2), phi = (m, log s), and E[x|z] = theta_0 z + theta_1."""
    # The posterior bends its log-scale: the bias whose image is log s, by Newton (the derivative is 1 to 1e-3).
    m, log_s = phi
    raw = log_s = jnp.asarray(log_s, jnp.float32)
    for _ in range(4):
        raw = raw - (soft_clip(raw) - log_s)
    encoder = {"Dense_0": {"kernel": jnp.zeros((1, 2)), "bias": jnp.stack([jnp.asarray(m, jnp.float32), raw])}}
    w, b = theta
    decoder = {"Dense_0": {"kernel": jnp.reshape(jnp.asarray(w, jnp.float32), (1, 1)), "bias": jnp.reshape(b, (1,))}}
    return {"encoder": encoder, "decoder": decoder, "prior": {}, "likelihood": {}}


def context(batch=1, weights=None, step=0, num_steps=10, num_train=None, key=0, **more):
    weights = jnp.ones(batch) if weights is None else jnp.asarray(weights)
    num_train = batch if num_train is None else num_train
    prior = MODEL.prior_of({"prior": {}})
    return Context(jnp.int32(step), num_steps, jax.random.key(key), prior, num_train, weights, **more)


def draws(objective, phi, keys, theta=(1.0, 0.0), drawing=None):
    """A batch of copies of x, one a row of keys [B, K]."""
    params = params_of(phi, theta)
    how = objective.drawing if drawing is None else drawing
    prior, q = MODEL.prior_of(params), MODEL.posterior_of(params, X)
    return jax.vmap(lambda k: MODEL.draws(params, prior, q, k, X, drawing=how))(keys)


def loss(objective, phi, keys, theta=(1.0, 0.0), drawing=None):
    """The objective's loss of such a batch."""
    return objective(draws(objective, phi, keys, theta, drawing), objective.init(), context(len(keys)))[0]


def keys_of(seed, batch, num_samples):
    return jax.random.split(jax.random.key(seed), (batch, num_samples))


def mean_and_4se(values):
    """The mean over the first axis and four standard errors of it, in float64."""
    values = np.asarray(values, np.float64)
    return values.mean(0), 4 * values.std(0, ddof=1) / math.sqrt(len(values))


def gradients(objective, phi, keys, drawing=None):
    """One gradient of the loss a row of keys: with respect to (m, log s) and to the decoder's (slope, offset)."""

    def one(key_row, phi, theta):
        return loss(objective, phi, key_row[None], theta, drawing)

    phi, theta = (jnp.asarray(p, jnp.float32) for p in (phi, (1.0, 0.0)))
    grad = jax.jit(jax.vmap(jax.grad(one, argnums=(1, 2)), in_axes=(0, None, None)))
    return tuple(np.asarray(g, np.float64) for g in grad(keys, phi, theta))
