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
from vaex.distributions import kl_divergence
from vaex.models import VAE
from vaex.part import canonical
from vaex.training.evaluate import BATCH
from vaex.training.labels import labelled
from vaex.training.precision import REPORTED, Program
from vaex.training.streams import stream
from vaex.typing import Params, PRNGKey

COLUMNS = 10
CELL = 32  # pixels that a cell has at least on each side
REACH = 3.0  # of a traversal, in both directions


@partial(Program, static=("num",))
def _grids(
    model: VAE, preparation: Preparation, params: Params, key: PRNGKey, stored: Shaped[Array, "N *event"], num: int
) -> dict[str, Any]:
    generate = jax.vmap(lambda z: model.generate(params, z))
    x = preparation(stored[jnp.arange(2 * COLUMNS) % len(stored)])  # few examples repeat, so that the shapes stay
    prior = model.prior_of(params)
    z = jax.vmap(lambda k: prior.sample_and_log_prob(k)[0])(jax.random.split(key, COLUMNS * COLUMNS))
    samples = generate(z)
    means = jax.vmap(lambda x: model.posterior_of(params, x).mean)(x)
    kl = _mean_kl(model, preparation, params, stored)
    # One row a latent, those that say most of x first; around the first image's code.
    order = jnp.argsort(-(jnp.var(means, axis=0) if kl is None else kl))[:num]
    values = jnp.linspace(-REACH, REACH, COLUMNS)
    codes = jax.vmap(lambda d: jax.vmap(lambda v: means[0].at[d].set(v))(values))(order)
    return {
        "reconstructions": jnp.stack([x, generate(means)]),
        "samples": samples.reshape(COLUMNS, COLUMNS, *samples.shape[1:]),
        "traversal": jax.vmap(generate)(codes),
        "order": order,
        "kl": None if kl is None else kl[order],
    }


def _mean_kl(
    model: VAE, preparation: Preparation, params: Params, stored: Shaped[Array, "N *event"]
) -> Float[Array, " Z"] | None:
    """Returns KL(q(z_d|x) || p(z_d)) of each latent, a mean over the split, in nats; None without a closed form."""
    prior = model.prior_of(params)

    def kl(stored: Shaped[Array, " *event"]) -> Any:
        return kl_divergence(model.posterior_of(params, preparation(stored)), prior)

    found = jax.lax.map(kl, stored, batch_size=min(BATCH, len(stored)))
    return None if found is None else jnp.mean(found, axis=0)


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
    draws from the prior, from one key for every run, so that the runs of a sweep compare z by z. `traversal`: a row for
    each of the latents with the largest KL, from -3 to 3, the others at the first image's code; beside it the latent's
    number, counted from 0, and its mean KL on the test split in nats.
    """
    from PIL import Image

    make_folder(folder)
    key = stream(0, "figures")
    num = min(COLUMNS, model.latent_dim)
    grids = _grids(model, canonical(preparation), params, key, np.asarray(test), num=num, products=products)
    found = jax.device_get(grids)
    order, kl = found.pop("order"), found.pop("kl")
    found = {name: np.asarray(preparation.inverse(grid)) for name, grid in found.items()}
    pairs = found["reconstructions"]  # [2, 20, ...]: two bands of originals above reconstructions
    found["reconstructions"] = np.concatenate([pairs[:, :COLUMNS], pairs[:, COLUMNS:]])
    low, high = float(pairs[0].min()), float(pairs[0].max())  # grey levels span what the originals span
    paths = {}
    for name, grid in found.items():
        image = Image.fromarray(sheet(grid, low, high))
        if name == "traversal":
            image = labelled(image, *_words(order, kl, model.latent_dim))
        paths[name] = folder / f"{name}.png"
        png = io.BytesIO()
        image.save(png, "png")
        write_bytes(paths[name], png.getvalue())
    return paths


def _words(order: np.ndarray, kl: np.ndarray | None, latent_dim: int) -> tuple[list[str], list[list[str]], list[str]]:
    """Returns what stands above the columns of a traversal, beside its rows, and on top."""
    columns = [f"{value:+.1f}" for value in np.linspace(-REACH, REACH, COLUMNS)]
    rows = [[f"z{d}"] if kl is None else [f"z{d}", f"{_short(float(kl[i]))} nats"] for i, d in enumerate(order)]
    if latent_dim == 1:
        return columns, rows, ["the only latent"]
    by = "by the variance of its mean" if kl is None else "by mean KL on the test split"
    return columns, rows, [f"{len(order)} of {latent_dim} latents, {by};", "the others at the first image's code"]


def _short(nats: float) -> str:
    return "<0.01" if 0 < nats < 0.01 else f"{nats:.2f}"


def sheet(grid: Float[np.ndarray, "rows columns H W C"], low: float, high: float) -> np.ndarray:
    """Returns rows and columns of images as the bytes of one, black at `low` and white at `high`."""
    rows, columns, height, width, depth = grid.shape
    grey = depth not in (3, 4)
    pixels = grid.mean(axis=-1, keepdims=True) if grey else grid[..., :3]
    pixels = np.nan_to_num(pixels, nan=low, posinf=high, neginf=low)  # a diverged run has figures too
    pixels = np.clip((pixels - low) / max(high - low, 1e-12), 0.0, 1.0)
    zoom = max(1, -(-CELL // min(height, width)))
    pixels = np.repeat(np.repeat(pixels, zoom, axis=2), zoom, axis=3)
    framed = np.full((rows, columns, height * zoom + 2, width * zoom + 2, pixels.shape[-1]), 0.35)
    framed[:, :, 1:-1, 1:-1] = pixels
    whole = framed.transpose(0, 2, 1, 3, 4).reshape(rows * framed.shape[2], columns * framed.shape[3], -1)
    image = np.round(255 * whole).astype(np.uint8)
    return image[..., 0] if grey else image
