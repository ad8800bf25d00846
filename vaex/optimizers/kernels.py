"""Which parameters are the kernels of networks."""

from typing import Any

import jax
import jax.numpy as jnp

from vaex.typing import Params

_NETWORKS = ("encoder", "decoder")  # all that lies under these is a network, whatever its author called it
_NEVER = ("bias", "scale")  # ends of names, however many axes a stack of layers or an image gives them


def kernels(params: Params) -> Any:
    """Returns a tree of flags: True for the kernels of networks, which multiply what a layer is given.

    That is a parameter of two axes or more that is not a bias or scale, and either lies under an `encoder` or
    `decoder`, or is called `kernel`, as Flax calls those of a flow's or a level's networks. The own numbers of a
    likelihood or prior, such as means and pseudo-inputs, are not kernels.
    """
    return jax.tree_util.tree_map_with_path(_is_kernel, params)


def _is_kernel(path: tuple[Any, ...], p: Any) -> bool:
    names = [_name(key) for key in path]
    if jnp.ndim(p) < 2 or not names or names[-1].endswith(_NEVER):
        return False
    return names[-1] == "kernel" or any(name in _NETWORKS for name in names)


def _name(key: Any) -> str:
    return str(getattr(key, "key", getattr(key, "name", key)))  # of a dict's entry, or of a field
