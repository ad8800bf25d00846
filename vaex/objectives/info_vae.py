"""The ELBO that gives up part of its rate for a distance between aggregate posterior and prior."""

from vaex import _check
from vaex._check import VaexError
from vaex.objectives.elbo import ELBO
from vaex.objectives.penalties import MMD
from vaex.objectives.preset import own_keys


def info_vae(
    alpha: float = 0.0,
    lambda_: float = 10.0,
    kernel: str = "rbf",
    bandwidth: float = 1.0,
    num_samples: int = 1,
    kl: str = "analytic",
    estimator: str = "reparameterized",
    chunk: int | None = None,
) -> ELBO:
    """Returns InfoVAE: distortion + (1 - alpha) rate + (alpha + lambda - 1) MMD^2(q(z), p(z)).

    Args:
        alpha: 0 keeps the ELBO's rate, 1 gives it up (MMD-VAE).
        lambda_: of the divergence of the aggregate posterior.
        kernel: `rbf` or `imq`; see `penalties.MMD`.
        bandwidth: of the kernel, in standard deviations of the prior.
        num_samples: K draws of z per example, averaged.
        kl: of the rate, `analytic` or `sampled`.
        estimator: of the gradient; `stl` with `kl=sampled`.
        chunk: draws decoded at once.

    Raises:
        VaexError: where a weight is negative: alpha > 1, or alpha + lambda < 1.

    References:
        Zhao, Song and Ermon, "InfoVAE: Balancing Learning and Inference in Variational Autoencoders", 2019.
    """
    for name, value in (("alpha", alpha), ("lambda_", lambda_)):
        if not _check.is_number(value):
            raise VaexError(f"objective.{name}: expected a number, got {value!r}")
    if alpha > 1.0 or alpha + lambda_ < 1.0:
        raise VaexError(
            f"objective.alpha and objective.lambda_: expected alpha <= 1 and alpha + lambda_ >= 1, got {alpha:g} and "
            f"{lambda_:g}; for example objective.alpha=0 objective.lambda_=10"
        )
    with own_keys():
        penalty = MMD(alpha + lambda_ - 1.0, bandwidth, kernel)
        return ELBO(penalty=penalty, beta=1.0 - alpha, num_samples=num_samples, kl=kl, estimator=estimator, chunk=chunk)
