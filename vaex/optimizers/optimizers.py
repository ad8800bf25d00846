"""The optimizers, by optax."""

import optax

from vaex import _check
from vaex.optimizers.base import Optimizer
from vaex.part import part, static


def _check_adam(adam: "Adam | AdamW") -> None:
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
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, Algorithm 2)."""

    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        Optimizer.__post_init__(self)
        _check_adam(self)
        _check.at_least("optimizer.weight_decay", self.weight_decay, 0.0)

    def direction(self) -> optax.GradientTransformation:
        """Returns Adam's direction plus weight_decay times the parameters."""
        adam = optax.scale_by_adam(self.b1, self.b2, self.eps)
        return optax.chain(adam, optax.add_decayed_weights(self.weight_decay))


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
