"""W&B for real, offline: what its transaction log holds, read back; and what makes it fail."""

import dataclasses
import json
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from vaex._check import VaexError
from vaex.loggers import Wandb


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


def folders(run):
    return sorted((run.folder / "wandb").glob("offline-run-*"))


def pairs(items):
    """{key: value} of the items of a history or a summary; a key may be a path of keys."""
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def said(caplog):
    """What we said through the log; W&B's own lines are its affair."""
    return [record.getMessage() for record in caplog.records if record.name == "vaex"]


@pytest.fixture
def finished(run, png, offline, offline_records):
    """The records of a small whole run."""
    log = Wandb().open(run)
    log.metrics(100, "train", {"loss": 31.5, "beta": 4, "nll": None})
    log.metrics(200, "train", {"loss": 30.5})
    log.metrics(200, "test", {"elbo": -29.0})
    log.figure("samples", png, 200)
    log.close({"status": "completed", "elbo": -29.0, "nll": None, "seed": 1, "ess": float("nan")}, 0)
    (folder,) = folders(run)
    return folder, offline_records(folder)


def test_history_has_the_absolute_step_and_one_row_a_step(finished):
    rows = [pairs(record.history.item) for record in finished[1] if record.HasField("history")]
    ours = [{key: row[key] for key in row if not key.startswith(("_", "figures"))} for row in rows]
    assert ours == [
        {"step": 100, "train/loss": 31.5, "train/beta": 4.0},
        {"step": 200, "train/loss": 30.5, "test/elbo": -29.0},
    ]
    assert [row["_step"] for row in rows] == [100, 200]


def test_splits_are_plotted_against_step(finished):
    metrics = {
        record.metric.glob_name: record.metric.step_metric for record in finished[1] if record.HasField("metric")
    }
    metrics.pop("")  # `step` itself
    assert metrics == {"train/*": "step", "validation/*": "step", "test/*": "step"}


def test_run_carries_its_names_and_its_config(finished, run):
    record = next(record.run for record in finished[1] if record.HasField("run"))
    config = {item.key: json.loads(item.value_json) for item in record.config.update if item.key != "_wandb"}
    assert config == {"objective": {"beta": 4.0}, "encoder": {"hidden": [512, 256]}}
    assert (record.run_id, record.project, record.entity) == ("abcd1234", "vaex", "")
    assert (record.run_group, record.job_type, record.display_name) == ("digits_beta", "train", "beta=4 seed=1")
    assert list(record.tags) == ["digits", "bernoulli"]


def test_status_becomes_a_tag(finished):
    last = [record.run for record in finished[1] if record.HasField("run")][-1]
    assert list(last.tags) == ["digits", "bernoulli", "completed"]


def test_summary_is_summary_json_under_final(finished):
    summary = {}
    for record in finished[1]:
        summary |= pairs(record.summary.update)
    final = {key: value for key, value in summary.items() if key.startswith("final/")}
    assert final == {
        "final/status": "completed",
        "final/elbo": -29.0,
        "final/nll": None,
        "final/seed": 1,
        "final/ess": None,
    }


def test_figure_is_copied_as_it_was_when_logged(finished, png):
    folder, records = finished
    row = [pairs(record.history.item) for record in records if record.HasField("history")][-1]
    assert row["figures/samples/_type"] == "image-file"
    assert (folder / "files" / row["figures/samples/path"]).read_bytes() == png.read_bytes()


@pytest.mark.parametrize("exit_code", [0, 1, 130])
def test_exit_code_is_recorded(run, offline, offline_records, exit_code):
    Wandb().open(run).close({"status": "interrupted"}, exit_code)
    (exit_record,) = [record.exit for record in offline_records(folders(run)[0]) if record.HasField("exit")]
    assert exit_record.exit_code == exit_code


def test_resumed_run_is_the_same_run(run, resumed, offline, offline_records):
    lines = []
    for member, step in ((run, 100), (resumed(100), 200)):
        log = Wandb().open(member)
        log.metrics(step, "train", {"loss": 1.0})
        log.close({"status": "completed"}, 0)
        lines.append(log.closing_line)
    first, second = folders(run)
    records = [offline_records(folder) for folder in (first, second)]
    ids = {record.run.run_id for part in records for record in part if record.HasField("run")}
    rows = [pairs(record.history.item)["_step"] for part in records for record in part if record.HasField("history")]
    assert ids == {"abcd1234"}
    assert rows == [100, 200]
    assert lines == [f"wandb sync {first}", f"wandb sync {first} {second}"]


def test_two_runs_live_side_by_side(run, tmp_path, offline, offline_records):
    other = dataclasses.replace(run, folder=tmp_path / "other", wandb_id="wxyz6789", single=False)
    other.folder.mkdir()
    logs = [Wandb().open(run), Wandb().open(other)]
    for step in (100, 200):
        for number, log in enumerate(logs):
            log.metrics(step, "train", {"loss": float(number)})
    for log in logs:
        log.close({"status": "completed"}, 0)
    for number, member in enumerate((run, other)):
        records = offline_records(folders(member)[0])
        losses = [pairs(record.history.item)["train/loss"] for record in records if record.HasField("history")]
        assert losses == [number, number]


def test_checkpoint_is_an_artifact_where_asked_for(run, offline, offline_records):
    checkpoint = run.folder / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "state.safetensors").write_bytes(b"weights")
    Wandb(log_model=True).open(run).close({"status": "completed"}, 0)
    records = offline_records(folders(run)[0])
    artifacts = [record.request.log_artifact.artifact for record in records if record.HasField("request")]
    artifacts += [record.artifact for record in records if record.HasField("artifact")]
    (artifact,) = [artifact for artifact in artifacts if artifact.type == "model"]
    assert artifact.name == "model-abcd1234"
    assert [entry.path for entry in artifact.manifest.contents] == ["state.safetensors"]


@pytest.fixture
def settings_file(tmp_path):
    """Returns a function that does what `wandb offline` and `wandb disabled` do: leave a file of settings."""

    def leave(line):
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "settings").write_text(f"[default]\n{line}\n")

    return leave


def test_settings_files_are_heard(run, settings_file, caplog):
    settings_file("mode = disabled")
    log = Wandb().open(run)
    log.metrics(100, "train", {"loss": 1.0})
    log.close({"status": "completed"}, 0)
    assert (log.closing_line, said(caplog), folders(run)) == (None, [], [])


def test_nothing_is_printed_and_the_process_stays_as_it_was(run, png, settings_file, capfd):
    settings_file("mode = offline")

    def handler(number, frame):
        raise AssertionError

    old = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        before = sys.stdout, sys.stderr, sys.exit, sys.excepthook
        log = Wandb().open(run)
        log.metrics(100, "train", {"loss": 1.0})
        log.figure("samples", png, 100)
        assert [signal.getsignal(number) for number in old] == [handler, handler]
        log.close({"status": "completed"}, 0)
        assert [signal.getsignal(number) for number in old] == [handler, handler]
        assert (sys.stdout, sys.stderr, sys.exit, sys.excepthook) == before
    finally:
        for number, former in old.items():
            signal.signal(number, former)
    assert capfd.readouterr() == ("", "")


def test_disabled_neither_imports_nor_writes(run, png, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "wandb", None)  # importing it is an error now
        log = Wandb().open(run)
        log.metrics(100, "train", {"loss": 1.0})
        log.figure("samples", png, 100)
        log.close({"status": "completed"}, 0)
    assert (log.closing_line, said(caplog), list(run.folder.iterdir())) == (None, [], [])


def test_dead_service_does_not_stop_training_nor_the_next_run(run, resumed, png, offline, offline_records, caplog):
    import wandb

    log = Wandb().open(run)
    log.metrics(100, "train", {"loss": 1.0})
    connection = wandb.setup()._connection
    assert connection is not None
    assert connection._proc is not None
    os.kill(connection._proc._process.pid, signal.SIGKILL)
    connection._proc._process.wait()
    with caplog.at_level(logging.WARNING, "vaex"):
        for step in range(200, 1000, 100):
            log.metrics(step, "train", {"loss": 1.0})
            log.figure("samples", png, step)
        log.close({"status": "completed"}, 0)
    (message,) = said(caplog)
    assert "W&B stopped working" in message
    assert log.closing_line == f"wandb sync {folders(run)[0]}"
    log = Wandb().open(resumed(100))
    log.metrics(1000, "train", {"loss": 2.0})
    log.close({"status": "completed"}, 0)
    rows = [record for record in offline_records(folders(run)[1]) if record.HasField("history")]
    assert len(rows) == 1


def test_missing_figure_does_not_stop_training(run, offline, caplog):
    log = Wandb().open(run)
    with caplog.at_level(logging.WARNING, "vaex"):
        log.figure("samples", run.folder / "nowhere.png", 100)
    log.metrics(200, "train", {"loss": 1.0})
    log.close({"status": "completed"}, 0)
    assert len(said(caplog)) == 1


# Settings are our defaults, then the environment, then what was typed.

ENVIRON = {
    "WANDB_PROJECT": "their_project",
    "WANDB_ENTITY": "their_team",
    "WANDB_RUN_GROUP": "their_group",
    "WANDB_NAME": "their name",
    "WANDB_TAGS": "a,b",
    "WANDB_NOTES": "their notes",
    "WANDB_JOB_TYPE": "their type",
    "WANDB_RUN_ID": "their_id",
    "WANDB_DIR": "/their/folder",
    "WANDB_API_KEY": 40 * "a",
}


def test_defaults(run):
    settings = Wandb().settings(run, {})
    assert (settings.project, settings.entity, settings.run_notes) == ("vaex", None, None)
    assert (settings.run_group, settings.run_name, settings.run_job_type) == ("digits_beta", "beta=4 seed=1", "train")
    assert (settings.run_id, settings.run_tags) == ("abcd1234", ("digits", "bernoulli"))
    assert (settings.root_dir, settings.resume, settings.reinit) == (str(run.folder), "allow", "create_new")
    assert (settings.console, settings.silent) == ("off", True)


def test_mode_is_left_to_wandb_unless_someone_set_it(run):
    assert "mode" not in Wandb().settings(run, {}).model_fields_set
    assert Wandb().settings(run, {"WANDB_MODE": "offline"}).mode == "offline"
    assert Wandb(mode="disabled").settings(run, {"WANDB_MODE": "offline"}).mode == "disabled"


def test_environment_wins_over_defaults(run):
    settings = Wandb().settings(run, ENVIRON)
    assert (settings.project, settings.entity, settings.run_notes) == ("their_project", "their_team", "their notes")
    assert (settings.run_group, settings.run_name, settings.run_job_type) == ("their_group", "their name", "their type")
    assert (settings.run_id, settings.run_tags) == ("their_id", ("a", "b"))
    assert settings.root_dir == "/their/folder"
    assert settings.api_key is None  # found by wandb itself, not given by us


def test_what_is_typed_wins_over_the_environment(run):
    logger = Wandb(project="p", entity="e", group="g", name="n", tags=("t",), notes="notes")
    settings = logger.settings(run, ENVIRON)
    assert (settings.project, settings.entity, settings.run_notes) == ("p", "e", "notes")
    assert (settings.run_group, settings.run_name, settings.run_tags) == ("g", "n", ("t",))


def test_settings_are_fresh_for_each_run(run):
    logger = Wandb()
    assert logger.settings(run, {}) is not logger.settings(run, {})


@pytest.mark.parametrize("name", ["WANDB_RUN_ID", "WANDB_NAME"])
def test_members_of_a_sweep_are_not_merged(run, monkeypatch, name):
    monkeypatch.setenv(name, "one")
    with pytest.raises(VaexError, match=f"{name}=one.*single run.*unset {name}"):
        Wandb().open(dataclasses.replace(run, single=False))


def test_run_id_of_the_environment():
    assert Wandb.run_id({"WANDB_RUN_ID": "their_id"}) == "their_id"
    assert Wandb.run_id({"WANDB_RUN_ID": ""}) is None
    assert Wandb.run_id({}) is None


def test_unknown_modes_are_refused(run, monkeypatch):
    with pytest.raises(VaexError, match=r"logger\.wandb\.mode.*'ofline'; did you mean 'offline'"):
        Wandb(mode="ofline")
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(VaexError, match=r"WANDB_MODE.*'ofline'; did you mean 'offline'"):
        Wandb().open(run)


def test_tags_are_a_list():
    with pytest.raises(VaexError, match=r"type logger\.wandb\.tags=\[pilot\]"):
        Wandb(tags="pilot")


def test_config_files_are_the_constructor_calls():
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from vaex import loggers

    built = {}
    for path in (Path(__file__).parents[2] / "conf" / "logger").glob("*.yaml"):
        built |= instantiate(OmegaConf.load(path))
    assert built == {"jsonl": loggers.Jsonl(), "tensorboard": loggers.Tensorboard(), "wandb": Wandb()}
