"""What likelihoods of counts share: a mean per value from the decoder, and the option of a library size."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaex import _check
from vaex.likelihoods.base import Likelihood
from vaex.numerics import soft_clip
from vaex.part import part, static
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

LOG_RATES = (-30.0, 30.0)  # of means and dispersions, bounded smoothly: exact to 1e-7 between 1e-6 and 1e6
_LEAST = 1e-3  # of a mean that starts a decoder's bias: a value that training never saw still has some chance
_EMPTY = 1e-6  # the library size of an example without a count


@part
class Counts(Likelihood):
    """mu = exp(raw), or with `library=observed` mu = l softmax(raw) over the event, l the sum of x.

    The density with a library size is conditional on that sum (Lopez et al. 2018), and says so in `data_measure`.
    """

    library: str = static(default="none")  # or "observed"

    support: ClassVar[str] = "counts"
    measure: ClassVar[str] = "counting"

    def __post_init__(self) -> None:
        _check.one_of("likelihood.library", self.library, ("none", "observed"))

    @property
    def condition(self) -> str:
        """What the density is conditional on beside z."""
        return ", given each example's total" if self.library == "observed" else ""

    def encoder_view(self, x: Event) -> Event:
        """Returns log(1 + x): counts span decades."""
        return jnp.log1p(x)

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns the training data's mean total, which generation uses and nothing trains."""
        del key
        return {} if self.library == "none" else {"log_library": jnp.log(jnp.maximum(jnp.sum(stats.mean), _EMPTY))}

    def statistic(self, params: Params, raw: Raw, x: Event) -> Any:
        """Returns the example's total and one example, where there is a library size."""
        del params, raw
        return () if self.library == "none" else (jnp.sum(x), jnp.float32(1.0))

    def with_statistic(self, params: Params, total: Any) -> Params:
        """Returns the training data's mean total afresh: weight decay moves a parameter that has no gradient, too."""
        if self.library == "none":
            return params
        counted, examples = total
        return {**params, "log_library": jnp.log(jnp.maximum(counted / examples, _EMPTY))}

    def raw_mean(self, raw: Raw) -> Float[Array, "*event"]:
        """Returns the decoder's output for the means, of the event's shape."""
        return jnp.asarray(raw)

    def log_mean(self, params: Params, raw: Raw, x: Event | None = None) -> Float[Array, "*event"]:
        """Returns log mu, with x's library size where there is one, else the training data's mean total."""
        raw = self.raw_mean(raw)
        if self.library == "none":
            return soft_clip(raw, LOG_RATES)
        mean_total = jax.lax.stop_gradient(params["log_library"])
        log_library = mean_total if x is None else jnp.log(jnp.maximum(jnp.sum(x), _EMPTY))
        shares = jax.nn.log_softmax(raw.reshape(-1)).reshape(raw.shape)
        return soft_clip(log_library + shares, LOG_RATES)

    def log_start(self, stats: Stats) -> Float[Array, "*event"]:
        """Returns the raw output whose mean is the data's."""
        return jnp.log(jnp.maximum(jnp.asarray(stats.mean), _LEAST))

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the log of the data's mean, at least 1e-3 of a count."""
        return self.log_start(stats)

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns mu."""
        return jnp.exp(self.log_mean(params, raw))

    def mean_given(self, params: Params, raw: Raw, x: Event) -> Float[Array, "*event"]:
        """Returns mu at x's own library size."""
        return jnp.exp(self.log_mean(params, raw, x))

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log p(x), in nats."""
        raise NotImplementedError

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns counts."""
        raise NotImplementedError
