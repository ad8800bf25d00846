"""The importance-weighted NLL at any K, and whether its weights can be trusted."""

from typing import Any

import numpy as np

from vaex import _check
from vaex.metrics.base import DRAWS, About, Metric, need_density, wide
from vaex.metrics.importance import Estimate, importance_estimate
from vaex.metrics.summary import bits_per_dim, mean_and_se
from vaex.models import VAE
from vaex.part import part, static
from vaex.typing import Event, Number, Params, PRNGKey

CHUNK = 100  # draws of one example that are decoded at once
LOW_ESS = 10.0  # below it, an example's weights hang on a few draws
LOW_SHARE = 0.01  # of examples with so low an ESS, from which on the mean is not to be trusted
LARGE_BIAS = 0.1  # nats


@part
class NLL(Metric):
    """-log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), in memory that does not grow with K.

    References:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8
    """

    headline = "nll"
    num_samples: int = static(default=5000)  # K

    def __post_init__(self) -> None:
        _check.whole("NLL.num_samples", self.num_samples)

    def check(self, model: VAE) -> None:
        """Raises `VaexError` where the model has no density."""
        need_density("nll", model)

    @property
    def _chunk(self) -> int:
        return min(self.num_samples, CHUNK)

    @property
    def at_once(self) -> int:
        """As many as decode `DRAWS` draws."""
        return max(1, DRAWS // self._chunk)

    def example(self, model: VAE, params: Params, key: PRNGKey, index: Number, x: Event) -> Estimate:
        """Returns the K-sample estimates of one example, in nats."""
        return importance_estimate(model, params, key, index, x, self.num_samples, self._chunk)

    def numbers(self, found: Estimate, whole: Any, about: About) -> dict[str, Any]:
        """Returns nll and elbo with their standard errors over examples, the ESS, and the bias that it implies."""
        del whole
        nll, nll_se = mean_and_se(wide(found.nll) - about.log_jacobian)
        elbo, elbo_se = mean_and_se(about.log_jacobian - wide(found.rate) - wide(found.distortion))
        ess = wide(found.ess)
        # E[-log 1/K sum w] + log p(x) = chi^2/(2 K) + O(K^-2), and ESS = K / (1 + chi^2):  (1/ESS - 1/K) / 2
        bias = float(np.mean(1.0 / np.maximum(ess, 1.0) - 1.0 / self.num_samples) / 2.0)
        return {
            "nll": nll,
            "nll_se": nll_se,
            "num_samples": self.num_samples,
            "bits_per_dim": None if about.log_cell is None else bits_per_dim(nll, about.num_dims, about.log_cell),
            "ess": float(ess.mean()),
            "ess_low": float(np.mean(ess < LOW_ESS)),  # share of examples
            # nats by which nll is expected to be too large, to first order; a single weight cannot tell
            "bias": bias if self.num_samples > 1 else None,
            "elbo": elbo,
            "elbo_se": elbo_se,
        }

    def warnings(self, numbers: dict[str, Any]) -> list[str]:
        """Returns a warning where the ESS says that the number is an upper bound of unknown slack."""
        low, bias = numbers["ess_low"], numbers["bias"]
        if low <= LOW_SHARE and (bias is None or bias <= LARGE_BIAS):
            return []
        expected = "unknown bias" if bias is None else f"expected bias {bias:.2g} nats or more"
        return [
            f"nll: an upper bound, not to be trusted as an estimate: {low:.1%} of the examples have an effective "
            f"sample size below {LOW_ESS:g} of {self.num_samples} draws, {expected}; type "
            f"metric.nll.num_samples={10 * self.num_samples}, or metric=ais for an estimate without the encoder"
        ]
