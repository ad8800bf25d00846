"""Independent streams of randomness, each folded from the run's seed by name."""

import jax

from vaex.typing import Number, PRNGKey

_STREAMS = (
    *("init", "noise", "evaluation", "objective", "calibration", "figures", "binarization"),
    *("sample", "log_prob", "decomposition"),
)


def stream(seed: Number, name: str) -> PRNGKey:
    """Returns the root key of a named stream of a run."""
    return jax.random.fold_in(jax.random.key(seed), _STREAMS.index(name))
