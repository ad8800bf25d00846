"""The ELBO with a weight on each part of its rate."""

from vaex.objectives.elbo import ELBO
from vaex.objectives.penalties import TotalCorrelation
from vaex.objectives.preset import own_keys


def tc_vae(
    mutual_information: float = 1.0,
    total_correlation: float = 6.0,
    dimension_wise_kl: float = 1.0,
    tc_estimator: str = "stratified",
    num_samples: int = 1,
    kl: str = "analytic",
    estimator: str = "reparameterized",
    chunk: int | None = None,
) -> ELBO:
    """Returns beta-TCVAE: distortion + a I(x; z) + b TC + c sum_d KL(q(z_d) || p(z_d)).

    It is the ELBO at beta = 1 with a `TotalCorrelation` penalty, which other objectives take as well. (Weights 1, 1, 1
    are the plain ELBO; the paper's beta is b.)

    Args:
        mutual_information: a.
        total_correlation: b.
        dimension_wise_kl: c.
        tc_estimator: `stratified` or `minibatch_weighted`.
        num_samples: K draws of z per example, averaged.
        kl: of the rate, `analytic` or `sampled`.
        estimator: of the gradient; `stl` with `kl=sampled`.
        chunk: draws decoded at once.

    References:
        Chen, Li, Grosse and Duvenaud, "Isolating Sources of Disentanglement in VAEs", 2018, Eq. 4.
    """
    with own_keys(estimator="tc_estimator"):
        penalty = TotalCorrelation(mutual_information, total_correlation, dimension_wise_kl, tc_estimator)
        return ELBO(penalty=penalty, num_samples=num_samples, kl=kl, estimator=estimator, chunk=chunk)
