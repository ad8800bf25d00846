"""One compilation cache for the whole suite, and data sets known in advance."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".cache" / "jax"))

import jax
from absl import logging as absl_logging

from experiments.device import prepare_jax
from vaex.training.memory import make_room

prepare_jax(num_devices=2)  # two host devices, as a sweep on two cores has
# Hydra's logging set-up closes every handler, and absl's closes the stream it found at import: pytest's own capture.
absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(scope="session")
def ppca_x() -> np.ndarray:
    """50 points in 6 dimensions, deterministic and centred: the data whose pPCA optimum is known."""
    i, j = np.arange(50)[:, None], np.arange(6)[None, :]
    x = np.sin(0.7 * i + 1.3 * j) + 0.5 * np.cos(0.2 * i * j) + 0.1 * ((i * j) % 5)
    return x - x.mean(0)


@pytest.fixture(scope="session")
def ppca_file(ppca_x: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file whose training and test splits are both the whole."""
    path = tmp_path_factory.mktemp("ppca") / "x.npz"
    np.savez(path, train=ppca_x.astype(np.float32), test=ppca_x.astype(np.float32))
    return path


@pytest.fixture
def x64():
    """Float64 throughout a test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True)
def _room_for_programs():
    """Between tests, well before a pack would do so inside one that counts compilations."""
    yield
    make_room(0.25)
