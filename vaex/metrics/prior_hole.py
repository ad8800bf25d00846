"""Whether draws from the prior can be told from codes: a classifier two-sample score."""

from typing import Any

import numpy as np
from jaxtyping import Float

FOLDS = 2
MOST = 5000  # codes, so that the classifier takes seconds
ESTIMATOR = (
    "2 accuracy - 1 of gradient-boosted trees that tell draws of q(z) from draws of p(z), on the half that they have "
    "not seen ({num} of each): at most the total variation between the two in expectation, and 0 where they agree"
)


def prior_hole(codes: Float[np.ndarray, "N Z"], prior: Float[np.ndarray, "N Z"]) -> dict[str, Any]:
    """Returns the score, about 0 (no hole) to 1 (the prior lies where no code is), its standard error, and how.

    Args:
        codes: one draw from each example's q(z|x).
        prior: as many draws from p(z).

    References:
        Rosca, Lakshminarayanan and Mohamed, "Distribution Matching in Variational Inference", 2018; Lopez-Paz and
        Oquab, "Revisiting Classifier Two-Sample Tests", 2017.
    """
    num = min(len(codes), len(prior), MOST)
    places = np.linspace(0, min(len(codes), len(prior)) - 1, num).round().astype(int)  # a split may be sorted
    codes, prior = codes[places], prior[places]
    if num < 2 * FOLDS or not (np.isfinite(codes).all() and np.isfinite(prior).all()):
        return {"prior_hole": None, "prior_hole_se": None, "prior_hole_estimator": None}
    from sklearn.ensemble import HistGradientBoostingClassifier  # takes a second
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    right = np.zeros((2, num), bool)
    for fold in range(FOLDS):
        held = np.arange(num) % FOLDS == fold
        seen = np.concatenate([codes[~held], prior[~held]])
        labels = np.repeat([1, 0], (~held).sum())
        trees = HistGradientBoostingClassifier(max_iter=50, random_state=0)
        with threadpool_limits(1, "openmp"):  # threads that wait for a core that another process holds: 50 s, not 0.2
            trees.fit(seen, labels)
            right[0, held] = trees.predict(codes[held]) == 1
            right[1, held] = trees.predict(prior[held]) == 0
    # Each code with a draw of its own: the pairs of a half are independent, given its trees. The halves are not, since
    # each trained the other's trees: the standard error of their mean is at most the mean of theirs.
    score = right.sum(0) - 1.0
    halves = [score[fold::FOLDS] for fold in range(FOLDS)]
    return {
        "prior_hole": float(score.mean()),
        "prior_hole_se": float(np.mean([half.std(ddof=1) / np.sqrt(len(half)) for half in halves])),
        "prior_hole_estimator": ESTIMATOR.format(num=num),
    }
