"""The commands, run inside this process: they start in a tenth of a second then."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra.core.global_hydra import GlobalHydra

# Small, and quick to train.
SMALL = (
    *("'encoder.hidden=[8]'", "'decoder.hidden=[8]'", "latent_dim=2", "trainer.num_steps=20", "trainer.batch_size=16"),
    *("trainer.eval_every=10", "trainer.checkpoint_every=10", "trainer.log_every=5", "evaluation.nll_num_samples=4"),
)
SMALL = tuple(word.strip("'") for word in SMALL)


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., Done]:
    """Runs `experiments.NAME` with arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def call(*words: str, name: str = "train") -> Done:
        import importlib

        monkeypatch.setattr(sys, "argv", [f"experiments/{name}.py", *words])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        GlobalHydra.instance().clear()
        capsys.readouterr()
        try:
            importlib.import_module(f"experiments.{name}").main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            for handler in logging.getLogger().handlers[:]:
                if getattr(handler, "baseFilename", "").startswith(str(tmp_path)):  # the run's, not pytest's own
                    logging.getLogger().removeHandler(handler)
                    handler.close()
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


@pytest.fixture
def train(command) -> Callable[..., Done]:
    """Trains a small run without W&B."""
    return lambda *words: command(*SMALL, "logger=none", *words)
