"""Counts drawn from a known model, so that what a model learns can be compared with the truth."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Float64

from vaex import _check
from vaex._check import VaexError
from vaex.data.base import Data, Raw
from vaex.data.settings import with_settings
from vaex.data.splits import generator
from vaex.typing import Params

_SETTINGS = ("num_examples", "num_genes", "num_factors", "dispersion", "library", "library_sd", "draw_seed")
_EXACT = 2**24  # whole numbers below are exact in float32


class Drawn(NamedTuple):
    """What the true model drew."""

    z: Float64[np.ndarray, "N Z"]
    library: Float64[np.ndarray, " N"]  # l, the expected total of each example
    mean: Float64[np.ndarray, "N D"]
    counts: Float32[np.ndarray, "N D"]


@dataclass(frozen=True, kw_only=True)
class Counts(Data):
    """z ~ N(0, 1), log l ~ N(log library - sd^2 / 2, sd^2), mu = l softmax(W z + b), x ~ NB(mu, r).

    The variance of a count is mu + mu^2 / r, or mu with `dispersion=null` (Poisson). The entries of W are drawn from
    N(0, 1 / num_factors) and those of b from N(0, 1). `likelihood=negative_binomial likelihood.library=observed` with
    `decoder=linear` is this model but for one thing: it reads the total of x in the place of l, which it cannot see. As
    the total takes part in the spread, the r that scores best lies above the true one, and comes closer with more
    genes: 2.1 with 50, 2.8 with 12.

    References:
        Lopez et al., "Deep Generative Modeling for Single-Cell Transcriptomics", 2018, Methods.
    """

    num_examples: int = 2000
    num_genes: int = 50  # values of an example
    num_factors: int = 2  # size of z
    dispersion: float | None = 2.0  # r; None: Poisson
    library: float = 500.0  # mean of l, the expected total of an example
    library_sd: float = 0.3  # standard deviation of log l
    draw_seed: int = 0  # of the model and its draws
    binarize: str = "none"
    dequantize: str = "none"  # uniform: x = k + u

    def __post_init__(self) -> None:
        """Raises `VaexError` for what is no model."""
        super().__post_init__()
        for name in ("num_examples", "num_genes", "num_factors"):
            _check.whole(f"data.{name}", getattr(self, name))
        _check.seed("data.draw_seed", self.draw_seed)
        for name, low in (("library", 0), ("library_sd", -1), ("dispersion", 0)):
            value = getattr(self, name)
            if name == "dispersion" and value is None:
                continue
            if not _check.is_number(value) or not (value > low and value >= 0):
                what = "a number above 0" if low == 0 else "a number of at least 0"
                also = ", or null for Poisson counts" if name == "dispersion" else ""
                raise VaexError(f"data.{name}: expected {what}{also}, got {value!r}")

    @property
    def name(self) -> str:
        """What the data set is called."""
        return "counts"

    def read(self) -> Raw:
        """Returns the counts [N, D] as real numbers, without a split of their own."""
        return Raw(train=self.draw().counts)

    def draw(self) -> Drawn:
        """Returns the counts and what they were drawn from.

        Raises:
            VaexError: where a count is so large that float32 would round it.
        """
        kernel, bias = self._weights()
        z = self._rng("z").standard_normal((self.num_examples, self.num_factors))
        # E l = exp(m + sd^2 / 2) = library
        m = np.log(self.library) - self.library_sd**2 / 2
        library = np.exp(m + self.library_sd * self._rng("l").standard_normal(self.num_examples))
        logits = z @ kernel + bias
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        mean = library[:, None] * shares / shares.sum(-1, keepdims=True)
        # NB(mu, r): a Poisson whose rate is Gamma(shape r, mean mu)
        r = self.dispersion
        rate = mean if r is None else self._rng("rate").gamma(r, mean / r)
        if rate.max() > _EXACT / 2:  # 2^23 counts vary by some 2,900: none comes near 2^24
            raise VaexError(
                f"data.library: expected counts below 2^24, which float32 holds exactly, but drew a rate of "
                f"{rate.max():.3g}; lower data.library={self.library}"
            )
        return Drawn(z, library, mean, self._rng("x").poisson(rate).astype(np.float32))

    def true_params(self) -> Params:
        """Returns the parameters of the model that drew the counts, for a `VAE` with a linear decoder.

        Its `likelihood` is `NegativeBinomial(library="observed")`, or `Poisson(library="observed")` where there is no
        dispersion. The encoder is the only part without a truth: `{**vae.init(key, stats), **data.true_params()}`.
        """
        kernel, bias = (jnp.asarray(array, jnp.float32) for array in self._weights())
        likelihood = {"log_library": jnp.log(jnp.float32(self.library))}
        if self.dispersion is not None:
            likelihood["log_dispersion"] = jnp.log(jnp.float32(self.dispersion))
        decoder = {"Dense_0": {"kernel": kernel, "bias": bias}}
        return {"decoder": decoder, "prior": {}, "likelihood": likelihood}

    def _weights(self) -> tuple[Float64[np.ndarray, "Z D"], Float64[np.ndarray, " D"]]:
        """Returns W, transposed as a decoder's kernel, and b."""
        kernel = self._rng("kernel").standard_normal((self.num_factors, self.num_genes))
        return kernel / np.sqrt(self.num_factors), self._rng("bias").standard_normal(self.num_genes)

    def _rng(self, purpose: str) -> np.random.Generator:
        return generator(self.draw_seed, purpose)

    def _measure(self, *args: Any) -> str | None:
        return with_settings(super()._measure(*args), self, _SETTINGS)
