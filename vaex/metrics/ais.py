"""log p(x) without the encoder, and how far from it such an estimate can be."""

from typing import Any, ClassVar

import numpy as np

from vaex import _check
from vaex.metrics.base import About, Metric, need_density, wide
from vaex.metrics.evidence import (
    AnnealedEstimate,
    Annealing,
    RateDistortion,
    Sandwich,
    ais_estimate,
    bdmc_estimate,
    check_can_simulate,
    rate_distortion_estimate,
)
from vaex.metrics.summary import bits_per_dim, mean_and_se
from vaex.models import VAE
from vaex.part import part, static
from vaex.typing import Event, Number, Params, PRNGKey

CHAINS = 1024  # moved at once
LOW_ACCEPTANCE = 0.3  # of a part of the path, on average over examples


@part
class _Annealed(Annealing, Metric):
    """What all three share: how chains are annealed, and for how many examples."""

    key: ClassVar[str] = ""  # what its node is called: `metric=KEY`
    num_examples: int | None = static(default=None)  # the first of the split; None: all of them

    def __post_init__(self) -> None:
        Annealing.__post_init__(self)
        if self.num_examples is not None:
            _check.whole(f"{type(self).__name__}.num_examples", self.num_examples)

    def check(self, model: VAE) -> None:
        """Raises `VaexError` where the model has no density."""
        need_density(self.key, model)

    def count(self, available: int) -> int:
        """Returns how many of the examples to use."""
        return available if self.num_examples is None else min(available, self.num_examples)

    @property
    def at_once(self) -> int:
        """As many as move `CHAINS` chains."""
        return max(1, CHAINS // self.num_chains)

    def warnings(self, numbers: dict[str, Any]) -> list[str]:
        """Returns a warning where the chains hardly move."""
        if numbers["least_acceptance"] >= LOW_ACCEPTANCE:
            return []
        return [
            f"{self.key}: on the hardest part of the path only {numbers['least_acceptance']:.0%} of the moves are "
            f"accepted, so that the estimate is loose; type metric.{self.key}.num_pilot={4 * self.num_pilot} or "
            f"metric.{self.key}.num_leapfrog={2 * self.num_leapfrog}"
        ]


@part
class AIS(_Annealed):
    """-log p(x) by annealed importance sampling from the prior to p(z|x), with HMC whose step sizes a pilot run finds.

    References:
        Neal, "Annealed Importance Sampling", 2001; Wu et al., "On the Quantitative Analysis of Decoder-Based
        Generative Models", 2017
    """

    key = "ais"
    headline = "nll"

    def example(self, model: VAE, params: Params, key: PRNGKey, index: Number, x: Event) -> AnnealedEstimate:
        """Returns what the chains say of one example."""
        return ais_estimate(model, params, key, index, x, self)

    def numbers(self, found: AnnealedEstimate, whole: Any, about: About) -> dict[str, Any]:
        """Returns nll, an upper bound in expectation, with its standard error over examples."""
        del whole
        nll, nll_se = mean_and_se(wide(found.nll) - about.log_jacobian)
        return {
            "nll": nll,
            "nll_se": nll_se,
            "bits_per_dim": None if about.log_cell is None else bits_per_dim(nll, about.num_dims, about.log_cell),
            "ess": float(wide(found.ess).mean()),  # of the chains
            "acceptance": float(wide(found.acceptance).mean()),
            "least_acceptance": float(wide(found.least_acceptance).mean()),
        }


@part
class BDMC(_Annealed):
    """log p(x) between two bounds, of data that the model makes: `gap` bounds the error of `ais` at these settings.

    References:
        Grosse, Ghahramani and Adams, "Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo", 2015
    """

    key = "bdmc"
    version = 2  # 1: z_true had the key of an NLL's draw
    headline = "gap"
    simulates = True
    num_examples: int | None = static(default=100)  # simulated

    def check(self, model: VAE) -> None:
        """Raises `VaexError` where no x can be drawn from the model."""
        check_can_simulate(model)

    def count(self, available: int) -> int:
        """Returns how many examples to simulate: as many as asked for, whatever the split has."""
        return available if self.num_examples is None else self.num_examples

    def example(self, model: VAE, params: Params, key: PRNGKey, index: Number, x: Event) -> Sandwich:
        """Returns both bounds of one simulated example."""
        del x
        return bdmc_estimate(model, params, key, index, self)

    def numbers(self, found: Sandwich, whole: Any, about: About) -> dict[str, Any]:
        """Returns the bounds of the mean log p(x) over the simulated examples, and their distance."""
        del whole
        lower, upper = wide(found.lower), wide(found.upper)
        (low, low_se), (high, high_se), (gap, gap_se) = map(mean_and_se, (lower, upper, upper - lower))
        return {
            "lower": low + about.log_jacobian,
            "lower_se": low_se,
            "upper": high + about.log_jacobian,
            "upper_se": high_se,
            "gap": gap,
            "gap_se": gap_se,
            "ess": float(wide(found.ess).mean()),
            "acceptance": float(wide(found.acceptance).mean()),
            "least_acceptance": float(wide(found.least_acceptance).mean()),
        }


@part
class RDCurve(_Annealed):
    """The rate and the distortion of the best q(z|x) that the decoder allows, from beta = 0 to `top`, in one run.

    References:
        Huang, Makhzani, Cao and Grosse, "Evaluating Lossy Compression Rates of Deep Generative Models", 2020
    """

    headline = "nll"
    key = "rd_curve"
    num_points: int = static(default=50)
    top: float = 1.0  # the last beta; above 1 for distortions below that of p(z|x)

    def __post_init__(self) -> None:
        _Annealed.__post_init__(self)
        _check.whole("RDCurve.num_points", self.num_points, low=2)
        _check.positive("RDCurve.top", self.top)

    @property
    def _record(self) -> np.ndarray:
        return np.unique(np.round(np.linspace(0, self.num_temperatures, self.num_points)).astype(np.int32))

    def example(self, model: VAE, params: Params, key: PRNGKey, index: Number, x: Event) -> RateDistortion:
        """Returns the curve of one example."""
        return rate_distortion_estimate(model, params, key, index, x, self, self._record, self.top)

    def numbers(self, found: RateDistortion, whole: Any, about: About) -> dict[str, Any]:
        """Returns the curve's points, averaged: beta, rate, distortion; finite chains end above the curve."""
        del whole
        rate, distortion, acceptance = wide(found.rate), wide(found.distortion), wide(found.acceptance)[:, 1:]

        def each(values: np.ndarray) -> tuple[list[float], list[float | None]]:
            means, ses = zip(*map(mean_and_se, values.T), strict=True)
            return list(means), list(ses)

        # At beta 1: R + D = -log Z_1 = -log p(x)
        last = rate[:, -1] + distortion[:, -1] - about.log_jacobian
        nll, nll_se = mean_and_se(last) if float(self.top) == 1.0 else (None, None)
        rates, rate_se = each(rate)
        distortions, distortion_se = each(distortion - about.log_jacobian)
        return {
            "nll": nll,  # as that of AIS with these settings; None unless the curve ends at beta 1
            "nll_se": nll_se,
            "beta": wide(found.beta)[0].tolist(),
            "rate": rates,
            "rate_se": rate_se,
            "distortion": distortions,
            "distortion_se": distortion_se,
            "ess": float(wide(found.ess)[:, -1].mean()),
            "acceptance": float(acceptance.mean()),
            "least_acceptance": float(acceptance.mean(0).min()),
        }
