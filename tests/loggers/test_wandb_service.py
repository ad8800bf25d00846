"""With and without a key and a server: online where there are both, else offline, soon, and with one warning."""

import dataclasses
import http.server
import json
import logging
import os
import pty
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from vaex.loggers import Wandb

KEY = 40 * "a"
PATIENCE = 5.0  # seconds, as promised; `import wandb` comes before, in a fixture


@pytest.fixture(autouse=True)
def _imported():
    import wandb  # noqa: F401


class Server(http.server.BaseHTTPRequestHandler):
    """As much of W&B's server as a run needs: `history` is what it was sent, `tail` what it has of an earlier part."""

    history: list
    tail: dict | None = None
    known: bool = True
    welcome: bool = True

    def answer(self, body=None, code=200):
        data = b"" if self.command == "HEAD" else json.dumps(body or {}).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_HEAD(self):
        self.answer()

    def do_PUT(self):
        self.body()
        self.answer()

    def do_POST(self):
        request = json.loads(self.body() or b"{}")
        if self.path.endswith("/file_stream"):
            self.history += request.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
            return self.answer({"limits": {}})
        variables = request.get("variables") or {}
        operation = re.search(r"(?:query|mutation)\s+(\w+)", request.get("query", ""))
        if operation and operation[1] == "UpsertBucket" and not self.welcome:
            return self.answer({"errors": [{"message": "permission denied"}]}, 403)
        entity = {"id": "e", "name": "me"}
        project = {"id": "p", "name": "vaex", "entity": entity}
        bucket = {"id": "b", "name": variables.get("name"), "displayName": "", "config": "{}", "project": project}
        return self.answer(
            {
                "data": {
                    "Viewer": {"viewer": {"id": "u", "entity": "me", "username": "me"} if self.known else None},
                    "RunResumeStatus": {"model": {**project, "bucket": self.tail}},
                    "UpsertBucket": {"upsertBucket": {"bucket": bucket, "inserted": True}},
                    "CreateRunFiles": {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []}},
                }.get(operation[1] if operation else "", {})
            }
        )

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    handler = type("Handler", (Server,), {"history": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{running.server_port}")
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield handler
        running.shutdown()


def log_two_runs(run, logger=None):
    """Logs two runs of one process, as a sweep would; returns their logs and the seconds that opening them took."""
    logs, start = [], time.monotonic()
    for number in (1, 2):
        member = dataclasses.replace(run, folder=run.folder / str(number), wandb_id=f"abcd123{number}", single=False)
        member.folder.mkdir()
        logs.append((logger or Wandb()).open(member))
    seconds = time.monotonic() - start
    for log in logs:
        log.metrics(100, "train", {"loss": 1.0})
        log.close({"status": "completed"}, 0)
    return logs, seconds


def check_offline(run, caplog, offline_records, reason, logger=None):
    with caplog.at_level(logging.WARNING, "vaex"):
        logs, seconds = log_two_runs(run, logger)
    (message,) = [record.getMessage() for record in caplog.records if record.name == "vaex"]
    assert re.search(reason, message)
    assert "offline" in message
    assert "wandb sync" in message
    assert seconds < PATIENCE
    for number, log in enumerate(logs, start=1):
        (folder,) = (run.folder / str(number) / "wandb").glob("offline-run-*")
        assert log.closing_line == f"wandb sync {folder}"
        assert any(record.HasField("history") for record in offline_records(folder))


def test_no_key(run, caplog, offline_records):
    check_offline(run, caplog, offline_records, "no API key")


def test_malformed_key(run, caplog, offline_records, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "short")
    check_offline(run, caplog, offline_records, "WANDB_API_KEY invalid")


@pytest.mark.parametrize("logger", [Wandb(), Wandb(mode="online")])
def test_nobody_listens(run, caplog, offline_records, monkeypatch, logger):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    asked = "offline although mode=online was asked for" if logger.mode else "runs stay offline, to be"
    check_offline(run, caplog, offline_records, f"127.0.0.1:9 cannot be reached.*{asked}", logger)


def test_server_that_never_answers(run, caplog, offline_records, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        check_offline(run, caplog, offline_records, "cannot be reached")


def test_key_that_the_server_does_not_know(run, caplog, offline_records, server):
    server.known = False
    check_offline(run, caplog, offline_records, "invalid credentials")


def test_run_that_the_server_refuses(run, caplog, offline_records, server):
    server.welcome = False  # as it does when the entity is not one's own
    check_offline(run, caplog, offline_records, "permission denied")


def test_online_run_reaches_the_server(run, server):
    log = Wandb().open(run)
    assert log.closing_line == f"{os.environ['WANDB_BASE_URL']}/me/vaex/runs/abcd1234"
    for step in (100, 200):
        log.metrics(step, "train", {"loss": step / 2})
    log.metrics(200, "test", {"loss": 7.0})
    log.close({"status": "completed"}, 0)
    rows = [{key: value for key, value in json.loads(row).items() if key[0] != "_"} for row in server.history]
    assert rows == [
        {"step": 100, "train/loss": 50.0},
        {"step": 200, "train/loss": 100.0, "test/loss": 7.0},
    ]


def test_resumed_online_run_repeats_no_row(run, resumed, server):
    # The server has 700 steps of the run, whose last checkpoint was at 500.
    server.tail = {
        "id": "b",
        "name": "abcd1234",
        "displayName": "",
        "historyLineCount": 7,
        "eventsLineCount": 0,
        "logLineCount": 0,
        "historyTail": json.dumps([json.dumps({"_step": 700, "_runtime": 9, "step": 700})]),
        "eventsTail": "[]",
        "summaryMetrics": "{}",
        "config": json.dumps({"objective": {"value": {"beta": 1.0}}}),
        "wandbConfig": '{"t": 1}',
    }
    log = Wandb().open(resumed(500))
    for step in (600, 700, 800, 900):
        log.metrics(step, "train", {"loss": 1.0})
    log.close({"status": "completed"}, 0)
    assert [json.loads(row)["step"] for row in server.history] == [800, 900]


def test_terminal_is_asked_nothing_and_told_one_line(tmp_path):
    """A whole process at a terminal, with no key: W&B alone would ask for one and wait."""
    program = """
        import pathlib, sys
        from vaex.loggers import RunInfo, Wandb
        run = RunInfo(pathlib.Path(sys.argv[1]), "", "abcd1234", None, "train", {}, (), 10, None)
        log = Wandb().open(run)
        log.metrics(10, "train", {"loss": 1.0})
        log.close({"status": "completed"}, 0)
        print(log.closing_line)
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:  # the terminal is gone with its last process
        pass
    os.close(ours)
    assert process.wait(timeout=30) == 0
    warning, closing = said.decode().splitlines()
    assert warning.startswith("W&B: no API key")
    assert re.fullmatch(rf"wandb sync {tmp_path}/wandb/offline-run-\w+-abcd1234", closing)
