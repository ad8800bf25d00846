"""What a likelihood owns: the output transform, the normaliser, the data's domain."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vaex._check import VaexError
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

Domain = tuple[str, Callable[[np.ndarray], Any], str]  # what is expected, which values are none, what to do


class Likelihood(ABC):
    """p(x | z) of one example, from the decoder's raw output; log densities are in nats, summed over the event."""

    name: ClassVar[str]
    support: ClassVar[str]  # "binary", "unit_interval", "open_unit_interval", "levels", "counts", "real"
    measure: ClassVar[str]  # "counting" or "lebesgue": what its density is a density of
    is_density: ClassVar[bool] = True  # False: `log_prob` is minus a loss, and no number made of it may be ranked
    reads_batch: ClassVar[bool] = False  # True: `at_batch` depends on the other examples of the batch

    @property
    def condition(self) -> str:
        """What the density is conditional on beside z; such numbers are never ranked against others."""
        return ""

    def at_levels(self, levels: int | None) -> "Likelihood":
        """Returns the likelihood for data of so many levels, x = k / (levels - 1); None where they are no levels.

        Raises:
            VaexError: where it needs to know how many there are and cannot.
        """
        del levels
        return self

    def encoder_view(self, x: Event) -> Event:
        """Returns what the encoder is shown of x: x itself, or a tamer function of it."""
        return x

    def raw_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the decoder's output for one example."""
        return event_shape

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns the likelihood's own parameters, such as a scale shared by all examples."""
        del key, stats
        return {}

    @abstractmethod
    def output_bias(self, stats: Stats) -> Raw:
        """Returns the raw output that predicts the training data's mean: where the decoder's last bias starts."""

    @abstractmethod
    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns log p(x | z) in nats, summed over the event."""

    @abstractmethod
    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns E[x | z]."""

    def mean_given(self, params: Params, raw: Raw, x: Event) -> Float[Array, "*event"]:
        """Returns E[x | z] of a reconstruction: with what the density is conditional on taken from x."""
        del x
        return self.mean(params, raw)

    @abstractmethod
    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns one draw of x given z."""

    def log_jacobian(self, of_rescaling: Any) -> Any:
        """Returns what turns log p of the rescaled data into that of the data as given, in nats.

        Args:
            of_rescaling: log |dx / d(given)|, which a density has, and neither a probability nor a loss.
        """
        return of_rescaling if self.is_density and self.measure == "lebesgue" else 0.0

    def describe(self) -> str:
        """Returns what the log says of this likelihood, with whatever a reader could mistake."""
        return self.name

    def implied(self, params: Params, beta: Scalar, is_weight: bool = True) -> dict[str, Scalar]:
        """Returns what a weight `beta` on the rate means for this likelihood, whatever its scale is called.

        `effective_beta` is the weight after rescaling the loss to noise of scale 1: it tells apart settings that only
        trade a fixed scale for beta. `observation_noise`, if there is one, is the scale of x, in the model's units,
        at which the same loss is an ELBO with beta = 1; of a learned scale, that scale.

        Args:
            params: the likelihood's own.
            beta: d loss / d rate over d loss / d distortion.
            is_weight: False if `beta` may be negative (`objective=capacity`): then no scale stands for it, and a fixed
                one has no `observation_noise`.
        """
        del params, is_weight
        return {"effective_beta": beta}

    # Parts whose parameters are a statistic of the data (an analytic scale) define these three.

    def statistic(self, params: Params, raw: Raw, x: Event) -> Any:
        """Returns what one example adds to the data's statistic; `()` where the parameters do not depend on one."""
        del params, raw, x
        return ()

    def with_statistic(self, params: Params, total: Any) -> Params:
        """Returns the parameters that follow from the statistic's sum over examples."""
        del total
        return params

    def at_batch(self, params: Params, raw: Raw, x: Event, weight: Scalar) -> Params:
        """Returns the parameters to train with, which may use the batch through collectives over the axis `batch`."""
        del raw, x, weight
        return params

    def domain(self) -> Domain:
        """Returns what data are expected, which values are none, and what to do about them."""
        return _SUPPORTS[self.support]

    def check_support(self, x: np.ndarray, where: str) -> None:
        """Raises `VaexError` unless all of `x` lies where this likelihood has a density.

        Args:
            x: prepared data.
            where: what to call them, such as `digits, training split`.
        """
        expected, outside, fix = self.domain()
        bad = np.asarray(x)[outside(np.asarray(x))]
        if bad.size:
            raise VaexError(
                f"likelihood={self.name} expects {expected}, but {where} holds {bad.flat[0]:.6g} "
                f"({bad.size} of {np.size(x)} values do not fit); {fix}"
            )


_FLOOR = 1e-3  # of a standard deviation that starts a learned scale: constant data have none


def log_spread(stats: Stats) -> Scalar:
    """Returns the log of the data's overall standard deviation, where learned scales start."""
    return jnp.log(jnp.maximum(jnp.sqrt(jnp.mean(jnp.square(stats.std))), _FLOOR))


def flat(x: Event | Raw) -> Float[Array, " D"]:
    """Returns the event as one axis: over H x W x 1 a CPU's loops would run along the axis of length one."""
    return jnp.reshape(jnp.asarray(x), -1)


_SUPPORTS: dict[str, Domain] = {
    "binary": (
        "0 or 1",
        lambda x: (x != 0) & (x != 1),
        "use data.binarize=dynamic, static or threshold for values in [0, 1], or likelihood=gaussian for real numbers",
    ),
    "unit_interval": (
        "values in [0, 1]",
        lambda x: ~((x >= 0) & (x <= 1)),
        "use data.rescale=minmax (if the values that do not fit are in the training split), "
        "or likelihood=gaussian for real numbers",
    ),
    "open_unit_interval": (
        "values strictly between 0 and 1",
        lambda x: ~((x > 0) & (x < 1)),
        "use data.dequantize=uniform for grey levels, which hold 0 and 1, or likelihood=continuous_bernoulli",
    ),
    "counts": (
        "whole numbers of at least 0",
        lambda x: ~((x >= 0) & (x == np.round(x)) & (x <= 2**24)),  # float32 holds no larger one exactly
        "use data.rescale=none and data.binarize=none for counts, or likelihood=gaussian for real numbers",
    ),
    "real": ("finite numbers", lambda x: ~np.isfinite(x), "remove or fill in the values that are not finite"),
}
