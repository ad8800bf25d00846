"""The report run in W&B, read back from the offline run's file."""

import json
import logging

import pytest

from vaex.sweep import compare
from vaex.sweep.to_wandb import results_table


@pytest.fixture
def logged(job, tmp_path):
    """A sweep whose runs were logged, to a project of their own, offline."""
    settings = {"project": "pears", "entity": None, "group": None, "name": "own", "mode": "offline", "tags": ["x"]}
    config = {
        "latent_dim": 16,
        "likelihood": {"_target_": "vaex.likelihoods.Gaussian", "scale": 0.5},
        "logger": {"jsonl": {}, "wandb": settings},
    }
    for number, (beta, nll) in enumerate(((1, 22.0), (1, 23.0), (4, 27.0))):
        overrides = f"objective.beta={beta} seed={number % 2}"
        folder = job(str(number), overrides, nll=nll, run={"config": config, "wandb_id": f"member{number}"})
        (folder / "wandb").mkdir()
    return tmp_path / "sweep"


def runs(sweep):
    return sorted((sweep / "wandb").glob("offline-run-*"))


def test_the_group_gets_its_table_and_page(logged, offline_records):
    compare([logged])
    (folder,) = runs(logged)
    records = offline_records(folder)
    (run,) = [record.run for record in records if record.HasField("run")][:1]
    assert (run.project, run.job_type, run.display_name) == ("pears", "report", "report")
    assert run.run_group == f"{logged.parent.name}_sweep"
    assert not run.tags
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert (config["latent_dim"], config["likelihood"]) == (16, {"name": "gaussian", "scale": 0.5})  # what all share
    items = [item for record in records if record.HasField("history") for item in record.history.item]
    kinds = {item.nested_key[0]: json.loads(item.value_json) for item in items if item.nested_key[1:] == ["_type"]}
    assert kinds == {"results": "table-file", "report": "html-file"}
    (page,) = (folder / "files" / "media" / "html").glob("*.html")
    assert page.read_text() == (logged / "report.html").read_text()
    (table,) = (folder / "files" / "media" / "table").glob("*.json")
    content = json.loads(table.read_text())
    assert content["columns"][:4] == ["beta", "n", "elbo", "elbo_sd"]
    nll = content["columns"].index("nll")
    assert [row[nll] for row in content["data"]] == [22.5, 27.0]


def test_a_second_comparison_updates_the_same_run(logged, offline_records):
    compare([logged])
    compare([logged])
    ids = {folder.name.split("-")[3] for folder in runs(logged)}  # two of one second differ by a suffix
    assert len(ids) == 1
    assert not any(id in ("member0", "member1") for id in ids)


def test_the_manifest_keeps_the_id(logged):
    jobs = [
        {"num": n, "overrides": [f"objective.beta={n}"], "directory": str(n), "status": "completed"} for n in range(3)
    ]
    packs = [{"jobs": [0, 1, 2], "strategy": "loop", "size": 3}]
    path = logged / "sweep.json"
    path.write_text(json.dumps({"version": 1, "jobs": jobs, "packs": packs}))
    compare([logged])
    kept = json.loads(path.read_text())
    assert kept["packs"][0]["jobs"] == [0, 1, 2]
    (folder,) = runs(logged)
    assert folder.name.endswith(kept["wandb_report"])
    path.write_text(json.dumps(kept | {"wandb_report": "ffff0000"}))
    compare([logged])
    assert any(folder.name.endswith("ffff0000") for folder in runs(logged))


@pytest.mark.parametrize("how", ["wandb=false", "no logger", "disabled"])
def test_nothing_is_logged_where_the_runs_were_not(logged, job, tmp_path, how, monkeypatch):
    sweep = logged
    if how == "no logger":
        job("0", "objective.beta=1", sweep="bare")
        sweep = tmp_path / "bare"
    if how == "disabled":
        for number in range(3):
            (logged / str(number) / "wandb").rmdir()
    monkeypatch.setattr("vaex.loggers.wandb_report.log", lambda *_: pytest.fail("something was logged"))
    compare([sweep], wandb=how != "wandb=false")


def test_a_failure_is_one_warning(logged, monkeypatch, caplog):
    import wandb

    def broken(*args, **kwargs):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(wandb, "init", broken)
    with caplog.at_level(logging.WARNING, logger="vaex"):
        text = compare([logged])
    assert text.splitlines()[-1] == str(logged / "report.html")
    assert len(caplog.records) == 1
    assert "no such luck" in caplog.text


def test_a_name_from_the_environment_is_a_warning_too(logged, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_RUN_ID", "members0")
    with caplog.at_level(logging.WARNING, logger="vaex"):
        compare([logged])
    assert "unset WANDB_RUN_ID" in caplog.text
    assert not (logged / "wandb").exists()


def test_the_table_keeps_spreads_apart(betas, arranged):
    columns, rows = results_table(arranged(betas))
    row = dict(zip(columns, rows[1], strict=True))
    assert (row["beta"], row["n"], row["status"]) == ("1", 2, "completed")
    assert row["nll"] == pytest.approx(22.6)
    assert row["nll_sd"] == pytest.approx(0.2 / 2**0.5)
