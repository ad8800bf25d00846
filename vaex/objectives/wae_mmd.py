"""The Wasserstein autoencoder whose penalty is the maximum mean discrepancy."""

from vaex.objectives.elbo import ELBO
from vaex.objectives.penalties import MMD


def wae_mmd(weight: float = 10.0, kernel: str = "imq", bandwidth: float = 1.0, num_samples: int = 1) -> ELBO:
    """Returns WAE-MMD: distortion + weight MMD^2(q(z), p(z)), without a rate.

    The paper's cost c(x, G(z)) is the distortion here: the squared error with `likelihood=mse`. Its encoder may be
    deterministic; here it is the posterior, which is free to become narrow.

    Args:
        weight: lambda.
        kernel: `imq`, as in the paper, or `rbf`; see `penalties.MMD`.
        bandwidth: of the kernel, in standard deviations of the prior.
        num_samples: K draws of z per example, averaged.

    References:
        Tolstikhin, Bousquet, Gelly and Schoelkopf, "Wasserstein Auto-Encoders", 2018, Algorithm 2.
    """
    return ELBO(penalty=MMD(weight, bandwidth, kernel), beta=0.0, num_samples=num_samples)
