"""`vaex.load`: a finished run as functions on plain arrays, in the data's own units."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vaex import _check
from vaex._check import VaexError
from vaex.data import Preparation
from vaex.metrics import importance_estimate
from vaex.metrics.base import DRAWS
from vaex.metrics.nll import CHUNK
from vaex.models import VAE
from vaex.part import canonical, from_dict
from vaex.training import checkpoint, earlier
from vaex.training.checkpoint import Checkpoint
from vaex.training.evaluate import BATCH
from vaex.training.files import check, making_sense_of
from vaex.training.precision import Program
from vaex.training.streams import stream
from vaex.trust import modules
from vaex.typing import Params, Stats

Data = Float[Array | np.ndarray, "N ..."]


def load(
    run_dir: str | Path = "latest", output_dir: str | Path = "outputs", trust: str | Sequence[str] = ()
) -> "LoadedModel":
    """Returns the model of a run.

    Args:
        run_dir: its folder, or `latest` for the newest run under `output_dir` that has a checkpoint.
        output_dir: where runs lie.
        trust: names of modules whose parts the checkpoint may name beside ours, which are then imported: `("mypkg",)`.

    Raises:
        VaexError: where there is no checkpoint, it is damaged, or it names what is neither ours nor trusted.
    """
    folder = latest_run(Path(output_dir)) if str(run_dir) == "latest" else Path(run_dir).expanduser()
    found = checkpoint.require(folder)
    model, preparation = _described(found, folder, modules(trust))
    with making_sense_of(folder):
        zeros = np.zeros(model.event_shape, np.float32)
        like = jax.eval_shape(model.init, jax.random.key(0), Stats(zeros, zeros))
        params = checkpoint.from_arrays(like, checkpoint.eval_arrays(found), str(folder))
    return LoadedModel(model, jax.device_put(params), preparation, found.step, folder)


def _described(found: Checkpoint, folder: Path, trust: Sequence[str]) -> tuple[VAE, Preparation]:
    """Returns the model and the preparation in a checkpoint's metadata."""
    try:
        with making_sense_of(folder):
            model = canonical(from_dict(earlier.recipe_of(found.meta)["model"], trust))
            preparation = from_dict(found.meta["preparation"], trust)
        check(model, VAE, folder / "checkpoint", "recipe.model")
        check(preparation, Preparation, folder / "checkpoint", "preparation")
    except VaexError as error:
        raise VaexError(f"{folder}: {error}") from None
    return model, preparation


def latest_run(output_dir: Path) -> Path:
    """Returns the newest run's folder: the one whose last checkpoint was written last."""
    found = [*output_dir.glob("runs/*/*/checkpoint"), *output_dir.glob("sweeps/*/*/*/checkpoint")]
    if not found:
        raise VaexError(
            f"no run with a checkpoint under {output_dir.resolve()}; train one: python -m experiments.train"
        )
    return max(found, key=lambda folder: folder.stat().st_mtime).parent


class LoadedModel:
    """A trained model on arrays of N examples in the data's own units; whatever draws takes a `seed`."""

    def __init__(self, model: VAE, params: Params, preparation: Preparation, step: int, folder: Path):
        self.model, self.params, self.preparation = model, params, preparation
        self.step, self.folder = step, folder

    def __repr__(self) -> str:
        model = self.model
        return (
            f"LoadedModel({self.folder}, step {self.step}: {model.event_shape} -> {model.latent_dim}, "
            f"likelihood={model.likelihood.name})"
        )

    def compress(self, x: Data) -> Float[np.ndarray, "N Z"]:
        """Returns the posterior means."""
        return self.encode(x).mean

    def encode(self, x: Data) -> Any:
        """Returns the posteriors q(z|x): a distribution whose arrays have a leading N."""
        return _in_batches(partial(_encode, self.model, self.params), self.prepared(x))

    def decompress(self, z: Float[Array | np.ndarray, "N Z"]) -> Float[np.ndarray, "N ..."]:
        """Returns E[x|z], in the data's own units."""
        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.model.latent_dim:
            raise VaexError(f"decompress: expected codes of shape (N, {self.model.latent_dim}), got {z.shape}")
        return np.asarray(self.preparation.inverse(_in_batches(partial(_generate, self.model, self.params), z)))

    def reconstruct(self, x: Data) -> Float[np.ndarray, "N ..."]:
        """Returns the mean reconstructions: `decompress(compress(x))`, with x's own total where that is given."""
        if not self.model.likelihood.condition:
            return self.decompress(self.compress(x))
        return np.asarray(
            self.preparation.inverse(_in_batches(partial(_reconstruct, self.model, self.params), self.prepared(x)))
        )

    def sample(self, n: int, seed: int = 0, mean: bool = False, first: int = 0) -> Float[np.ndarray, "N ..."]:
        """Returns n draws of x from the model, in the data's own units; E[x|z] at n draws of z with `mean`.

        Draw i has a key of its own: `first` is the number of the first one, so that draws can be made part by part.
        """
        _check.whole("n", n)
        key, index = stream(seed, "sample"), np.arange(first, first + n, dtype=np.uint32)
        return np.asarray(
            self.preparation.inverse(_in_batches(partial(_sample, self.model, self.params, key, mean=mean), index))
        )

    def log_prob(self, x: Data, num_samples: int = 500, seed: int = 0) -> Float[np.ndarray, " N"]:
        """Returns log p(x) in nats per example, importance-weighted: in expectation a lower bound.

        It is a density of the data as given: the Jacobian of the data's rescaling is included.

        Raises:
            VaexError: where the model has no density (likelihood=bce), or x lies outside its support.
        """
        return self.log_prob_and_ess(x, num_samples, seed)[0]

    def log_prob_and_ess(
        self, x: Data, num_samples: int = 500, seed: int = 0, first: int = 0
    ) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """Returns `log_prob(x)` and the effective sample size of each example's weights, from 1 to `num_samples`.

        Example i has keys of its own: `first` is the number of the first one, so that a file can be scored part by
        part.

        Raises:
            VaexError: as `log_prob`.
        """
        likelihood = self.model.likelihood
        self.check_density()
        _check.whole("num_samples", num_samples)
        x = self.prepared(x)
        likelihood.check_support(np.asarray(x), "log_prob's x")
        index = np.arange(first, first + len(x), dtype=np.int32)
        estimate = partial(
            *(_log_prob, self.model, self.params, stream(seed, "log_prob")),
            num_samples=num_samples,
            chunk=min(num_samples, CHUNK),
        )
        log_px, ess = _in_batches(lambda pair: estimate(*pair), (index, x), size=scored_at_once(num_samples))
        return log_px + likelihood.log_jacobian(self.preparation.log_jacobian(self.model.event_shape)), ess

    def check_density(self) -> None:
        """Raises `VaexError` where the model has no density (likelihood=bce)."""
        likelihood = self.model.likelihood
        if not likelihood.is_density:
            raise VaexError(f"log_prob: likelihood={likelihood.name} is no density; train with one that is")

    def prepared(self, x: Data) -> Float[np.ndarray, "N ..."]:
        """Returns the model's x of data in their own units (never binarized).

        Raises:
            VaexError: where they have another shape than the model's examples, or are not finite.
        """
        x = np.asarray(x)  # in its own precision: an offset may dwarf the spread
        if x.dtype.kind not in "fiub":
            raise VaexError(f"expected numbers, got {x.dtype}")
        shape = self.model.event_shape
        if x.shape[1:] != shape and (*x.shape[1:], 1) == shape:
            x = x[..., None]
        if x.shape[1:] != shape or not len(x):
            one = "; one example is x[None]" if x.shape == shape else ""
            raise VaexError(f"expected examples of shape (N, {', '.join(map(str, shape))}), got {x.shape}{one}")
        if not np.isfinite(x).all():
            raise VaexError("expected finite numbers, got NaN or infinity; remove or fill them in")
        if self.preparation.divisor > 1 and x.max() > 1 and (x == np.round(x)).all():
            steps = self.preparation.levels - 1
            raise VaexError(
                f"expected grey values k / {steps} in [0, 1], got whole numbers up to {x.max():g}; divide by {steps}"
            )
        return np.asarray(self.preparation.forward(x))


@Program
def _encode(model: VAE, params: Params, x: Array) -> Any:
    return jax.vmap(lambda x: model.posterior_of(params, x))(x)


@Program
def _generate(model: VAE, params: Params, z: Array) -> Array:
    return jax.vmap(lambda z: model.generate(params, z))(z)


@Program
def _reconstruct(model: VAE, params: Params, x: Array) -> Array:
    return jax.vmap(lambda x: model.reconstruct(params, x))(x)


@partial(Program, static=("mean",))
def _sample(model: VAE, params: Params, key: Array, index: Array, mean: bool) -> Array:
    prior, own = model.prior_of(params), params["likelihood"]

    def one(i: Array) -> Array:
        of_z, of_x = jax.random.split(jax.random.fold_in(key, i))
        raw = model.decode(params, prior.sample_and_log_prob(of_z)[0])
        return model.likelihood.mean(own, raw) if mean else model.likelihood.sample(own, of_x, raw)

    return jax.vmap(one)(index)


@partial(Program, static=("num_samples", "chunk"))
def _log_prob(
    model: VAE, params: Params, key: Array, index: Array, x: Array, num_samples: int, chunk: int
) -> tuple[Array, Array]:
    found = jax.vmap(lambda i, x: importance_estimate(model, params, key, i, x, num_samples, chunk))(index, x)
    return -found.nll, found.ess


def scored_at_once(num_samples: int) -> int:
    """Returns how many examples a device call scores: as many as decode `DRAWS` draws, and a divisor of `BATCH`."""
    most = min(BATCH, max(1, DRAWS // min(num_samples, CHUNK)))
    return next(size for size in range(most, 0, -1) if BATCH % size == 0)


def _in_batches(function: Callable[[Any], Any], inputs: Any, size: int = BATCH) -> Any:
    """Returns the function over a leading axis, in batches of one size (the last one padded), on the host."""
    num = len(jax.tree.leaves(inputs)[0])

    def part(first: int) -> Any:
        index = jnp.minimum(jnp.arange(first, first + min(size, num)), num - 1)
        done = function(jax.tree.map(lambda a: a[index], inputs))
        return jax.tree.map(lambda a: np.asarray(a)[: num - first], done)

    return jax.tree.map(lambda *a: np.concatenate(a), *[part(first) for first in range(0, num, size)])
