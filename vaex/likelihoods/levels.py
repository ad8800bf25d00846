"""What likelihoods of a known number of levels share: x = k / (levels - 1), as grey values are stored."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vaex import _check
from vaex._check import VaexError
from vaex.likelihoods.base import Domain, Likelihood
from vaex.part import part, static
from vaex.typing import Event, Params, PRNGKey, Raw, Scalar, Stats

_OFF = 1e-3  # of a step: float32 of k / 255 is off by 1e-5 of one


@part
class Levels(Likelihood):
    """A probability of each of L levels, for x in {0, 1/(L - 1), ..., 1}."""

    levels: int | None = static(default=None)  # L; None: the data's

    support: ClassVar[str] = "levels"
    measure: ClassVar[str] = "counting"

    def __post_init__(self) -> None:
        if self.levels is not None:
            _check.whole("likelihood.levels", self.levels, low=2)

    def at_levels(self, levels: int | None) -> Likelihood:
        """Returns the likelihood with the data's number of levels."""
        if self.levels is None and levels is None:
            raise VaexError(
                f"likelihood={self.name} expects levels k / (L - 1), but how many these data have is not known; type "
                "data.levels=L for a file of whole numbers 0 to L - 1, likelihood.levels=L for one of values "
                "k / (L - 1), or likelihood=gaussian"
            )
        if None not in (self.levels, levels) and self.levels != levels:
            raise VaexError(
                f"likelihood.levels: expected the {levels} levels of the data, got {self.levels}; type "
                "likelihood.levels=null"
            )
        return dataclasses.replace(self, levels=self.levels or levels)

    @property
    def steps(self) -> int:
        """L - 1."""
        if self.levels is None:
            raise VaexError(f"likelihood={self.name}: expected a number of levels; type likelihood.levels=256")
        return self.levels - 1

    def domain(self) -> Domain:
        """Returns what data are expected."""
        steps = self.steps

        def outside(x: np.ndarray) -> np.ndarray:
            k = np.float64(x) * steps
            return ~((np.abs(k - np.round(k)) < _OFF) & (k > -_OFF) & (k < steps + _OFF))

        return (
            f"levels k / {steps}, k = 0 to {steps}",
            outside,
            f"use data.levels={self.levels} for a file of whole numbers 0 to {steps}, or a likelihood of real numbers, "
            "such as gaussian",
        )

    def level(self, x: Event) -> Float[Array, "*event"]:
        """Returns k, exactly."""
        return jnp.round(jnp.asarray(x) * self.steps)

    def output_bias(self, stats: Stats) -> Raw:
        """Returns the raw output that predicts the training data's mean."""
        raise NotImplementedError

    def log_prob(self, params: Params, raw: Raw, x: Event) -> Scalar:
        """Returns sum log P(x), in nats."""
        raise NotImplementedError

    def mean(self, params: Params, raw: Raw) -> Float[Array, "*event"]:
        """Returns E[x | z]."""
        raise NotImplementedError

    def sample(self, params: Params, key: PRNGKey, raw: Raw) -> Float[Array, "*event"]:
        """Returns levels in [0, 1]."""
        raise NotImplementedError
