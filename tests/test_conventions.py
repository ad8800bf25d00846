"""Other systems' losses are ours, times a constant and plus one: shown on numbers, for every convention."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_expit

from experiments.assemble import build
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


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_converted_setting_has_the_same_loss(name: str) -> None:
    convention, beta = CONVENTIONS[name], 0.7
    found = convert(name, beta, num_dims=D, latent_dim=Z, channels=C)
    overrides = [word for word in found.overrides if word.startswith("likelihood")] or ["likelihood=bernoulli"]
    likelihood = build(composed(overrides)["likelihood"], "likelihood")
    rng = np.random.default_rng(0)
    prior = Normal(jnp.zeros(Z), jnp.zeros(Z))
    theirs, ours = [], []
    for _ in range(4):
        binary = likelihood.support == "binary"
        counts = likelihood.support == "counts"
        x = rng.integers(0, 2, D) if binary else rng.poisson(3.0, D) if counts else rng.random(D)
        x, raw = x.astype(np.float32), rng.normal(size=D).astype(np.float32)
        q = Normal(*jnp.asarray(rng.normal(size=(2, Z)), jnp.float32))
        kl = np.asarray(kl_divergence(q, prior), np.float64)
        params = {"log_library": jnp.float32(0.0), "log_dispersion": jnp.zeros(D)} if counts else {}
        nll = -float(likelihood.log_prob(params, jnp.asarray(raw), jnp.asarray(x)))
        x64, raw64 = x.astype(np.float64), raw.astype(np.float64)
        names = {
            "se": np.square(x64 - raw64),
            "ae": np.abs(x64 - raw64),
            "ce": -x64 * log_expit(raw64) - (1 - x64) * log_expit(-raw64),
            "nll": np.array([nll]),
            "kl": kl,
            "beta": beta,
            "sum": np.sum,
            "mean": np.mean,
            "D": D,
            "Z": Z,
            "C": C,
        }
        theirs.append(eval(convention.loss, names))
        ours.append(nll + found.beta * kl.sum())
    slopes = np.diff(theirs) / np.diff(ours)
    np.testing.assert_allclose(slopes, slopes[0], rtol=2e-4)  # differences of float32 sums of order 100
    assert slopes[0] > 0
    # The weight at unit noise: implied() of the likelihood itself says the same.
    implied = likelihood.implied({}, jnp.float32(found.beta))["effective_beta"] if not counts else found.beta
    assert found.effective_beta == pytest.approx(float(implied), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "sizes", "effective"),
    [
        ("disent_mse", {"num_dims": 12288, "latent_dim": 25}, 7.8),
        ("pytorch_vae", {"num_dims": 12288}, 1.54),
        ("flax_nnx", {"num_dims": 784, "latent_dim": 32}, 2.45),
        ("keras", {"channels": 3}, 3.0),
        ("disentangling_vae_gaussian", {}, 1 / 510),
        ("disentanglement_lib_l2", {}, 0.5),
        ("pythae_mse", {}, 1.0),
    ],
)
def test_published_defaults_are_what_they_are_known_to_be(name: str, sizes: dict, effective: float) -> None:
    assert convert(name, **sizes).effective_beta == pytest.approx(effective, rel=5e-3)


def test_pytorch_vaes_validation_weighs_thousands_of_times_more() -> None:
    assert convert("pytorch_vae", 1.0, num_dims=12288).effective_beta == 6144


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
        ("flax beta=-1", "beta: expected at least 0"),
    ],
)
def test_mistakes_end_in_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_the_library_refuses_in_its_own_words() -> None:
    with pytest.raises(VaexError, match="did you mean"):
        convert("pythae")
