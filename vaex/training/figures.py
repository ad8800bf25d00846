"""Image grids of a model, in the data's own units: by PIL, in milliseconds where a plot takes tenths of seconds."""

import io
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from vaex._write import make_folder, write_bytes
from vaex.data import Preparation
from vaex.models import VAE
from vaex.part import canonical
from vaex.training.precision import REPORTED, Program
from vaex.training.streams import stream
from vaex.typing import Params, PRNGKey

COLUMNS = 10
CELL = 32  # pixels that a cell has at least on each side


@partial(Program, static=("num",))
def _grids(
    model: VAE, preparation: Preparation, params: Params, key: PRNGKey, stored: Shaped[Array, "N *event"], num: int
) -> dict[str, Any]:
    generate = jax.vmap(lambda z: model.generate(params, z))
    x = preparation(stored)
    prior = model.prior_of(params)
    z = jax.vmap(lambda k: prior.sample_and_log_prob(k)[0])(jax.random.split(key, COLUMNS * COLUMNS))
    samples = generate(z)
    means = jax.vmap(lambda x: model.posterior_of(params, x).mean)(x)
    # One row a latent, those that vary most over the images first; around the first image's code.
    order = jnp.argsort(-jnp.var(means, axis=0))[:num]
    values = jnp.linspace(-3.0, 3.0, COLUMNS)
    codes = jax.vmap(lambda d: jax.vmap(lambda v: means[0].at[d].set(v))(values))(order)
    return {
        "reconstructions": jnp.stack([x, generate(means)]),
        "samples": samples.reshape(COLUMNS, COLUMNS, *samples.shape[1:]),
        "traversal": jax.vmap(generate)(codes),
    }


def draw(
    folder: Path,
    model: VAE,
    preparation: Preparation,
    params: Params,
    test: np.ndarray,
    products: str = REPORTED,
) -> dict[str, Path]:
    """Writes the PNGs and returns their paths by name.

    `reconstructions`: the first test images, unpicked, above their mean reconstructions. `samples`: means of p(x|z) at
    draws from the prior, from one key for every run, so that the runs of a sweep compare z by z. `traversal`: a row a
    latent, from -3 to 3, the others at the first image's code.
    """
    make_folder(folder)
    stored = np.asarray(test[: 2 * COLUMNS])
    # Few examples repeat, so that the program's shapes stay.
    stored = stored[np.arange(2 * COLUMNS) % len(stored)]
    key = stream(0, "figures")
    num = min(COLUMNS, model.latent_dim)
    grids: dict[str, Any] = dict(_grids(model, canonical(preparation), params, key, stored, num=num, products=products))
    grids = {name: np.asarray(preparation.inverse(np.asarray(grid))) for name, grid in grids.items()}
    pairs = grids["reconstructions"]  # [2, 20, ...]: two bands of originals above reconstructions
    grids["reconstructions"] = np.concatenate([pairs[:, :COLUMNS], pairs[:, COLUMNS:]])
    low, high = float(pairs[0].min()), float(pairs[0].max())  # grey levels span what the originals span
    paths = {}
    for name, grid in grids.items():
        paths[name] = folder / f"{name}.png"
        save_grid(paths[name], grid, low, high)
    return paths


def save_grid(path: Path, grid: Float[np.ndarray, "rows columns H W C"], low: float, high: float) -> None:
    """Writes one PNG of rows and columns of images, black at `low` and white at `high`."""
    from PIL import Image

    rows, columns, height, width, depth = grid.shape
    grey = depth not in (3, 4)
    pixels = grid.mean(axis=-1, keepdims=True) if grey else grid[..., :3]
    pixels = np.nan_to_num(pixels, nan=low, posinf=high, neginf=low)  # a diverged run has figures too
    pixels = np.clip((pixels - low) / max(high - low, 1e-12), 0.0, 1.0)
    zoom = max(1, -(-CELL // min(height, width)))
    pixels = np.repeat(np.repeat(pixels, zoom, axis=2), zoom, axis=3)
    framed = np.full((rows, columns, height * zoom + 2, width * zoom + 2, pixels.shape[-1]), 0.35)
    framed[:, :, 1:-1, 1:-1] = pixels
    sheet = framed.transpose(0, 2, 1, 3, 4).reshape(rows * framed.shape[2], columns * framed.shape[3], -1)
    image = np.round(255 * sheet).astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(image[..., 0] if grey else image).save(png, path.suffix.lstrip("."))
    write_bytes(path, png.getvalue())
