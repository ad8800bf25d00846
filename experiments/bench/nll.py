"""The NLL of a whole test set beside the matrix products that it cannot do without, and the memory that it takes."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench.commands import MEASURE_MEMORY
from experiments.bench.rows import Goal, Row
from experiments.bench.synthetic import Synthetic
from experiments.bench.turns import run, say
from experiments.bench.worker import NotMeasured
from experiments.device import prepare_jax
from vaex.evaluation import Finished, measure
from vaex.likelihoods import Bernoulli
from vaex.metrics import NLL
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO
from vaex.part import canonical
from vaex.training import Job, Recipe, Trainer, init_state

CASE = "nll"
K = 5000  # draws an image
WHOLE = 10_000  # images of MNIST's test split
PART = 250  # of them that are evaluated; seconds are those of the whole, since no image knows of another
HIDDEN, LATENT_DIM, IMAGE = (200, 200), 50, (28, 28, 1)  # experiment=mnist
LAYERS = ((50, 200), (200, 200), (200, 784))  # of the decoder
BLOCKS = (500, 1000, 2500)  # draws in a product: the fastest counts
FLOPS = 2 * sum(i * o for i, o in LAYERS)  # of a draw
GOAL, MEMORY_GOAL = Goal("<=", 1.6), Goal("<=", 2)


def nll(repeats: int, scratch: Path) -> tuple[list[Row], dict[str, Any]]:
    """Returns the seconds of the NLL against those of its products, in one process, and the peak memory of another."""
    del scratch
    itself = [sys.executable, "-m", "experiments.bench.nll"]
    try:
        found = json.loads(run([*itself, str(repeats)]).splitlines()[-1])
        peak = int(run([sys.executable, "-c", MEASURE_MEMORY, *itself, "0"]).splitlines()[-1])
    except NotMeasured as reason:
        return [Row(CASE, "its products alone", "s", goal=GOAL, reason=str(reason))], {}
    gib = peak / 2**30 if sys.platform == "darwin" else peak / 2**20  # bytes there, KiB elsewhere
    raw = {"num_samples": K, "images": PART, "of": WHOLE, "seconds": found, "peak_gib": gib}
    return rows(found, gib), raw


def rows(found: dict[str, list[float]], gib: float) -> list[Row]:
    """Returns the seconds of the whole test set and the rates, against the products in their fastest blocks."""
    ours = found["ours"]
    block, products = min(((b, s) for b, s in found.items() if b != "ours"), key=lambda pair: median(pair[1]))
    what = f"its products alone, {block} draws each"

    def whole(seconds: Sequence[float]) -> list[float]:
        return [s * WHOLE / PART for s in seconds]

    def rate(seconds: Sequence[float]) -> list[float]:
        return [PART * K * FLOPS / s / 1e9 for s in seconds]

    return [
        Row(CASE, f"K = {K}, {WHOLE} images from {PART}: {what}", "s", whole(ours), whole(products), GOAL),
        Row(CASE, "the same", "GFLOP/s", rate(ours), rate(products)),
        Row(CASE, f"peak memory, {PART} images", "GiB", [gib], goal=MEMORY_GOAL),
    ]


def contestants() -> dict[str, Callable[[], float]]:
    """Returns ours, as `experiments.evaluate` measures it, and the products by their block: each call's seconds."""
    settings: Any = {"hidden": HIDDEN, "activation": "tanh", "kernel_init": "glorot_uniform"}
    model = canonical(
        VAE(
            encoder=encoders.MLP(**settings),
            decoder=decoders.MLP(**settings),
            likelihood=Bernoulli(),
            latent_dim=LATENT_DIM,
            event_shape=IMAGE,
        )
    )
    loaded = Synthetic(shape=IMAGE).load(model.likelihood)
    loaded = replace(loaded, test=loaded.test[:PART])
    recipe = canonical(Recipe(model, ELBO()))
    params = jax.device_get(init_state(recipe, loaded.stats).params)  # untrained: a draw costs what it costs
    finished = Finished(Job(recipe, loaded, Trainer(), Path()), model, params, 0, "")
    kernels = [params["decoder"][f"Dense_{i}"]["kernel"] for i in range(len(LAYERS))]
    assert tuple(kernel.shape for kernel in kernels) == LAYERS

    def of_products(block: int) -> float:
        start = time.perf_counter()
        jax.block_until_ready(products(kernels, z[block], PART * K // block))
        return time.perf_counter() - start

    rng = np.random.default_rng(0)
    z = {block: jax.device_put(rng.normal(size=(8, block, LATENT_DIM)).astype(np.float32)) for block in BLOCKS}
    return {
        "ours": lambda: measure([finished], CASE, NLL(num_samples=K))[0].seconds,
        **{str(block): partial(of_products, block) for block in BLOCKS},
    }


@jax.jit
def products(kernels: Sequence[Any], z: Any, times: int) -> Any:
    """Returns the last of `times` blocks of draws after the decoder's products.

    The blocks of `z` [blocks, draws, Z] take turns: of one, the compiler would see that every product is the same.
    """

    def one(i: Any, before: Any) -> Any:
        del before
        h = z[i % len(z)]
        for kernel in kernels:
            h = h @ kernel
        return h

    return jax.lax.fori_loop(0, times, one, jnp.zeros((z.shape[1], kernels[-1].shape[1])))


def main(repeats: int) -> dict[str, list[float]]:
    """Returns the seconds of everyone, in turns; with 0 repeats, of ours once, which then has the process to itself."""
    prepare_jax()
    everyone = contestants()
    if repeats == 0:
        return {"ours": [everyone["ours"]()]}
    for call in everyone.values():
        call()  # compiles
    found: dict[str, list[float]] = {name: [] for name in everyone}
    for repeat in range(1, repeats + 1):
        for name, call in everyone.items():
            found[name].append(call())
            say(f"{repeat} of {repeats}: {found[name][-1]:8.3f} s  {name}")
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
