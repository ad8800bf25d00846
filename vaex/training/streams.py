"""Independent streams of randomness, each folded from the run's seed by name."""

import jax

from vaex.typing import Number, PRNGKey

_STREAMS = (
    *("init", "noise", "evaluation", "objective", "calibration", "figures", "binarization"),
    *("sample", "log_prob", "decomposition"),
)


SPLITS = ("test", "validation")  # the test split's streams are also those of what knows no split
_PER_SPLIT = 2**16  # far above the number of streams


def stream(seed: Number, name: str, split: Number = 0) -> PRNGKey:
    """Returns the root key of a named stream of a run.

    Args:
        seed: of the run.
        name: of the stream.
        split: the place in `SPLITS` of the split whose examples draw from it: example i of two splits shares no noise.
    """
    return jax.random.fold_in(jax.random.key(seed), _STREAMS.index(name) + _PER_SPLIT * split)
