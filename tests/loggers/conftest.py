"""A run to log, and W&B shut off from this machine's keys, settings and leftovers."""

import dataclasses
import os
import struct
import sys
from pathlib import Path

import pytest

from vaex.loggers import RunInfo, wandb_service


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return RunInfo(
        folder=folder,
        name="beta=4 seed=1",
        wandb_id="abcd1234",
        group="digits_beta",
        job_type="train",
        config={"objective": {"beta": 4.0}, "encoder": {"hidden": (512, 256)}},
        tags=("digits", "bernoulli"),
        num_steps=1000,
        resumed_at=None,
    )


@pytest.fixture
def resumed(run):
    """The same run, continued from a checkpoint."""
    return lambda step: dataclasses.replace(run, resumed_at=step)


@pytest.fixture
def png(tmp_path):
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.new("RGB", (12, 7), (200, 30, 30)).save(path)
    return path


@pytest.fixture(autouse=True)
def bare_wandb(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("WANDB_", "NETRC"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    yield
    wandb_service._gone.clear()
    wandb_service._refusal.cache_clear()
    wandb_service.warn_once.cache_clear()
    if "wandb" in sys.modules:
        import wandb

        wandb.teardown()  # the next test's environment counts


@pytest.fixture
def offline_records():
    return read_offline


def read_offline(folder: Path) -> list:
    """The records in the transaction log of one offline run: a LevelDB log (blocks of 32 KiB) after a 7-byte header."""
    import wandb
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # W&B's process closes the file in its own time, but before it ends
    (path,) = folder.glob("run-*.wandb")
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    records, part, at = [], b"", 7
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # no room for a header: padding
            at += 32768 - at % 32768
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # full, or the last part
            records.append(wandb_internal_pb2.Record.FromString(part))
            part = b""
    return records
