"""Shared names of types. Shapes: B batch, K samples, Z latent size, `*event` one example's axes."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Key, Shaped

PRNGKey = Key[Array, ""]
Scalar = Float[Array, ""]
Number = Shaped[Array, ""] | Shaped[np.ndarray, ""] | np.number | float | int  # traced or not
Event = Float[Array | np.ndarray, "*event"]  # one example
Raw = Float[
    Array | np.ndarray, "..."
]  # the decoder's output for one example: unconstrained, of `raw_shape(event_shape)`
Params = dict[str, Any]
ArrayLike = Shaped[Array, "..."] | Shaped[np.ndarray, "..."]


class Stats(NamedTuple):
    """What the parts may know of the training data when their parameters are drawn."""

    mean: Any  # [*event], of the prepared training split
    std: Any  # [*event], standard deviation, ddof 0
