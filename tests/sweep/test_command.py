"""`python -m experiments.compare`: its keys, and the mistakes that are made with them."""

import pytest

from tests.experiments.conftest import command

__all__ = ["command"]


@pytest.fixture
def two_keys(grid):
    return grid({f"objective.beta={b} latent_dim={z}": [{"rate": b * z}] for b in (1, 2) for z in (2, 4)})


@pytest.mark.usefixtures("two_keys")
def test_the_keys_reach_the_page(command, tmp_path):
    done = command("sweep=sweep", "axis=latent_dim", "group_by=[objective.beta]", "wandb=false", name="compare")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-2:] == ["sweep/results.csv", "sweep/report.html"]
    assert "ELBO and NLL against latent_dim" in (tmp_path / "sweep" / "report.html").read_text()


@pytest.mark.usefixtures("two_keys")
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("axis=latent", "axis: expected a swept key, one of objective.beta, latent_dim; got 'latent'"),
        ("group_by=[seed]", "group_by: expected a swept key, one of latent_dim; got 'seed'"),
        ("wandb=maybe", "wandb: expected true or false, got 'maybe'; type wandb=false"),
        ("sweep=sweep/0", "is a single run"),
    ],
)
def test_a_mistake_is_one_message(command, tmp_path, word, message):
    done = command("sweep=sweep", word, name="compare")
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "sweep" / "report.html").exists()
