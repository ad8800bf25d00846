"""Sweepers: ours, whose keys may go together and whose experiments bring sweeps of their own, and another's batches."""

import csv
from pathlib import Path

import pytest

from tests.experiments.test_mistakes import refused
from tests.experiments.test_packed import QUIET, statuses, summary

DRY = "hydra.launcher.dry_run=true"
ZIP = "hydra.launcher.zip=[objective.beta,seed]"
NO_SIZES = [word for word in QUIET if ".hidden" not in word]  # for experiments with networks of their own


def rows(folder="sweep"):
    return list(csv.DictReader(Path(folder, "results.csv").read_text().splitlines()))


PLANS = [
    (["experiment=digits_beta,rd_curve"], "23 jobs = 1 pack of 23 (varies: objective.beta, seed, experiment)"),
    (
        ["experiment=digits_beta,rd_curve", "seed=0,1"],
        "16 jobs = 1 pack of 16 (varies: objective.beta, seed, experiment)",
    ),
    (["experiment=digits_beta,rd_curve", "objective.beta=1"], "5 jobs = 1 pack of 5 (varies: seed, experiment)"),
    (["experiment=digits_beta", "seed=0,1"], "10 jobs = 1 pack of 10 (varies: objective.beta, seed)"),
    (["experiment=digits_beta", "seed=3"], "5 jobs = 1 pack of 5 (varies: objective.beta)"),
    (["likelihood=gaussian,laplace", "likelihood.scale=0.5"], "2 jobs = 2 packs of 1 (split by likelihood)"),
    (
        ["likelihood=gaussian,laplace", "likelihood.scale=0.5,1"],
        "4 jobs = 2 packs of 2 (varies: likelihood.scale; split by likelihood)",
    ),
    (
        ["schedule@objective.beta_schedule=linear,cosine", "objective.beta_schedule.fraction=0.5"],
        "2 jobs = 2 packs of 1 (split by schedule@objective.beta_schedule)",
    ),
    (["objective.beta=1,2,4", "seed=0,1,2", ZIP], "3 jobs = 1 pack of 3 (varies: objective.beta, seed; 3 zipped)"),
    (
        ["objective.beta=1,2,4", "seed=range(0,3)", "likelihood=gaussian,bernoulli", ZIP],
        "6 jobs = 2 packs of 3 (varies: objective.beta, seed; split by likelihood; 2 x 3 zipped)",
    ),
    (
        ["experiment=digits_beta", "seed=range(0,5)", ZIP],
        "5 jobs = 1 pack of 5 (varies: objective.beta, seed; 5 zipped)",
    ),
]


@pytest.mark.parametrize(("words", "plan"), PLANS)
def test_plans(command, words, plan):
    done = command("-m", *NO_SIZES, *words, DRY)
    assert done.code == 0, done.err
    assert done.out.strip() == plan
    assert not Path("sweep").exists()


TWO = ("seed=0,1", "objective.beta=1,2")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["objective.beta=1,2,4", "seed=0,1", ZIP], "objective.beta has 3, seed has 2"),
        (["objective.beta=1,2", "seed=0", ZIP], "seed is not swept (swept: objective.beta); type -m objective.beta="),
        ([*TWO, "hydra.launcher.zip=[seed]"], "type 'hydra.launcher.zip=[seed,objective.beta]'"),
        ([*TWO, "hydra.launcher.zip=[seed,seed]"], "expected two different keys"),
        ([*TWO, "hydra.launcher.zip=seed,objective.beta"], "'hydra.launcher.zip=[seed,objective.beta]'"),
        ([*TWO, "hydra.launcher.zip=[sed,objective.beta]"], "did you mean 'seed'?"),
        ([*TWO, "hydra/sweeper=basic", ZIP], "leave out hydra/sweeper="),
        ([*TWO, "hydra/launcher=basic", ZIP], "hydra/launcher=basic has no such setting"),
        (["hydra.launcher.max_pack=1,2"], "hydra.launcher.max_pack=1,2: a setting of Hydra's has one value"),
        (["hydra.launcher.fail_fast=maybe"], "'maybe' is not a valid bool"),
        (["hydra.run.dir=x"], "leave it out, or hydra.sweep.dir=x"),
        (["hydra.sweeper.max_batch_size=0"], "max_batch_size: expected a whole number of at least 1"),
        (
            ["objective.beta=interval(0,1)"],
            "a sweeper such as hydra/sweeper=optuna; type values: -m objective.beta=1,4",
        ),
        (["objective.beta=range(0,1,0)"], "range() arg 3 must not be zero; type values"),
        (["objective.beta=glob(*)"], "an empty sweep: objective.beta=glob(*) has no values"),
        (["objective.beta=choice()"], "cannot read the value 'choice()'"),
        (["data.path=é.npy,ü.npy"], '-m \'data.path="é.npy","ü.npy"\''),
        (["likelihood=gaussian,bernoulli", "likelihood.scale=0.5"], "likelihood=bernoulli has no such key"),
        (["likelihood=gaussian,laplace", "likelihood.scal=0.5"], "did you mean 'likelihood.scale'?"),
        (["experiment=digits_beta,rd_curve", "hydra/sweeper=basic"], "leave out hydra/sweeper=basic"),
    ],
)
def test_mistakes(command, words, message):
    refused(command("-m", *QUIET, *words), message)
    assert not Path("sweep").exists()


def test_experiments_of_other_hydra_settings_are_a_sweep_each(command, tmp_path):
    for name, size in (("one", 1), ("two", 2)):
        (tmp_path / "mine/experiment").mkdir(parents=True, exist_ok=True)
        content = f"# @package _global_\nhydra:\n  launcher:\n    max_pack: {size}\n"
        (tmp_path / f"mine/experiment/{name}.yaml").write_text(content)
    done = command("-m", "--config-dir=mine", "experiment=one,two", "seed=0,1")
    refused(done, "experiment=one sets hydra.launcher.max_pack", "-m --config-dir=mine experiment=two seed=0,1")


def test_keys_that_go_together(command):
    words = ("-m", *QUIET, "objective.beta=1,4", "seed=3,5", "trainer.num_steps=20,30", ZIP)
    done = command(*words)
    assert done.code == 0, done.err
    found = [(row["objective.beta"], row["seed"], row["trainer.num_steps"]) for row in rows()]
    assert sorted(found) == [("1", "3", "20"), ("1", "3", "30"), ("4", "5", "20"), ("4", "5", "30")]
    assert statuses() == ["completed"] * 4
    again = command(*words)
    assert again.code == 0, again.err
    assert again.out.splitlines()[0] == "4 jobs = 4 completed already"


DIVERGING = ("likelihood=gaussian", "optimizer=sgd", "optimizer.learning_rate=1e-4,1e12,1e-5")
ALONE = (*DIVERGING, "hydra.launcher.max_pack=1", "hydra.launcher.fail_fast=true")


@pytest.mark.parametrize(
    ("words", "ended", "code"),
    [
        (ALONE, ["completed", "diverged", "pending"], 1),
        ((*ALONE, "hydra.sweeper.max_batch_size=1"), ["completed", "diverged"], 1),
        (("objective.beta=1,-1,2", "hydra.launcher.fail_fast=true"), ["pending", "failed", "pending"], 1),
        ((*ALONE, "hydra.launcher.on_failure=record"), ["completed", "diverged", "pending"], 0),
    ],
)
def test_a_sweep_that_stops_at_the_first_failure(command, words, ended, code):
    """And goes on behind it with the line that it prints."""
    done = command("-m", *QUIET, *words)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert statuses() == ended
    (line,) = [line for line in done.err.splitlines() if "continue with: " in line]
    assert "hydra.launcher.fail_fast=true" in line
    assert done.out.splitlines()[-1] == "sweep/report.html"
    again = command("-m", *QUIET, *words)
    assert statuses() == ["completed", "failed" if "failed" in ended else "diverged", "completed"]
    assert again.code == code
    assert "continue with: " not in again.err


def test_a_pack_with_a_failure_trains_to_its_end(command):
    done = command("-m", *QUIET, *DIVERGING, "hydra.launcher.fail_fast=true", "hydra.launcher.strategy=vmap")
    assert done.code == 1
    assert statuses() == ["completed", "diverged", "completed"]
    assert [summary(i)["alarms"] for i in range(3)][1] == ["diverged"]


# Optuna 2 imports a function from where SQLAlchemy no longer wants it, and its sampler's own settings are experimental.
optuna = pytest.mark.filterwarnings("ignore::DeprecationWarning:optuna", "ignore:.*experimental:Warning")


@pytest.fixture
def searching(command):
    """Runs a command with Optuna's sweeper, whose log would go to the first test's stderr."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    import optuna

    optuna.logging.disable_default_handler()
    return command


OPTUNA = ("hydra/sweeper=optuna", "hydra.sweeper.n_jobs=2", "hydra.sweeper.direction=maximize")


@optuna
@pytest.mark.parametrize("launcher", ["packed", "basic"])
def test_another_sweeper(searching, launcher):
    """Optuna's sends batches of two, which are packs, and is handed what `trainer.monitor` names."""
    search = ("hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.seed=1", "objective.beta=interval(0.5,2)")
    words = ("-m", *QUIET, *OPTUNA, *search, f"hydra/launcher={launcher}", "seed=7")
    done = searching(*words)
    assert done.code == 0, done.err
    assert [summary(i)["status"] for i in range(3)] == ["completed"] * 3
    lines = Path("sweep/optimization_results.yaml").read_text().splitlines()
    (best,) = [float(line.split(": ")[1]) for line in lines if "best_value" in line]
    assert best == max(summary(i)["elbo"] for i in range(3))
    found = rows()
    assert [row["status"] for row in found] == ["completed"] * 3
    assert list(found[0])[:2] == ["job", "objective.beta"]
    assert len({row["objective.beta"] for row in found}) == 3
    assert done.out.splitlines()[-1] == "sweep/report.html"
    if launcher == "packed":
        plans = [line for line in done.out.splitlines() if " pack of " in line]
        assert plans == ["2 jobs = 1 pack of 2 (varies: objective.beta)", "1 job = 1 pack of 1"]
        assert f"beta={found[2]['objective.beta']}  step" in done.err  # its name: what the sweeper chose
        assert statuses() == ["completed"] * 3
        assert searching(*words).code == 0  # the same seed asks for the same: nothing is left to do


@optuna
@pytest.mark.parametrize("launcher", ["packed", "basic"])
def test_another_sweeper_and_jobs_that_fail(searching, launcher):
    search = ("hydra.sweeper.n_trials=2", "objective.beta=choice(-1,-2)", f"hydra/launcher={launcher}")
    words = ("-m", *QUIET, *OPTUNA, *search)
    done = searching(*words)
    assert done.code == 1
    assert "objective.beta: expected at least 0" in done.err
    done = searching(*words, "hydra.sweeper.max_failure_rate=1.0", "hydra.sweep.dir=tolerant")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert [summary(i, "tolerant")["status"] for i in range(2)] == ["failed"] * 2
    assert [row["status"] for row in rows("tolerant")] == ["failed"] * 2
