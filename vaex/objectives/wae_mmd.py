"""The Wasserstein autoencoder whose penalty is the maximum mean discrepancy."""

from vaex.objectives.elbo import ELBO
from vaex.objectives.penalties import MMD
from vaex.objectives.preset import own_keys


def wae_mmd(
    weight: float = 10.0,
    kernel: str = "imq",
    bandwidth: float = 1.0,
    num_samples: int = 1,
    kl: str = "analytic",
    estimator: str = "reparameterized",
    chunk: int | None = None,
) -> ELBO:
    """Returns WAE-MMD: distortion + weight MMD^2(q(z), p(z)), without a rate.

    The paper's cost c(x, G(z)) is the distortion here: the squared error with `likelihood=mse`. Its encoder may be
    deterministic; here it is the posterior, which is free to become narrow.

    Args:
        weight: lambda.
        kernel: `imq`, as in the paper, or `rbf`; see `penalties.MMD`.
        bandwidth: of the kernel, in standard deviations of the prior.
        num_samples: K draws of z per example, averaged.
        kl: of the rate, `analytic` or `sampled`.
        estimator: of the gradient; `stl` with `kl=sampled`.
        chunk: draws decoded at once.

    References:
        Tolstikhin, Bousquet, Gelly and Schoelkopf, "Wasserstein Auto-Encoders", 2018, Algorithm 2.
    """
    with own_keys():
        penalty = MMD(weight, bandwidth, kernel)
        return ELBO(penalty=penalty, beta=0.0, num_samples=num_samples, kl=kl, estimator=estimator, chunk=chunk)
