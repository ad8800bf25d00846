"""Sweeps: the exact beta sweep, the table, and jobs that fail."""

import csv
import math

import pytest

from tests.experiments.conftest import SMALL

# beta: (active latents, rate, E||x - x^||^2), by reverse water-filling: 5 latents, decoder variance .1
EXACT = {
    0.25: (5, 6.78603068, 0.15981725),
    0.5: (5, 5.05316273, 0.28481725),
    1.0: (5, 3.32029478, 0.53481725),
    2.0: (2, 2.06713025, 0.87441284),
    4.0: (2, 1.37398307, 1.27441284),
    8.0: (2, 0.68083589, 2.07441284),
    16.0: (1, 0.02210885, 3.56797405),
}


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_exact_beta_sweep_in_one_pack(command, ppca_file, tmp_path):
    """Every row within 1 %: the one test that fixes, end to end, what beta multiplies."""
    # Close to its threshold (beta 16) a latent's rate has a flat optimum, where Adam divides by the noise: so momentum,
    # a ramp of beta (no two latents share the one direction that is left), several draws, averaged parameters.
    words = (
        *(f"data=array data.path={ppca_file} encoder=linear decoder=linear likelihood=gaussian latent_dim=5".split()),
        *(f"likelihood.scale={math.sqrt(0.1)} trainer.batch_size=50 logger=none".split()),
        *(["trainer.log_every=100000", "trainer.eval_every=100000", "trainer.checkpoint_every=100000"]),
        *(["trainer.num_steps=20000", "trainer.steps_per_call=1000", "trainer.ema_decay=0.999"]),
        *(["optimizer=sgd", "optimizer.momentum=0.9", "optimizer.learning_rate=0.002", "objective.num_samples=16"]),
        *(["schedule@objective.beta_schedule=linear", "objective.beta_schedule.fraction=0.4"]),
        "schedule@optimizer.learning_rate_schedule=cosine",
        "evaluation.nll_num_samples=5000",  # 500 draws of 50 points leave a standard error of 0.5 % of the distortion
    )
    betas = ",".join(map(str, EXACT))
    done = command("-m", *words, f"objective.beta={betas}", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "7 jobs = 1 pack of 7 (varies: objective.beta)"
    rows = read(tmp_path / "sweep" / "results.csv")
    assert [float(row["objective.beta"]) for row in rows] == list(EXACT)
    for row in rows:
        active, rate, error = EXACT[float(row["objective.beta"])]
        assert int(row["active_units"]) == active, row
        assert float(row["rate"]) == pytest.approx(rate, rel=0.01), row
        constant = 3 * math.log(2 * math.pi * 0.1)
        assert float(row["distortion"]) - constant == pytest.approx(error / 0.2, rel=0.01), row


def test_a_sweep_ends_in_its_table(command, tmp_path):
    done = command("-m", *SMALL, "logger=none", "objective.beta=1,2", "seed=range(0,2)", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    lines = done.out.strip().splitlines()
    header = lines[-5].split()
    assert header == ["beta", "n", "elbo", "nll", "rate", "distortion", "mse", "active", "status"]
    assert [line.split()[:2] for line in lines[-4:-2]] == [["1", "2"], ["2", "2"]]
    assert lines[-2:] == ["sweep/results.csv", "sweep/report.html"]
    rows = read(tmp_path / "sweep" / "results.csv")
    assert [(r["objective.beta"], r["seed"], r["status"]) for r in rows] == [
        *(("1", "0", "completed"), ("1", "1", "completed"), ("2", "0", "completed"), ("2", "1", "completed"))
    ]
    again = command("sweep=sweep", name="compare")
    assert again.code == 0
    assert again.out.strip().splitlines()[-5:] == lines[-5:]


def test_a_failing_job_does_not_stop_the_others(command, tmp_path):
    sgd = ("likelihood=gaussian", "optimizer=sgd", "hydra.sweep.dir=sweep", "optimizer.learning_rate=1e-4,1e12,1e-5")
    done = command("-m", *SMALL, "logger=none", *sgd)
    assert done.code == 1
    assert "not finite at step" in done.err
    assert "Traceback" not in done.err
    rows = read(tmp_path / "sweep" / "results.csv")
    assert [r["status"] for r in rows] == ["completed", "diverged", "completed"]
    assert "diverged" in done.out


def test_a_refused_job_keeps_its_row(command, tmp_path):
    done = command("-m", *SMALL, "logger=none", "objective.beta=1,-1", "hydra.sweep.dir=sweep")
    assert done.code == 1
    rows = read(tmp_path / "sweep" / "results.csv")
    assert [(r["objective.beta"], r["status"]) for r in rows] == [("1", "completed"), ("-1", "failed")]
    assert "objective.beta: expected at least 0" in rows[1]["message"]
    assert "failed" in done.out


def test_numbers_of_different_measures_stand_apart(command, tmp_path):
    done = command("-m", *SMALL, "logger=none", "likelihood=bernoulli,gaussian,bce", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    assert "digits, dynamic binarization, counting measure:" in done.out
    assert "no density (never ranked):" in done.out
    bce = next(line for line in done.out.splitlines() if line.split()[:1] == ["bce"])
    assert bce.split()[3] == "-"


@pytest.mark.parametrize(("words", "message"), [(["sweep=nowhere"], "which does not exist"), ([], "no sweep under")])
def test_comparing_nothing_is_refused(command, words, message):
    done = command(*words, name="compare")
    assert done.code == 1
    assert message in done.err
