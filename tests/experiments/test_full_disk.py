"""Where the disk takes no more: one message with the line that goes on, nothing lost, and no temporary file."""

import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.experiments.conftest import SMALL
from vaex._write import REMEDIES, CannotWrite, of_writing, write_bytes
from vaex.training import checkpoint

RUN = (*SMALL, "logger=none", "hydra.run.dir=here")
SWEEP = ("-m", *SMALL, "logger=none", "hydra.sweep.dir=here", "seed=0,1", "latent_dim=2,3")
NLL = ("run=here", "metric=nll", "metric.nll.num_samples=2")


@pytest.fixture
def disk(monkeypatch):
    """Returns a switch: from then on the system refuses to write files of a name."""

    def refuse(door: str, code: int = errno.ENOSPC) -> pytest.MonkeyPatch:
        real = os.write

        def write(descriptor, content):
            if door in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
                raise OSError(code, os.strerror(code))
            return real(descriptor, content)

        own = pytest.MonkeyPatch()
        own.setattr(os, "write", write)
        undo.append(own)
        return own

    undo: list[pytest.MonkeyPatch] = []
    yield refuse
    for own in undo:
        own.undo()


def goes_on(done, command, door: str, *, code: int = errno.ENOSPC):
    """Asserts the form of the refusal, and returns how the line that it gives ends."""
    assert done.code == 1
    assert "Traceback" not in done.err
    assert done.err.count("cannot write to ") == 1, done.err
    assert door in done.err
    assert os.strerror(code) in done.err
    assert REMEDIES[code] in done.err
    assert not [path for path in Path().rglob("*") if path.name.endswith((".tmp", ".part"))]
    python, dash_m, name, *words = shlex.split(done.err.split("continue with: ")[1].splitlines()[0])
    assert (python, dash_m) == ("python", "-m")
    return lambda: command(*words, name=name.removeprefix("experiments."))


@pytest.mark.parametrize(
    ("door", "code"),
    [
        *((door, errno.ENOSPC) for door in ("run.json", "metrics.jsonl", "safetensors", "figures/", "summary.json")),
        *(("step_0000000020", code) for code in (errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)),
    ],
    ids=str,
)
def test_a_run(command, disk, door, code):
    full = disk(door, code)
    again = goes_on(command(*RUN), command, "here/", code=code)
    full.undo()
    assert again().code == 0
    assert json.loads(Path("here/summary.json").read_text())["status"] == "completed"
    assert command(*RUN[:-1], "hydra.run.dir=undisturbed").code == 0
    ours, theirs = (load_file(f"{name}/checkpoint/step_0000000020.safetensors") for name in ("here", "undisturbed"))
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    ours, theirs = (Path(f"{name}/metrics.jsonl").read_text() for name in ("here", "undisturbed"))
    assert ours == theirs


@pytest.mark.parametrize(
    "door",
    ["sweep.json", "run.json", "0/checkpoint", "step_0000000020", "1/.summary", "results.csv", "report.html"],
)
def test_a_sweep(command, disk, door):
    full = disk(door)
    again = goes_on(command(*SWEEP), command, "here")
    full.undo()
    done = again()
    assert done.code == 0, done.err
    statuses = [job["status"] for job in json.loads(Path("here/sweep.json").read_text())["jobs"]]
    assert statuses == ["completed"] * 4
    assert Path("here/report.html").exists()


def test_one_folder_of_a_sweep_that_refuses(command, disk):
    """It is that member's matter: the others are trained."""
    full = disk("here/2/", errno.EACCES)
    again = goes_on(command(*SWEEP), command, "here/2", code=errno.EACCES)
    statuses = [job["status"] for job in json.loads(Path("here/sweep.json").read_text())["jobs"]]
    assert statuses == ["completed", "completed", "interrupted", "completed"]
    full.undo()
    assert again().code == 0


def test_evaluation_and_report(command, disk):
    assert command(*SWEEP, "latent_dim=2").code == 0
    for words, name, door in ((NLL, "evaluate", "evaluation.json"), (("sweep=here",), "compare", "results.csv")):
        full = disk(door)
        again = goes_on(command(*words, name=name), command, door)
        full.undo()
        assert again().code == 0
    before = json.loads(Path("here/0/evaluation.json").read_text())["evaluations"]
    assert len(before) == 1


def test_a_folder_that_vanishes(command, monkeypatch):
    real = checkpoint.save

    def save(folder, at, tree, meta):
        if at == 20:
            Path("here").rename("elsewhere")
        real(folder, at, tree, meta)

    monkeypatch.setattr(checkpoint, "save", save)
    done = command(*RUN)
    again = goes_on(done, command, "here/checkpoint", code=errno.ENOENT)
    monkeypatch.setattr(checkpoint, "save", real)
    assert not Path("here").exists()
    Path("elsewhere").rename("here")
    assert again().code == 0


def outside(line: str, folder: Path) -> subprocess.CompletedProcess:
    """A command as a shell starts it."""
    environment = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    words = ["bash", "-c", line.replace("python", sys.executable, 1)]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize(("limit", "door"), [(1, "here"), (9, "step_0000000010")])
def test_a_real_limit(tmp_path, limit, door):
    """The system's own refusal, also of what Hydra writes; in KiB."""
    done = outside(f"ulimit -f {limit}; exec python -m experiments.train {shlex.join(RUN)}", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot write to " in done.stderr
    assert door in done.stderr
    assert "File too large" in done.stderr
    assert "continue with: python -m experiments.train" in done.stderr
    assert not list(tmp_path.rglob("*.tmp"))


def test_an_output_that_takes_no_more(tmp_path):
    done = outside("python -m experiments.train --cfg job > /dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 2
    assert "cannot write to the output: No space left on device" in done.stderr


def test_a_failed_write_leaves_the_old_file(tmp_path, disk):
    write_bytes(tmp_path / "x", b"old")
    disk("/.x.")
    with pytest.raises(CannotWrite, match="the disk is full"):
        write_bytes(tmp_path / "x", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_what_is_of_writing():
    wrapped = ValueError("Unable to configure handler 'file'")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device", "a.log")
    assert "a.log" in str(of_writing(wrapped))
    assert of_writing(ValueError("x")) is None
    assert of_writing(OSError(errno.EMFILE, "Too many open files")) is None


def test_a_sweep_of_another_launcher(command, disk):
    words = ("-m", *SMALL, "logger=none", "hydra.sweep.dir=here", "seed=0,1", "hydra/launcher=basic")
    full = disk("step_0000000020")
    again = goes_on(command(*words), command, "here")
    full.undo()
    assert again().code == 0
    statuses = [json.loads(path.read_text())["status"] for path in Path("here").glob("*/summary.json")]
    assert statuses == ["completed"] * 2


def test_a_run_that_cannot_be_written_is_not_measured_first(command, monkeypatch):
    assert command(*RUN).code == 0
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr("experiments.evaluate._measure_pack", None)
    goes_on(command(*NLL, name="evaluate"), command, "evaluation.json", code=errno.EACCES)
