"""Importance-weighted estimates of log p(x), streamed over samples so that memory does not grow with K."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from vaex.distributions import kl_divergence
from vaex.models import VAE
from vaex.numerics import in_types_of
from vaex.typing import Event, Number, Params, PRNGKey, Scalar


class Estimate(NamedTuple):
    """What K draws from q(z|x) say of one example, in nats; under `vmap` every array gains a leading B."""

    rate: Float[Array, "*B"]  # KL(q(z|x) || p(z)), exact where there is a closed form, else the mean of log q - log p
    distortion: Float[Array, "*B"]  # -E_q log p(x|z), a mean over the K draws
    nll: Float[Array, "*B"]  # -log 1/K sum_k w_k, w = p(x|z) p(z) / q(z|x): an upper bound of -log p(x) in expectation
    ess: Float[Array, "*B"]  # effective sample size (sum w)^2 / sum w^2, between 1 and K
    z_mean: Float[Array, "*B Z"]  # E_q z


class _Running(NamedTuple):
    top: Scalar  # the largest log w so far
    weights: Scalar  # sum of w / e^top
    squares: Scalar  # sum of (w / e^top)^2
    log_px: Scalar  # sum of log p(x|z)
    sampled_rate: Scalar  # sum of log q - log p


def importance_estimate(
    model: VAE,
    params: Params,
    key: PRNGKey,
    index: Number,
    x: Event,
    num_samples: int,
    chunk: int,
) -> Estimate:
    """Returns the K-sample estimates of one example.

    Args:
        model: the model.
        params: its parameters.
        key: of the whole evaluation; sample k of example i uses fold_in(fold_in(key, i), k), so that no number
            depends on batch or chunk.
        index: i, the example's place in its split.
        x: the example.
        num_samples: K.
        chunk: how many samples are decoded at once; K need not divide by it.

    References:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
    """
    prior, q = model.prior_of(params), model.posterior_of(params, x)
    own = jax.random.fold_in(key, index)

    def one_chunk(run: _Running, first: Int[Array, ""]) -> tuple[_Running, None]:
        samples = first + jnp.arange(chunk)
        keys: Key[Array, " K"] = jax.vmap(lambda k: jax.random.fold_in(own, k))(samples)
        draws = model.draws(params, prior, q, keys, x)
        counts = samples < num_samples
        rate = sum(level.log_qz - level.log_pz for level in draws.levels)
        log_w = jnp.where(counts, draws.log_px - rate, -jnp.inf)
        top = jnp.maximum(run.top, jnp.max(log_w))
        finite = jnp.where(jnp.isneginf(top), 0.0, top)  # nothing yet, if every weight so far is zero
        scale, w = jnp.exp(run.top - finite), jnp.exp(log_w - finite)
        after = _Running(
            top,
            run.weights * scale + jnp.sum(w),
            run.squares * scale**2 + jnp.sum(w**2),
            run.log_px + jnp.sum(jnp.where(counts, draws.log_px, 0.0)),
            run.sampled_rate + jnp.sum(jnp.where(counts, rate, 0.0)),
        )
        return in_types_of(run, after), None

    start = _Running(jnp.asarray(-jnp.inf), *(jnp.zeros(()),) * 4)
    run, _ = jax.lax.scan(one_chunk, start, jnp.arange(0, num_samples, chunk))
    kl = kl_divergence(q, prior)
    return Estimate(
        rate=run.sampled_rate / num_samples if kl is None else jnp.sum(kl),
        distortion=-run.log_px / num_samples,
        nll=-(run.top + jnp.log(run.weights) - jnp.log(num_samples)),
        ess=run.weights**2 / run.squares,
        z_mean=q.mean,
    )
