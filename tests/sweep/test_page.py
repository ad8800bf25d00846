"""The page as text: what it holds, what it refers to, and what of it was typed by a user."""

import base64
import io
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image

from vaex.sweep import compare

NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def page_of(sweep, **options):
    compare([sweep], **options)
    return (sweep / "report.html").read_text(encoding="utf-8")


def pixels(address):
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)))


def text_of(page):
    body = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", body).split())


def test_stdout_ends_in_the_paths(betas):
    lines = compare([betas]).splitlines()
    assert len(lines) == 1 + 4 + 2
    assert lines[-2:] == [str(betas / "results.csv"), str(betas / "report.html")]


def test_the_page_is_whole_in_itself(betas, figures):
    for folder in betas.iterdir():
        figures(folder)
    page = page_of(betas)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= NAMESPACES
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert not re.search(r"url\((?!#)|@import", page)
    assert "default-src 'none'" in unescape(page)
    assert len(page) < 600_000


def test_the_page_says_what_its_numbers_are(betas):
    words = text_of(page_of(betas))
    assert "best density: beta=1, NLL 22.60 ± 0.14 (n=2)" in words
    assert "last beta before collapse: beta=2, 7/16 units active" in words
    assert "Selected on the test split" in words
    assert "data.validation_fraction=0.1" in words
    for fact in ("Likelihood bernoulli", "counting measure", "359 test examples", "K = 50", "standard deviation over"):
        assert fact in words
    assert "about 0.2 over the test examples" in words
    assert "experiments/train.py -m objective.beta=1,2" in words
    assert "jax 0.12.0" in words
    assert "8 jobs in 4 settings, repeated over seed" in words


def test_the_same_page_twice(betas):
    assert page_of(betas) == page_of(betas)


def test_what_a_user_typed_is_escaped(grid):
    evil = "<script>alert(1)</script>"
    page = page_of(grid({f"encoder={evil}": [{}], "encoder=\"'&mlp": [{"message": evil, "status": "failed"}]}))
    assert page.count("<script>") == 1  # the page's own
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 5


def test_without_figures_the_reason_is_given(betas):
    assert "Left out: these runs have no figures" in page_of(betas)


def test_strips_are_cut_without_picking(betas, figures):
    for folder in betas.iterdir():
        figures(folder, shift=int(folder.name))
    images = re.findall(r'<img src="([^"]+)" alt="([^"]+)">', page_of(betas))
    assert [alt for _, alt in images[:3]] == ["originals", "reconstructions at beta=0.5", "samples at beta=0.5"]
    assert len(images) == 1 + 2 * 4  # originals once
    originals, reconstructions, samples = (pixels(address) for address, _ in images[:3])
    expected = np.kron(np.arange(8), np.ones((6, 4)))
    np.testing.assert_array_equal(originals, expected)
    np.testing.assert_array_equal(reconstructions, 10 + expected)
    np.testing.assert_array_equal(samples, expected)
    np.testing.assert_array_equal(pixels(images[3][0]), 10 + 2 + expected)  # of job 2, the next setting's first


def test_other_originals_stand_above_rows_of_their_own(betas, figures):
    for folder in betas.iterdir():
        figures(folder, base=100 if folder.name in "0123" else 0)
    assert page_of(betas).count('alt="originals"') == 2


def test_many_rows_are_folded_away(grid, figures):
    sweep = grid({f"objective.beta={b}": [{}] for b in range(1, 21)})
    for folder in sweep.iterdir():
        figures(folder)
    page = page_of(sweep)
    assert "8 more settings" in page
    assert page.count("samples at") == 20


def test_points_say_what_they_are(betas):
    page = page_of(betas)
    tips = re.findall(r'class="tip"[^>]*aria-label="([^"]+)"', page)
    # three charts, each with 8 members and 4 means
    assert len(tips) == 3 * (8 + 4)
    assert (
        "objective.beta=1 seed=0\nELBO -24.00\nNLL 22.50\nrate 5.000\ndistortion 19.00\n8/16 units active, completed"
        in tips
    )
    assert any(tip.startswith("objective.beta=1 (n=2)\nELBO -24.10 ± 0.14") for tip in tips)
    assert len(re.findall(r'class="tip" tabindex="0"', page)) == 3  # one stop of the Tab key a chart
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_diverged_members_are_marked_and_named(grid):
    gone = {"status": "diverged", "rate": None, "distortion": None, "nll": None, "message": "not finite at step 2"}
    settings = {f"optimizer.learning_rate={r}": [n] for r, n in ((1e-4, {}), (1e-3, {"nll": 22}), (1.0, gone))}
    page = page_of(grid(settings))
    assert "Not in the picture, without a finite rate and distortion: learning_rate=1.0" in page
    assert "diverged: not finite at step 2" in page
    tips = re.findall(r'class="tip"[^>]*aria-label="([^"]+)"', page)
    assert [tip.count("units active, diverged") for tip in tips].count(1) == 2  # at the edge of ELBO and of NLL
    assert "Not completed: 1 diverged" in page


def test_an_empty_sweep_of_numbers_still_has_a_page(grid):
    gone = {"status": "diverged", "rate": None, "distortion": None, "nll": None}
    words = text_of(page_of(grid({"objective.beta=1": [gone], "objective.beta=2": [gone]})))
    assert "No job completed (2 diverged)" in words
    assert "Left out: no completed job has a rate and a distortion" in words


def test_what_is_no_density_says_why(grid):
    loss = {"data_measure": None, "nll": None, "likelihood": "bce"}
    words = text_of(page_of(grid({"likelihood=bernoulli": [{}, {}], "likelihood=bce": [loss, loss]})))
    assert "never ranked together" in words
    assert "Never ranked: bce is no density" in words
    assert "No NLL: this likelihood is no density of the data." in words
    assert "digits, dynamic binarization, counting measure" in words


def test_one_job(grid):
    words = text_of(page_of(grid({"": [{}]})))
    assert "best density: the only setting, NLL 23.00 (n=1)" in words
    assert "one standard error over seeds" not in words
    assert "'seed=range(0,4)'" in unescape(words)
    assert "nothing to draw against" in words


def test_validation_is_named(grid):
    seeds = [{"validation": {"nll": 22.0, "elbo": -24.0, "rate": 4.0}}] * 2
    words = text_of(page_of(grid({"objective.beta=1": seeds, "objective.beta=2": seeds})))
    assert "Selected on the validation split" in words
    assert "data.validation_fraction" not in words


def test_axis_and_groups_shape_the_charts(grid):
    settings = {f"objective.beta={b} latent_dim={z}": [{"rate": b * z}] for b in (1, 2) for z in (2, 4)}
    sweep = grid(settings)
    page = page_of(sweep)
    assert "ELBO and NLL against beta" in page
    assert "<span>latent_dim=4</span>" in page
    other = page_of(sweep, axis="latent_dim")
    assert "ELBO and NLL against latent_dim" in other
    assert "<span>beta=2</span>" in other
    pooled = page_of(sweep, group_by=[])
    assert "mean over seeds and latent_dim" in pooled
    assert "<span>latent_dim=4</span>" not in pooled


@pytest.mark.parametrize(("values", "log"), [((1, 2, 4, 8), False), ((0.1, 1, 10), True), ((0, 1, 10), False)])
def test_decades_have_a_logarithmic_axis(values, log):
    from vaex.sweep.axis import logarithmic

    assert logarithmic(list(values)) is log


def test_many_jobs_stay_readable_and_quick(grid):
    values = [(b, z) for b in range(1, 11) for z in range(1, 11)]
    page = page_of(grid({f"objective.beta={b} latent_dim={z}": [{"rate": b / z}, {}] for b, z in values}))
    assert "200 jobs in 100 settings" in page
    assert len(re.findall(r"<span>latent_dim=\d+</span>", page)) == 10
    assert len(page) < 2_000_000
