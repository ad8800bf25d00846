"""The ELBO with a penalty on the covariance of the aggregate posterior."""

from vaex.objectives.elbo import ELBO
from vaex.objectives.penalties import DIP
from vaex.objectives.preset import own_keys


def dip_vae(
    off_diagonal: float = 10.0,
    diagonal: float = 10.0,
    kind: str = "ii",
    beta: float = 1.0,
    num_samples: int = 1,
    kl: str = "analytic",
    estimator: str = "reparameterized",
    chunk: int | None = None,
) -> ELBO:
    """Returns DIP-VAE: distortion + beta rate + a sum_{i != j} C_ij^2 + b sum_i (C_ii - 1)^2.

    Args:
        off_diagonal: a.
        diagonal: b.
        kind: `i`, C the covariance of the posterior means; `ii`, that of z.
        beta: of the rate; 1 in the paper.
        num_samples: K draws of z per example, averaged.
        kl: of the rate, `analytic` or `sampled`.
        estimator: of the gradient; `stl` with `kl=sampled`.
        chunk: draws decoded at once.

    References:
        Kumar, Sattigeri and Balakrishnan, "Variational Inference of Disentangled Latent Concepts", 2018.
    """
    with own_keys():
        penalty = DIP(off_diagonal, diagonal, kind)
        return ELBO(penalty=penalty, beta=beta, num_samples=num_samples, kl=kl, estimator=estimator, chunk=chunk)
