"""Other systems' losses are ours, times a constant and plus one: shown on numbers, for every convention."""

import itertools
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, log_expit, softmax

from experiments.assemble import build, refuse_unknown
from experiments.convert import main
from tests.test_docs import composed
from vaex._check import VaexError
from vaex.conventions import CONVENTIONS, convert
from vaex.distributions import Normal, kl_divergence

D, Z, C = 48, 5, 3
PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"


def row(name: str) -> str:
    """A convention's line of the page's table, in terms of D, Z and C."""
    c = CONVENTIONS[name]
    # the weight is a product of powers of the sizes: read them off
    one = c.weight(1.0, 1, 1, 1)
    powers = {"D": c.weight(1.0, 2, 1, 1) / one, "Z": c.weight(1.0, 1, 2, 1) / one, "C": c.weight(1.0, 1, 1, 2) / one}
    above = "".join(f" {k}" for k, v in powers.items() if v == 2)
    below = "".join(f" / {k}" for k, v in powers.items() if v == 0.5)
    factor = "" if one == 1 else f" / {1 / one:.6g}"
    effective = "" if c.at_unit_noise == 1 else f" / {1 / c.at_unit_noise:.6g}"
    weight = f"beta{above}{below}{factor}"
    here = " ".join(c.likelihood) or "any likelihood"
    return f"| `{name}` | {c.system} | `{c.loss}` | `{here}` | {weight} | {weight}{effective} |"


def test_the_pages_table_is_the_registry() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.split("| --- | --- | --- | --- | --- | --- |\n")[1] == "".join(f"{row(n)}\n" for n in CONVENTIONS)


def negative_log_likelihood(words: tuple[str, ...], x: np.ndarray, raw: np.ndarray, log_r: np.ndarray) -> np.ndarray:
    """Returns -log p of each value from scipy: of counts given their total, or of values in {0, 1}."""
    if "likelihood=negative_binomial" in words:
        r, mu = np.exp(log_r), x.sum() * softmax(raw)
        return -stats.nbinom.logpmf(x, r, r / (r + mu))
    return -stats.bernoulli.logpmf(x, expit(raw))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("beta", [0.0316, 4.0])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_converted_setting_has_the_same_loss(name: str, beta: float) -> None:
    found = convert(name, beta, num_dims=D, latent_dim=Z, channels=C)
    # The line as it is typed; `vdvae` takes any likelihood.
    words = found.line.split() if found.overrides else ["likelihood=bernoulli", *found.line.split()]
    config = composed(words)
    refuse_unknown(config)
    likelihood = build(config["likelihood"], "likelihood")
    weight = float(config["objective"]["beta"])
    rng = np.random.default_rng(0)
    prior = Normal(jnp.zeros(Z), jnp.zeros(Z))
    log_r = rng.normal(size=D)
    draw = {"binary": lambda: rng.integers(0, 2, D), "counts": lambda: rng.poisson(3.0, D)}
    # Both terms grow from the first to the second, so that no difference of a sum of them cancels.
    pairs = [(draw.get(likelihood.support, lambda: rng.random(D))(), k * rng.normal(size=D)) for k in (1, 2)]
    posteriors = [Normal(*jnp.asarray(k * rng.normal(size=(2, Z)))) for k in (1, 2)]
    theirs, ours = [], []
    # Both terms move alone, and then together: only one weight between them gives one slope.
    for (x, raw), q in itertools.product(pairs, posteriors):
        loc, log_scale = np.asarray(q.loc), np.asarray(q.log_scale)
        names = {
            "se": np.square(x - raw),
            "ae": np.abs(x - raw),
            "ce": -x * log_expit(raw) - (1 - x) * log_expit(-raw),
            "nll": negative_log_likelihood(found.overrides, x, raw, log_r),
            "kl": 0.5 * (np.exp(2 * log_scale) + loc**2 - 1) - log_scale,
        }
        known = {"beta": beta, "sum": np.sum, "mean": np.mean, "D": D, "Z": Z, "C": C}
        theirs.append(eval(CONVENTIONS[name].loss, names | known))
        params = {"log_library": jnp.zeros(()), "log_dispersion": jnp.asarray(log_r)}  # read by counts only
        log_px = likelihood.log_prob(params, jnp.asarray(raw), jnp.asarray(x, jnp.float64))
        rate = kl_divergence(q, prior)
        assert rate is not None
        ours.append(float(-log_px + weight * rate.sum()))
    slopes = (np.array(theirs) - theirs[0])[1:] / (np.array(ours) - ours[0])[1:]
    # The scale is held in float32 (1.2e-7), the typed beta has nine digits, and all else is float64.
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-6)
    assert slopes[0] > 0
    # And the likelihood itself implies the same numbers.
    implied = {k: float(v) for k, v in likelihood.implied(params, jnp.asarray(weight)).items()}
    noise = {} if found.observation_noise is None else {"observation_noise": found.observation_noise}
    assert implied == pytest.approx({"effective_beta": found.effective_beta, **noise}, rel=1e-6)  # float32 scales


EFFECTIVE = {  # at their own default, with noise of scale 1
    "pythae_mse": ({}, 1.0),
    "pythae_bce": ({}, 1.0),
    "disentanglement_lib_l2": ({}, 1 / 2),
    "artifex_mse": ({}, 1 / 2),
    "disentangling_vae_gaussian": ({}, 1 / 510),
    "disentangling_vae_laplace": ({}, 1 / 3),  # a beta of 1 at scale 1/3
    "disent_mse": ({"num_dims": 12288, "latent_dim": 25}, 7.766016),  # 64 x 64 x 3: 0.0316 * 12288 / 50
    "pytorch_vae": ({"num_dims": 12288}, 1.536),
    "pytorch_vae_validation": ({"num_dims": 12288}, 6144),
    "keras": ({"channels": 3}, 3.0),
    "flax": ({}, 1.0),
    "flax_nnx": ({"num_dims": 784, "latent_dim": 32}, 2.45),
    "pytorch": ({}, 1.0),
    "vdvae": ({}, 1.0),
    "scvi": ({}, 1.0),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_published_defaults_are_what_they_are_known_to_be(name: str) -> None:
    sizes, effective = EFFECTIVE[name]
    assert convert(name, **sizes).effective_beta == pytest.approx(effective, rel=1e-12)  # float64


def test_the_command_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\npython -m experiments.convert (.*?)\n```\n\n```\n(.*?)```$", text, re.M | re.S)
    assert len(blocks) == 2
    for words, printed in blocks:
        assert main(words.split()) == 0
        assert capsys.readouterr().out == printed
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in CONVENTIONS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("disent", "did you mean 'disent_mse'"),
        ("disent_mse beta=1", "expected num_dims"),
        ("disent_mse beta=x", "beta: expected a number, got 'x'"),
        ("keras chanels=3", "did you mean 'channels'"),
        ("keras channels=0", "channels: expected a whole number of at least 1"),
        ("disent_mse num_dims=1.5", "num_dims: expected a whole number, got '1.5'"),
        ("flax beta=-1", "beta: expected at least 0"),
        ("flax beta=nan", "beta: expected a number that float32 holds, got nan"),
        ("pytorch_vae beta=1e38 num_dims=1000", "which float32 does not hold"),
    ],
)
def test_mistakes_end_in_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_the_library_refuses_in_its_own_words() -> None:
    with pytest.raises(VaexError, match="did you mean"):
        convert("pythae")
