"""The optimizers, by optax."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from vaex import _check
from vaex.optimizers.base import Optimizer
from vaex.optimizers.kernels import kernels
from vaex.part import part, static


def _check_adam(adam: "Adam | AdamW | UncorrectedAdam") -> None:
    _check.below_one("optimizer.b1", adam.b1)
    _check.below_one("optimizer.b2", adam.b2)
    _check.positive("optimizer.eps", adam.eps)


@part
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, Algorithm 1)."""

    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        Optimizer.__post_init__(self)
        _check_adam(self)

    def direction(self) -> optax.GradientTransformation:
        """Returns m / (sqrt(v) + eps), bias-corrected."""
        return optax.scale_by_adam(self.b1, self.b2, self.eps)


@part
class AdamW(Optimizer):
    """Adam with decoupled weight decay: p <- p - rate (m / (sqrt(v) + eps) + lambda p), lambda p of `decay` only.

    lambda, `weight_decay`, is multiplied by the learning rate and its schedule, as optax and PyTorch have it. In the
    paper's Algorithm 2 it is multiplied by the schedule alone: its lambda is ours times `learning_rate`.

    `decay=kernels` decays what multiplies in the networks, see `kernels`: never biases, scales, or the own numbers of a
    likelihood or prior. `decay=all` decays every parameter.

    References:
        Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, Algorithm 2.
    """

    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 1e-2  # lambda
    decay: str = static(default="kernels")  # or "all"

    def __post_init__(self) -> None:
        Optimizer.__post_init__(self)
        _check_adam(self)
        _check.at_least("optimizer.weight_decay", self.weight_decay, 0.0)
        _check.one_of("optimizer.decay", self.decay, ("kernels", "all"))

    def direction(self) -> optax.GradientTransformation:
        """Returns Adam's direction plus lambda times what is decayed."""
        adam = optax.scale_by_adam(self.b1, self.b2, self.eps)
        mask = kernels if self.decay == "kernels" else None
        return optax.chain(adam, optax.add_decayed_weights(self.weight_decay, mask))


@part
class UncorrectedAdam(Optimizer):
    """Adam without bias correction, whose second moment starts at `second_moment`, as the code of Burda et al. has it.

    That code sums gradients over a batch of B where ours average: its `eps` is B times, its start B^2 times ours.

    References:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016 (the authors' code)
    """

    b1: float = 0.99
    b2: float = 0.999
    eps: float = 5e-6
    second_moment: float = 0.0025

    def __post_init__(self) -> None:
        Optimizer.__post_init__(self)
        _check_adam(self)
        _check.at_least("optimizer.second_moment", self.second_moment, 0.0)

    def direction(self) -> optax.GradientTransformation:
        """Returns m / (sqrt(v) + eps)."""

        def init(params: Any) -> Any:
            start = jax.tree.map(lambda p: jnp.full_like(p, self.second_moment), params)
            return jax.tree.map(jnp.zeros_like, params), start

        def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            del params
            # m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2
            m = jax.tree.map(lambda m, g: self.b1 * m + (1.0 - self.b1) * g, state[0], updates)
            v = jax.tree.map(lambda v, g: self.b2 * v + (1.0 - self.b2) * jnp.square(g), state[1], updates)
            return jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + self.eps), m, v), (m, v)

        return optax.GradientTransformation(init, update)


@part
class SGD(Optimizer):
    """Stochastic gradient descent with momentum."""

    momentum: float = 0.0
    nesterov: bool = static(default=False)

    def __post_init__(self) -> None:
        Optimizer.__post_init__(self)
        _check.below_one("optimizer.momentum", self.momentum)

    def direction(self) -> optax.GradientTransformation:
        """Returns the momentum's trace of the gradients."""
        return optax.trace(self.momentum, nesterov=self.nesterov)
