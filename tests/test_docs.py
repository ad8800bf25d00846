"""Tests that what the documentation says is true: commands compose, examples run, weights mean what is said."""

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from scipy import stats
from scipy.special import expit

import vaex.data
import vaex.likelihoods
from experiments.assemble import assemble, build, plain, refuse_unknown
from experiments.command import CONF
from experiments.published import REPRODUCTIONS
from vaex.data.base import Raw
from vaex.distributions import Normal, kl_divergence
from vaex.likelihoods import Likelihood
from vaex.training import StopFlag, run

ROOT = Path(__file__).parents[1]
README, KERAS, KERAS_ZH = "README.md", "docs/from_keras.md", "docs/from_keras.zh.md"
EXPERIMENTS = [f"conf/experiment/{path.name}" for path in sorted(Path(CONF, "experiment").glob("*.yaml"))]
DOCS = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES = [README, "CHANGELOG.md", "CONTRIBUTING.md", *DOCS]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), flags=re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """Returns the lines that a reader of the page would type."""
    if page.endswith(".yaml"):
        return re.findall(r"python -m experiments\.train .*", text(page))
    return [line for block in blocks(page, "bash") for line in block.splitlines() if line]


def rows(page: str) -> Iterator[list[str]]:
    """Yields the cells of every table's rows."""
    for line in text(page).splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def first_and_last(words: list[str]) -> list[list[str]]:
    """Returns the overrides of a sweep's first and last job; twice the same without a sweep."""
    parsed = OverridesParser.create().parse_overrides(words)

    def pick(place: int) -> list[str]:
        swept = [list(o.sweep_string_iterator()) if o.is_sweep_override() else [] for o in parsed]
        return [f"{w.split('=')[0]}={v[place]}" if v else w for w, v in zip(words, swept, strict=True)]

    return [pick(0), pick(-1)]


def composed(words: list[str], name: str = "train") -> dict[str, Any]:
    with initialize_config_dir(CONF, version_base="1.3"):
        return plain(compose(name, words))


@pytest.fixture
def tiny_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST's shape without its files."""
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), np.uint8)
    for cls in (vaex.data.Mnist, vaex.data.FashionMnist):
        monkeypatch.setattr(cls, "read", lambda self: Raw(train=images, test=images[:5], levels=256))


@pytest.mark.usefixtures("tiny_mnist")
@pytest.mark.parametrize("page", [README, "docs/apply.md", KERAS, KERAS_ZH, *EXPERIMENTS])
def test_every_command_can_be_typed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(50, 20)))
    assert commands(page)
    for command in commands(page):
        match shlex.split(command, comments=True):
            case ["source", path]:
                assert path == ".venv/bin/activate"
            case ["make", "reproduce", name]:
                assert name.removeprefix("NAME=") in REPRODUCTIONS
            case ["make", target]:
                assert re.search(rf"^{target}:", text("Makefile"), flags=re.MULTILINE), command
            case ["python", "-c", code]:
                exec(code)
            case ["python", "-m", "experiments.train", "--help"]:
                pass
            case ["python", "-m", "experiments.train", *words]:
                for job in first_and_last([word for word in words if word != "-m"]):
                    assemble(composed(job), tmp_path)
            case [
                "python",
                "-m",
                ("experiments.apply" | "experiments.compare" | "experiments.evaluate") as module,
                *words,
            ]:
                composed(words, module.split(".")[1])
            case _:
                pytest.fail(f"{page} prints a command that no test knows: {command}")


@pytest.mark.parametrize("page", [README, KERAS, KERAS_ZH])
def test_every_setting_that_is_mentioned_exists(page: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^\|[^|]+\|", "|", prose, flags=re.MULTILINE)  # a table's first column is the other side
    found = 0
    for span in re.findall(r"`([^`\n]+)`", prose):
        try:
            words = shlex.split(span)
        except ValueError:
            continue
        if not all(re.match(r"(?!hydra\.)[a-z_.]+(@[a-z_.]+)?=[^= ]", word) for word in words):
            continue
        config = composed(words)
        refuse_unknown(config)
        for name in ("data", "encoder", "decoder", "likelihood", "objective", "optimizer"):
            build(config[name], name)
        found += 1
    assert found >= (2 if page == README else 25)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", text(page)):
        assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_readme_is_short_and_leads_to_the_chinese_page() -> None:
    lines = text(README).splitlines()
    assert len(lines) <= 150
    assert any(re.search(r"[\u4e00-\u9fff].*\(docs/from_keras\.zh\.md\)", line) for line in lines[:15])


def test_the_twin_pages_say_the_same() -> None:
    def skeleton(page: str) -> dict[str, Any]:
        tables = list(rows(page))
        return {
            "commands": commands(page),
            "python": [re.sub(r" +#.*", "", block) for block in blocks(page, "python")],
            "headings": re.findall(r"^#+(?= )", text(page), flags=re.MULTILINE),
            "code in the tables": [sorted(re.findall(r"`([^`]+)`", row[0])) for row in tables],
            "settings": sorted(re.findall(r"`([^`]+)`", " ".join(cell for row in tables for cell in row[1:]))),
            "formulas": [row for row in tables if "kl)" in row[0]],
        }

    assert skeleton(KERAS) == skeleton(KERAS_ZH)


def test_a_scripts_weights_become_the_stated_beta() -> None:
    # loss of the script = factor * (loss here) + constant, over points that differ in both terms: rank 1.
    table = [row for row in rows(KERAS) if "kl)" in row[0] and len(row) == 4]
    assert len(table) >= 10
    rng = np.random.default_rng(0)
    size, latents = 784, 32
    prior = Normal(jnp.zeros(latents), jnp.zeros(latents))
    points = []
    for _ in range(3):
        x, raw = rng.random(size).astype(np.float32), rng.normal(size=size).astype(np.float32)
        q = Normal(*jnp.asarray(rng.normal(size=(2, latents)), jnp.float32))
        points.append((x, raw, np.asarray(kl_divergence(q, prior), np.float64)))
    for formula, likelihood, beta, shown in table:
        part = build(composed([f"likelihood={likelihood.strip('`')}"])["likelihood"], "likelihood")
        weight = eval(beta.strip("`"), {"D": size, "Z": latents})
        assert weight == pytest.approx(float(shown))
        theirs, ours = [], []
        for x, raw, kl in points:
            p, t = expit(raw.astype(np.float64)), x.astype(np.float64)
            names = {"bce": -t * np.log(p) - (1 - t) * np.log(1 - p), "se": (t - raw) ** 2, "kl": kl}
            theirs.append(eval(formula.strip("`"), {**names, "sum": np.sum, "mean": np.mean, "D": size, "Z": latents}))
            ours.append(-float(part.log_prob({}, raw, x)) + weight * kl.sum())
        slopes = np.diff(theirs) / np.diff(ours)
        # float32 sums of order 1e3 are known to 1e-3; differences between points are of order 10 and more.
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-3), formula
        assert slopes[0] > 0


def test_the_readmes_example_is_an_elbo() -> None:
    space: dict[str, Any] = {}
    exec(blocks(README, "python")[0], space)
    encoder, decoder = ({k: np.asarray(v, np.float64) for k, v in _flat(p).items()} for p in space["params"])

    def network(p: dict[str, np.ndarray], h: np.ndarray) -> np.ndarray:
        h = np.tanh(h @ p["layers_0/kernel"] + p["layers_0/bias"])
        return h @ p["layers_2/kernel"] + p["layers_2/bias"]

    loc, log_scale = np.split(network(encoder, np.asarray(space["x"][3], np.float64)), 2)
    z = loc + np.exp(log_scale) * np.asarray(jax.random.normal(space["keys"][3], (8,)))
    rate = np.sum((np.exp(2 * log_scale) + loc**2 - 1) / 2 - log_scale)
    expected = stats.bernoulli.logpmf(1, expit(network(decoder, z))).sum() - rate  # x is all ones
    # float32 against float64, over a sum of 784 terms of order one
    assert float(space["elbos"](space["params"], space["keys"], space["x"])[3]) == pytest.approx(expected, rel=1e-4)
    assert float(space["loss"]) > 0
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(space["grads"]))


def _flat(params: Any) -> dict[str, Any]:
    return {"/".join(p.key for p in path[1:]): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, where `vaex.load('latest')` looks for it."""
    root = tmp_path_factory.mktemp("docs")
    words = ["trainer.num_steps=2", "trainer.log_every=1", "evaluation.nll_num_samples=2", "logger=none"]
    job = assemble(composed(words), root / "outputs" / "runs" / "day" / "time")
    run(job, StopFlag())
    return root


@pytest.mark.parametrize(("page", "place"), [(README, 1), (KERAS, 0), (KERAS_ZH, 0)])
def test_a_run_loads_as_printed(page: str, place: int, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(outputs)
    space: dict[str, Any] = {}
    exec(blocks(page, "python")[place], space)
    assert space["z"].shape == (len(space["x"]), 8)
    again = space["x_again" if page == README else "x_hat"]
    np.testing.assert_array_equal(again, space["model"].reconstruct(space["x"]))
    if page == README:
        assert -64 * np.log(2) * 2 < space["bound"] < 0  # nats of 64 pixels, hardly trained
    else:
        np.testing.assert_array_equal(space["q"].loc, space["z"])


def test_every_key_of_a_runs_files_is_in_the_notation(outputs: Path) -> None:
    folder = outputs / "outputs" / "runs" / "day" / "time"
    _, metrics, summary = text("docs/notation.md").split("\n## ")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

    def documented(section: str) -> set[str]:
        first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}

    assert documented(metrics) == {key for line in lines for key in line}
    assert documented(summary) == set(json.loads((folder / "summary.json").read_text()))


def test_the_part_that_is_added_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "docs/adding_a_part.md"
    (tmp_path / "logistic.py").write_text(blocks(page, "python")[0])
    spec = importlib.util.spec_from_file_location("logistic", tmp_path / "logistic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(vaex.likelihoods, "Logistic", module.Logistic, raising=False)
    part = build(yaml.safe_load(blocks(page, "yaml")[0]) | {"scale": 0.3}, "likelihood")
    assert isinstance(part, Likelihood)
    x, m = np.float32([-2, 0, 5]), np.float32([1, 0.5, -3])
    expected = stats.logistic(m, 0.3).logpdf(x).sum()
    assert float(part.log_prob({}, m, x)) == pytest.approx(expected, rel=1e-6)  # float32
    draws = np.asarray(jax.vmap(lambda key: part.sample({}, key, m))(jax.random.split(jax.random.key(0), 4000)))
    # Standard error 0.3 pi / sqrt(3 * 4000) = 0.0086; five of them.
    np.testing.assert_allclose(draws.mean(0), part.mean({}, m), atol=0.043)
    assert len(jax.tree.leaves(part)) == 1  # the scale is a leaf, as the page says
