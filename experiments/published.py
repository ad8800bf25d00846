"""Published numbers that were verified, beside which `make reproduce` prints ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_BURDA = "Burda et al. 2016, Table 1 (K = 5,000, dynamic MNIST, one layer)"
_VAE = {"1": 86.76, "5": 86.47, "50": 86.35}
_IWAE = {"1": 86.76, "5": 85.54, "50": 84.78}
# Of independent reproductions with 50 or 100 latents, read in their own pages; runs of far fewer steps left out.
_VAE_SPREAD = {"1": "86.3 to 87.8", "5": "86.1 to 87.2", "50": "86.1 to 87.5"}
_IWAE_SPREAD = {"1": "86.3 to 87.8", "5": "85.2 to 85.5", "50": "84.4 to 84.8"}
SHORTENED = "shortened: 10,000 steps of batch 100, not the published 3,280 epochs of batch 20"
_NLL = ("metric=nll", "metric.nll.num_samples=5000")


@dataclass(frozen=True)
class Reproduction:
    """What to run after training, which number to print, and what was published for it."""

    number: str  # of results.csv
    evaluate: tuple[str, ...] = ()  # overrides of the evaluation; none: the summary's own number
    source: str = "no published number is verified"
    values: Mapping[str, float] = field(default_factory=dict)  # nats, by the value of `key`
    spread: Mapping[str, str] = field(default_factory=dict)
    key: str = "objective.num_samples"
    note: str = ""


REPRODUCTIONS = {
    "burda_vae": Reproduction("nll.nll", _NLL, _BURDA, _VAE, _VAE_SPREAD),
    "burda_iwae": Reproduction("nll.nll", _NLL, _BURDA, _IWAE, _IWAE_SPREAD),
    "burda_vae_short": Reproduction("nll.nll", _NLL, _BURDA, _VAE, _VAE_SPREAD, note=SHORTENED),
    "burda_iwae_short": Reproduction("nll.nll", _NLL, _BURDA, _IWAE, _IWAE_SPREAD, note=SHORTENED),
    "sigma_vae": Reproduction("nll"),
    "beta_sweep_mnist": Reproduction("elbo"),
    "rd_curve": Reproduction("rd_curve.nll", ("metric=rd_curve",)),
}
