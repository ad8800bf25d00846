"""What other systems call beta, in nats per datum: a published setting, imported, means the same thing here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from vaex import _check
from vaex._check import VaexError, did_you_mean, is_number


@dataclass(frozen=True)
class Convention:
    """How one system writes its loss, and which settings of vaex have the same minimum.

    `loss` is a formula over one example: `se` squared and `ae` absolute errors [D], `ce` cross-entropies [D], `nll`
    minus log-likelihoods [D], `kl` [Z]; `beta` its own number, D, Z and C (channels).
    """

    system: str
    loss: str
    likelihood: tuple[str, ...]  # overrides
    weight: Callable[[float, int, int, int], float]  # of its beta, D, Z, C: objective.beta
    needs: str = ""  # which of D, Z, C the weight depends on
    at_unit_noise: float = 1.0  # effective_beta / objective.beta: scale^2 of a normal, scale of a Laplace
    default: float = 1.0  # its own beta, where nothing else is set
    note: str = ""


def _same(beta: float, d: int, z: int, c: int) -> float:
    del d, z, c
    return beta


_MSE = ("likelihood=mse",)
CONVENTIONS = {
    "pythae_mse": Convention(
        "Pythae, reconstruction_loss=mse", "0.5 * sum(se) + beta * sum(kl)", ("likelihood=gaussian",), _same
    ),
    "pythae_bce": Convention("Pythae, reconstruction_loss=bce", "sum(ce) + beta * sum(kl)", ("likelihood=bce",), _same),
    "disentanglement_lib_l2": Convention(
        "disentanglement_lib, l2_loss", "sum(se) + beta * sum(kl)", _MSE, _same, at_unit_noise=0.5
    ),
    "artifex_mse": Convention("artifex, mse", "sum(se) + beta * sum(kl)", _MSE, _same, at_unit_noise=0.5),
    "disentangling_vae_gaussian": Convention(
        "disentangling-vae and disentangling-correlated-factors, gaussian",
        "255 * sum(se) + beta * sum(kl)",
        _MSE,
        lambda beta, d, z, c: beta / 255,
        at_unit_noise=0.5,
        note="its squared errors are multiplied by 255",
    ),
    "disentangling_vae_laplace": Convention(
        "disentangling-vae and disentangling-correlated-factors, laplace",
        "3 * sum(ae) + beta * sum(kl)",
        ("likelihood=laplace", "likelihood.scale=0.3333333333333333"),
        _same,
        at_unit_noise=1 / 3,
    ),
    "disent_mse": Convention(
        "disent, recon_loss=mse, loss_reduction=mean (its default)",
        "mean(se) + beta * mean(kl)",
        _MSE,
        lambda beta, d, z, c: beta * d / z,
        needs="DZ",
        at_unit_noise=0.5,
        default=0.0316,
    ),
    "pytorch_vae": Convention(
        "PyTorch-VAE (AntixK), training; beta is its kld_weight",
        "mean(se) + beta * sum(kl)",
        _MSE,
        lambda beta, d, z, c: beta * d,
        needs="D",
        at_unit_noise=0.5,
        default=0.00025,
        note="its checkpoints are selected by its validation loss, which is pytorch_vae_validation",
    ),
    "pytorch_vae_validation": Convention(
        "PyTorch-VAE (AntixK), validation; beta is 1, whatever its kld_weight is",
        "mean(se) + beta * sum(kl)",
        _MSE,
        lambda beta, d, z, c: beta * d,
        needs="D",
        at_unit_noise=0.5,
        note="it selects the checkpoints, and is not what was trained",
    ),
    "keras": Convention(
        "Keras example: cross-entropy averaged over channels, summed over pixels",
        "sum(ce) / C + beta * sum(kl)",
        ("likelihood=bce",),
        lambda beta, d, z, c: beta * c,
        needs="C",
    ),
    "flax": Convention("Flax examples/vae", "sum(ce) + beta * sum(kl)", ("likelihood=bernoulli",), _same),
    "flax_nnx": Convention(
        "Flax NNX toy example; beta is its 0.1",
        "mean(ce) + beta * mean(kl)",
        ("likelihood=bernoulli", "data.binarize=threshold"),
        lambda beta, d, z, c: beta * d / z,
        needs="DZ",
        default=0.1,
        note="it binarizes at > 0, vaex's threshold at 1/2",
    ),
    "pytorch": Convention(
        "PyTorch examples/vae",
        "sum(ce) + beta * sum(kl)",
        ("likelihood=bce",),
        _same,
        note="it sums over the batch as well, so that its gradients grow with the batch size",
    ),
    "vdvae": Convention(
        "VDVAE, Efficient-VDVAE, VDM: everything divided by D",
        "(sum(nll) + beta * sum(kl)) / D",
        (),
        _same,
        note="its thresholds for clipping and skipping are per dimension: multiply by D (VDM also divides by ln 2)",
    ),
    "scvi": Convention(
        "scvi-tools, gene_likelihood=nb",
        "sum(nll) + beta * sum(kl)",
        ("likelihood=negative_binomial", "likelihood.library=observed", "likelihood.dispersion=feature"),
        _same,
        note="it ramps beta over 400 epochs by default: add schedule@objective.beta_schedule=linear",
    ),
}
_SIZES = {"D": "num_dims", "Z": "latent_dim", "C": "channels"}
_POWERS = {"likelihood=gaussian": 2, "likelihood=mse": 2, "likelihood=laplace": 1}


class Converted(NamedTuple):
    """A setting of vaex."""

    overrides: tuple[str, ...]
    beta: float  # objective.beta
    effective_beta: float  # against the likelihood at noise of scale 1
    observation_noise: float | None  # at which the same loss is an ELBO with beta 1; None without a scale
    note: str

    @property
    def line(self) -> str:
        """What to type."""
        return " ".join((*self.overrides, f"objective.beta={self.beta:.9g}"))  # 9 digits: the same float32


def convert(
    name: str,
    beta: float | None = None,
    *,
    num_dims: int | None = None,
    latent_dim: int | None = None,
    channels: int | None = None,
) -> Converted:
    """Returns the setting whose loss is the other system's, times a constant and plus one.

    Args:
        name: one of `CONVENTIONS`.
        beta: its own weight; its default where None.
        num_dims: D, numbers in one example, where the weight depends on it.
        latent_dim: Z, likewise.
        channels: C, likewise.

    Raises:
        VaexError: for an unknown name, or where a size is needed and missing.
    """
    if name not in CONVENTIONS:
        raise VaexError(f"expected one of {', '.join(CONVENTIONS)}; got {name!r}{did_you_mean(name, CONVENTIONS)}")
    convention = CONVENTIONS[name]
    beta = convention.default if beta is None else beta
    if not is_number(beta):
        raise VaexError(f"beta: expected a number that float32 holds, got {beta!r}")
    _check.at_least("beta", beta, 0.0)
    sizes = {"D": num_dims, "Z": latent_dim, "C": channels}
    for letter, key in _SIZES.items():
        if letter in convention.needs and sizes[letter] is None:
            raise VaexError(f"{name}: expected {key}, on which its weight depends; for example {key}=784")
        if sizes[letter] is not None:
            _check.whole(key, sizes[letter])
    weight = convention.weight(beta, *(sizes[letter] or 1 for letter in "DZC"))
    if not is_number(weight):
        raise VaexError(f"beta: {beta!r} becomes objective.beta={weight!r}, which float32 does not hold")
    effective = weight * convention.at_unit_noise
    # SSE / 2 + e R  ~  SSE / (2 e) + R: normal noise of scale sqrt(e).  |x - m| + e R: Laplace noise of scale e
    power = next((_POWERS[word] for word in convention.likelihood if word in _POWERS), None)
    noise = None if power is None else effective ** (1 / power)
    return Converted(convention.likelihood, weight, effective, noise, convention.note)
