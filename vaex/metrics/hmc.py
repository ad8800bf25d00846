"""Hamiltonian Monte Carlo under p_b(z) ~ p(z) p(x|z)^b, and the step sizes that suit each temperature."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex.metrics.annealing import At, Point, Transition
from vaex.numerics import in_types_of
from vaex.typing import Number, PRNGKey, Scalar

_GAIN = 0.5  # of log step size, for each unit that the acceptance is off its target
_WIDTH = 3.0  # of that average, in temperatures of the pilot: a normal curve's standard deviation


def hmc(at: At, num_leapfrog: int, key: PRNGKey, point: Point, beta: Number, step_size: Number) -> tuple[Point, Scalar]:
    """Returns the next point of one chain, and the probability with which its proposal was accepted.

    A proposal whose energy is not finite is rejected. Each leapfrog step takes one gradient: the first one is the
    point's own, which it kept from the temperature before.

    Args:
        at: evaluates a z.
        num_leapfrog: leapfrog steps to a proposal.
        key: of the momentum and of the acceptance.
        point: where the chain is.
        beta: b.
        step_size: of the leapfrog steps, for a momentum of unit mass.

    References:
        Neal, "MCMC Using Hamiltonian Dynamics", 2011, Section 3.2.
    """
    key_momentum, key_accept = jax.random.split(key)

    def slope(p: Point) -> Float[Array, " Z"]:
        return p.grad_pz + beta * p.grad_px

    def energy(p: Point, v: Float[Array, " Z"]) -> Scalar:
        # H = -log p(z) - b log p(x|z) + |v|^2 / 2
        return 0.5 * jnp.sum(jnp.square(v)) - p.log_pz - beta * p.log_px

    def leap(_: Array, state: tuple[Point, Float[Array, " Z"]]) -> tuple[Point, Float[Array, " Z"]]:
        p, v = state
        p = at(p.z + step_size * v)
        return in_types_of(state, (p, v + step_size * slope(p)))

    momentum = jax.random.normal(key_momentum, point.z.shape)
    # Half a kick, then drifts and whole kicks in turn; the last kick is a whole one too, and half of it is taken back.
    start = (point, momentum + 0.5 * step_size * slope(point))
    proposal, v = jax.lax.fori_loop(0, num_leapfrog, leap, start)
    v = v - 0.5 * step_size * slope(proposal)
    after = energy(proposal, v)
    gain = energy(point, momentum) - after
    # min(1, e^(H - H')), and 0 where it is not known
    acceptance = jnp.where(jnp.isfinite(after) & ~jnp.isnan(gain), jnp.exp(jnp.minimum(gain, 0.0)), 0.0)
    accepted = jax.random.uniform(key_accept) < acceptance
    return jax.tree.map(lambda new, old: jnp.where(accepted, new, old), proposal, point), acceptance


def pilot(
    at: At,
    num_leapfrog: int,
    key: PRNGKey,
    z: Float[Array, "C Z"],
    betas: Float[Array, " S"],
    step_size: Number,
    target: Number,
) -> Float[Array, " P"]:
    """Returns log step sizes for betas[1:], from an annealing run whose chains are thrown away.

    The step size follows the mean acceptance of all the run's chains, and so suits this example alone.

    Args:
        at: evaluates a z.
        num_leapfrog: leapfrog steps to a proposal.
        key: of the run; chain c uses fold_in(key, c) at every temperature.
        z: where the C chains start: draws from the prior.
        betas: S = P + 1 rising temperatures, from 0.
        step_size: where the step size starts.
        target: the mean acceptance to reach, from 0 to 1.
    """
    keys = jax.vmap(lambda c: jax.random.fold_in(key, c))(jnp.arange(len(z)))

    def step(state: tuple[Point, Scalar], t: Array) -> tuple[tuple[Point, Scalar], Scalar]:
        points, log_step = state
        points, acceptance = jax.vmap(
            lambda own, p: hmc(at, num_leapfrog, jax.random.fold_in(own, t), p, betas[t], jnp.exp(log_step))
        )(keys, points)
        # log s <- log s + gain (mean acceptance - target)
        log_step = log_step + _GAIN * (jnp.mean(acceptance) - target)
        return in_types_of(state, (points, log_step)), log_step

    start = (jax.vmap(at)(z), jnp.log(jnp.asarray(step_size, jnp.zeros(()).dtype)))
    log_steps = jax.lax.scan(step, start, jnp.arange(1, len(betas)))[1]
    # Averaged over neighbouring temperatures, since each follows the noise of the acceptances before it.
    place = jnp.arange(len(log_steps)) / _WIDTH
    return jax.nn.softmax(-0.5 * jnp.square(place[:, None] - place), axis=1) @ log_steps


def frozen_hmc(at: At, num_leapfrog: int, betas: Float[Array, " P"], log_steps: Float[Array, " P"]) -> Transition:
    """Returns the transition whose step size is a fixed function of the temperature.

    A step size that followed the acceptances of the chains it moves would leave no p_b invariant.

    Args:
        at: evaluates a z.
        num_leapfrog: leapfrog steps to a proposal.
        betas: rising temperatures.
        log_steps: log step sizes there; between them it is interpolated, and beyond them constant.
    """

    def transition(key: PRNGKey, point: Point, beta: Scalar) -> tuple[Point, Scalar]:
        return hmc(at, num_leapfrog, key, point, beta, jnp.exp(jnp.interp(beta, betas, log_steps)))

    return transition
