"""Annealed importance sampling: one chain along p_b(z) ~ p(z) p(x|z)^b, from b = 0 up or back down to it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from vaex import _check
from vaex.numerics import in_types_of
from vaex.typing import Number, PRNGKey, Scalar

LogDensity = Callable[[Float[Array, " Z"]], Scalar]  # of one z, in nats
KINDS = ("linear", "sigmoid")
_DELTA = 4.0  # half the stretch of the logistic curve that "sigmoid" uses (Wu et al. 2017)


class Point(NamedTuple):
    """One z and what transitions ask of it, computed once; under `vmap` every array gains a leading C (chains)."""

    z: Float[Array, "*C Z"]
    log_px: Float[Array, "*C"]  # log p(x|z), nats
    log_pz: Float[Array, "*C"]  # log p(z), nats
    grad_px: Float[Array, "*C Z"]  # of log p(x|z) with respect to z
    grad_pz: Float[Array, "*C Z"]  # of log p(z)


At = Callable[[Float[Array, " Z"]], Point]  # `point_at` of two densities


@runtime_checkable
class Transition(Protocol):
    """A Markov transition that leaves p_b(z) ~ p(z) p(x|z)^b invariant; that is all the estimates rest on.

    It may depend on nothing that the same run has seen: no step size that follows the run's own acceptances.
    """

    def __call__(self, key: PRNGKey, point: Point, beta: Scalar) -> tuple[Point, Scalar]:
        """Returns the next point, and the probability from 0 to 1 with which its proposal was accepted."""
        ...


class Path(NamedTuple):
    """What one chain recorded at R of its temperatures; under `vmap` every array gains a leading C (chains)."""

    log_w: Float[Array, "*C R"]  # log weight so far, nats: its exponential is unbiased for Z_b / Z_(b at the start)
    log_px: Float[Array, "*C R"]  # log p(x|z), nats, at the z that has this weight under p_b
    acceptance: Float[Array, "*C R"]  # mean since the last record; 0 where there was no transition


def temperatures(num: int, kind: str = "sigmoid", top: Number = 1.0) -> Float[Array, " S"]:
    """Returns num + 1 temperatures that rise from 0 to `top`, both exact.

    Args:
        num: T, the steps between them.
        kind: "linear", or "sigmoid" for steps that are small at both ends.
        top: the last one; 1 for log p(x).

    Raises:
        VaexError: where `num` is no whole number above 0, or `kind` is unknown.

    References:
        Wu, Burda, Salakhutdinov and Grosse, "On the Quantitative Analysis of Decoder-Based Generative Models", 2017
        (the sigmoid, with delta = 4).
    """
    _check.whole("temperatures.num", num)
    _check.one_of("temperatures.kind", kind, KINDS)
    shape = np.arange(num + 1) / num
    if kind == "sigmoid":
        # (f(t) - f(0)) / (f(1) - f(0)),  f(t) = sigmoid(delta (2 t - 1))
        f = 1.0 / (1.0 + np.exp(-_DELTA * (2.0 * shape - 1.0)))
        shape = (f - f[0]) / (f[-1] - f[0])
    return jnp.asarray(shape, jnp.float32) * top


def point_at(log_px: LogDensity, log_pz: LogDensity, z: Float[Array, " Z"]) -> Point:
    """Returns z with both log densities, in nats, and their gradients."""
    value_px, grad_px = jax.value_and_grad(log_px)(z)
    value_pz, grad_pz = jax.value_and_grad(log_pz)(z)
    return Point(z, value_px, value_pz, grad_px, grad_pz)


def anneal(
    key: PRNGKey,
    start: Point,
    betas: Float[Array, " S"],
    transition: Transition,
    record: Int[Array | np.ndarray, " R"] | None = None,
) -> Path:
    """Returns what one chain recorded; memory grows with R and not with T.

    From a prior draw along rising temperatures, E log w is a lower bound of log Z_b, which at b = 1 is log p(x). From
    an exact draw of p(z|x) along falling ones (`betas[::-1]`), -E log w is an upper bound of log p(x). Of several
    chains the log of the mean weight takes log w's place; those that fall may share their start.

    Args:
        key: the chain's own; the transition at the t-th temperature uses fold_in(key, t).
        start: an exact draw from the distribution at betas[0].
        betas: the S = T + 1 temperatures, in the order in which the chain meets them.
        transition: leaves p_b invariant.
        record: which of 0 .. T to record, rising; the chain ends at the last of them. None: T alone.

    References:
        Neal, "Annealed Importance Sampling", 2001. Grosse, Ghahramani and Adams, "Sandwiching the Marginal Likelihood
        Using Bidirectional Monte Carlo", 2015.
    """

    def step(t: Array, state: tuple[Point, Scalar, Scalar]) -> tuple[Point, Scalar, Scalar]:
        point, log_w, accepted = state
        # log w = sum_t (b_t - b_{t-1}) log p(x|z_{t-1});  z_t from z_{t-1} by the transition at b_t
        log_w = log_w + (betas[t] - betas[t - 1]) * point.log_px
        point, acceptance = transition(jax.random.fold_in(key, t), point, betas[t])
        return in_types_of(state, (point, log_w, accepted + acceptance))

    def stretch(state: tuple[Point, Scalar], ends: tuple[Array, Array]) -> tuple[tuple[Point, Scalar], Path]:
        first, last = ends
        point, log_w, accepted = jax.lax.fori_loop(first + 1, last + 1, step, (*state, jnp.zeros(())))
        return (point, log_w), Path(log_w, point.log_px, accepted / jnp.maximum(last - first, 1))

    lasts = jnp.asarray([len(betas) - 1] if record is None else record)
    firsts = jnp.concatenate([jnp.zeros_like(lasts[:1]), lasts[:-1]])
    _, path = jax.lax.scan(stretch, (start, jnp.zeros(())), (firsts, lasts))
    return path
