"""The variational autoencoder: an encoder, a posterior, a prior, a decoder and a likelihood."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Key

from vaex import _check
from vaex._check import VaexError
from vaex.distributions import Distribution, has_kl, kl_divergence
from vaex.likelihoods import Likelihood
from vaex.models._gradients import scaled_copies
from vaex.models.posteriors import DiagonalNormal
from vaex.models.priors import StandardNormal
from vaex.objectives import Drawing, Draws, Level
from vaex.part import part, static
from vaex.typing import Event, Params, PRNGKey, Scalar, Stats


@part
class VAE:
    """A model of one example x of shape `event_shape`, by way of z of shape [latent_dim]; `vmap` adds the batch.

    Each call runs as often as it must: `prior` once a step, `posterior_of` once an example, `draws` K times.
    """

    encoder: nn.Module = static()
    decoder: nn.Module = static()
    likelihood: Likelihood
    latent_dim: int = static()
    event_shape: tuple[int, ...] = static()
    posterior: Any = DiagonalNormal()
    prior: Any = StandardNormal()
    precision: str = static(default="float32")  # of the networks; densities are always float32

    def __post_init__(self) -> None:
        _check.whole("latent_dim", self.latent_dim)
        _check.one_of("trainer.precision", self.precision, ("float32", "bfloat16"))
        for role, module in (("encoder", self.encoder), ("decoder", self.decoder)):
            try:
                hash(module)
            except TypeError:
                raise VaexError(
                    f"{role}: expected a module whose fields are names, numbers and tuples, got one that does not "
                    f"hash: {module!r}; write its lists as tuples"
                ) from None

    @property
    def has_exact_kl(self) -> bool:
        """Whether KL(q(z|x) || p(z)) has a closed form."""
        return has_kl(self.posterior.distribution, self.prior.distribution)

    def init(self, key: PRNGKey, stats: Stats) -> Params:
        """Returns the parameters of every part; `stats` are the training data's."""
        keys = dict(zip(("encoder", "decoder", "prior", "likelihood"), jax.random.split(key, 4), strict=True))
        x, z = jnp.zeros(self.event_shape), jnp.zeros(self.latent_dim)
        features = self.posterior.num_features(self.latent_dim)
        bias = self.likelihood.output_bias(stats)
        raw_shape = self.likelihood.raw_shape(self.event_shape)
        return {
            "encoder": self.encoder.init(keys["encoder"], x, features).get("params", {}),
            "decoder": self.decoder.init(keys["decoder"], z, raw_shape, bias).get("params", {}),
            "prior": self.prior.init(keys["prior"], self.latent_dim, stats),
            "likelihood": self.likelihood.init(keys["likelihood"], stats),
        }

    def prior_of(self, params: Params) -> Distribution:
        """Returns p(z)."""
        return self.prior(params["prior"], self.latent_dim)

    def posterior_of(self, params: Params, x: Event) -> Distribution:
        """Returns q(z|x) of one example."""
        shown = self.likelihood.encoder_view(x)
        features = self._apply(self.encoder, params["encoder"], shown, self.posterior.num_features(self.latent_dim))
        return self.posterior(features)

    def decode(self, params: Params, z: Float[Array, " Z"]) -> Float[Array, "..."]:
        """Returns the likelihood's raw parameters for one z."""
        return self._apply(self.decoder, params["decoder"], z, self.likelihood.raw_shape(self.event_shape))

    def draws(
        self,
        params: Params,
        prior: Distribution,
        q: Distribution,
        keys: Key[Array, " K"],
        x: Event,
        weight: Scalar | None = None,
        drawing: Drawing = Drawing(),  # noqa: B008 - immutable
    ) -> Draws:
        """Returns K draws from q(z|x), one a key, and how well each explains x.

        Args:
            params: of every part.
            prior: p(z).
            q: q(z|x).
            keys: one a draw.
            x: one example.
            weight: in training, the example's weight in the batch (the axis `batch` must exist); None in evaluation,
                where nothing may depend on the batch.
            drawing: the gradient estimator, and how many draws to decode at once.
        """
        own = params["likelihood"]
        reads_batch = self.likelihood.reads_batch and weight is not None

        def one(key: PRNGKey, own_q: Distribution = q) -> tuple[Array, Array, Array, Array]:
            z, log_qz = own_q.sample_and_log_prob(key)
            if drawing.stop_q:
                log_qz = jax.lax.stop_gradient(q).log_prob(z)
            raw = self.decode(params, z)
            return z, log_qz, prior.log_prob(z), raw if reads_batch else self.likelihood.log_prob(own, raw, x)

        qs = ()
        if drawing.path is not None:
            # The weights from a first pass, which XLA merges with the second: it costs nothing unless in chunks.
            _, log_qz, log_pz, log_px = jax.lax.stop_gradient(_over_samples(one, (keys,), drawing.chunk))
            qs = (scaled_copies(q, drawing.path(log_px + log_pz - log_qz)),)
        z, log_qz, log_pz, log_px = _over_samples(one, (keys, *qs), drawing.chunk)  # [K, Z], [K], [K], [K]
        if reads_batch and weight is not None:
            raw, own = log_px, self.likelihood.at_batch(own, log_px, x, weight)
            log_px = _over_samples(lambda r: self.likelihood.log_prob(own, r, x), (raw,))
        kl = kl_divergence(q, prior)
        return Draws((Level(z, log_qz, log_pz, q, None if kl is None else kl[None]),), log_px, own)

    def apply(self, params: Params, key: PRNGKey, x: Event, num_samples: int = 1) -> Draws:
        """Returns `num_samples` draws for one example: prior, posterior and draws in one call."""
        keys = jax.random.split(key, num_samples)
        return self.draws(params, self.prior_of(params), self.posterior_of(params, x), keys, x)

    def reconstruct(self, params: Params, x: Event) -> Float[Array, "*event"]:
        """Returns E[x | z = E_q z]: the mean reconstruction of one example."""
        raw = self.decode(params, self.posterior_of(params, x).mean)
        return self.likelihood.mean_given(params["likelihood"], raw, x)

    def generate(self, params: Params, z: Float[Array, " Z"]) -> Float[Array, "*event"]:
        """Returns E[x | z]."""
        return self.likelihood.mean(params["likelihood"], self.decode(params, z))

    def _apply(self, module: nn.Module, params: Params, x: Event, *args: Any) -> Array:
        if self.precision == "float32":
            return module.apply({"params": params}, x, *args).astype(jnp.float32)  # type: ignore[union-attr]
        params, x = jax.tree.map(lambda a: a.astype(self.precision), (params, x))
        with jax.default_matmul_precision(None):  # that of float32 products is not theirs
            return module.apply({"params": params}, x, *args).astype(jnp.float32)  # type: ignore[union-attr]


def _over_samples(function: Callable[..., Any], samples: tuple[Any, ...], chunk: int | None = None) -> Any:
    """Returns the function over the leading axis K, of at most `chunk` at once."""
    num = len(samples[0])
    if num == 1:
        # With an axis of one sample beside the batch's, XLA transposes every activation for a weight's gradient.
        return jax.tree.map(lambda a: jnp.expand_dims(a, 0), function(*jax.tree.map(lambda a: a[0], samples)))
    if chunk is None or chunk >= num:
        return jax.vmap(function)(*samples)
    # Of every chunk but the one at work only z and its densities are kept: memory is bounded whatever K is.
    return jax.lax.map(jax.checkpoint(lambda s: function(*s)), samples, batch_size=chunk)
