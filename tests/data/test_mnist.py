"""Tests of the MNIST family, prepared without TensorFlow: on made-up files in its form, and on the real ones."""

import functools
import gzip
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import FashionMnist, Mnist, prepared
from vaex.data.fashion_mnist import FASHION_MNIST
from vaex.data.mnist import MNIST
from vaex.data.originals import Originals, find, read_original
from vaex.likelihoods import Bernoulli

REAL = os.environ.get("VAEX_DATA_DIR")
needs_originals = pytest.mark.skipif(REAL is None, reason="VAEX_DATA_DIR, the folder of the original files, is unset")


def idx(values: np.ndarray) -> bytes:
    """Returns an idx file's bytes; nothing but the header's length is ever read of it."""
    return bytes(16 if values.ndim == 3 else 8) + values.tobytes()


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    """Returns made-up images, all different, with the splits' means apart."""
    rng = np.random.default_rng(0)
    return {
        "train": rng.integers(0, 128, (30, 28, 28), dtype=np.uint8),
        "t10k": rng.integers(128, 256, (10, 28, 28), dtype=np.uint8),
    }


@pytest.fixture(scope="module")
def made_up(images: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> tuple[Originals, Path]:
    """Returns a small data set in the form of MNIST, and the folder of its files."""
    folder = tmp_path_factory.mktemp("originals")
    sha256 = {}
    for prefix, pixels in images.items():
        labels = np.arange(len(pixels), dtype=np.uint8) % 10
        for file, content in (
            (f"{prefix}-images-idx3-ubyte", idx(pixels)),
            (f"{prefix}-labels-idx1-ubyte", idx(labels)),
        ):
            (folder / f"{file}.gz").write_bytes(gzip.compress(content))
            sha256[file] = hashlib.sha256(content).hexdigest()
    return Originals("mnist", MNIST.version, sha256), folder


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the machine's own folders and proxies."""
    for name in ("VAEX_DATA_DIR", "TFDS_DATA_DIR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def assert_same_images(found: np.ndarray, expected: np.ndarray) -> None:
    """Asserts equality but for the order, which is tensorflow-datasets' own."""
    assert found.dtype == np.uint8
    assert found.shape == (*expected.shape, 1)
    assert sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in expected)


def prepare(made_up: tuple[Originals, Path], tmp_path: Path, manual_dir: Path | None = None) -> tuple:
    """Returns the prepared made-up images."""
    originals, folder = made_up
    return read(originals, tmp_path, str(manual_dir or folder))


def read(originals: Originals, tmp_path: Path, manual_dir: str | None) -> tuple:
    raw = prepared.prepared(originals.name, originals.version, str(tmp_path / "tfds"), manual_dir, originals=originals)
    return raw.train, raw.test


def test_preparing_keeps_every_image_and_says_nothing(
    made_up: tuple[Originals, Path], images: dict[str, np.ndarray], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train, test = prepare(made_up, tmp_path)
    assert_same_images(train, images["train"])
    assert_same_images(test, images["t10k"])
    assert capfd.readouterr() == ("", "")
    folder = tmp_path / "tfds" / "mnist" / MNIST.version
    assert {path.name for path in folder.glob("*.npy")} == {"vaex-train.npy", "vaex-test.npy"}
    assert not list((tmp_path / "tfds").glob(".vaex-*"))
    assert not list(folder.glob(".vaex-*"))


def test_later_calls_read_the_cache_alone(
    made_up: tuple[Originals, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(made_up, tmp_path)
    monkeypatch.setattr(prepared, "_prepare", None)
    monkeypatch.setattr(prepared, "store", None)
    second = read(made_up[0], tmp_path, None)
    for before, after in zip(first, second, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_prepared_data_set_needs_no_originals(made_up: tuple[Originals, Path], tmp_path: Path) -> None:
    first = prepare(made_up, tmp_path)
    for path in (tmp_path / "tfds" / "mnist" / MNIST.version).glob("*.npy"):
        path.unlink()
    second = read(made_up[0], tmp_path, None)
    for before, after in zip(first, second, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_folder_that_is_none_is_refused_though_nothing_need_be_read(
    made_up: tuple[Originals, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(made_up, tmp_path)
    (tmp_path / "empty").mkdir()
    for where, message in (("nowhere", "is no folder"), ("empty", "missing train-images")):
        with pytest.raises(VaexError, match=message):
            prepare(made_up, tmp_path, tmp_path / where)
    monkeypatch.setenv("VAEX_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(VaexError, match=r"VAEX_DATA_DIR=.*nowhere is no folder; .* or unset it"):
        read(made_up[0], tmp_path, None)
    about = (made_up[0].name, made_up[0].version, str(tmp_path / "tfds"), str(made_up[1]))
    raw = prepared.prepared(*about, originals=made_up[0])
    assert any("data.manual_dir" in note and "is not read" in note for note in raw.notes)


def test_a_data_set_in_tensorflows_own_format_is_left_alone(
    made_up: tuple[Originals, Path], images: dict[str, np.ndarray], tmp_path: Path
) -> None:
    prepare(made_up, tmp_path)
    folder = tmp_path / "tfds" / "mnist" / MNIST.version
    for path in folder.glob("*.npy"):
        path.unlink()
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    assert json.loads(info.read_text())["fileFormat"] == "tfrecord"
    before = info.read_bytes()
    train, test = prepare(made_up, tmp_path)
    assert_same_images(train, images["train"])
    assert_same_images(test, images["t10k"])
    assert info.read_bytes() == before


def test_two_processes_at_once_both_get_it_right(
    made_up: tuple[Originals, Path], images: dict[str, np.ndarray], tmp_path: Path
) -> None:
    originals, folder = made_up
    code = f"""
import sys
import numpy as np
from vaex.data.originals import Originals
from vaex.data.prepared import prepared
originals = Originals{tuple(originals)!r}
raw = prepared(originals.name, originals.version, {str(tmp_path / "tfds")!r}, {str(folder)!r}, originals=originals)
np.savez(sys.argv[1], raw.train, raw.test)
"""
    outs = [tmp_path / f"{i}.npz" for i in range(2)]
    processes = [subprocess.Popen([sys.executable, "-c", code, out]) for out in outs]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    for out in outs:
        with np.load(out) as found:
            assert_same_images(found["arr_0"], images["train"])
            assert_same_images(found["arr_1"], images["t10k"])
    assert not list((tmp_path / "tfds").glob(".vaex-*"))


@pytest.mark.parametrize("layout", ["gz", "plain", "sub-folder"])
def test_where_the_originals_may_lie(layout: str, made_up: tuple[Originals, Path], tmp_path: Path) -> None:
    originals, folder = made_up
    place = tmp_path / "mnist" if layout == "sub-folder" else tmp_path
    place.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if layout == "plain":
            (place / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        else:
            shutil.copy(path, place)
    found = find(originals, str(tmp_path))
    assert found is not None
    for file, path in found.items():
        np.testing.assert_array_equal(
            read_original(originals, file, path), read_original(originals, file, folder / f"{file}.gz")
        )


def test_the_environment_names_a_folder_of_sub_folders(
    made_up: tuple[Originals, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    originals, folder = made_up
    assert find(originals, None) is None
    monkeypatch.setenv("VAEX_DATA_DIR", str(tmp_path))
    assert find(originals, None) is None  # another data set's folder: this one is downloaded
    shutil.copytree(folder, tmp_path / "mnist")
    found = find(originals, None)
    assert found is not None
    assert {path.parent for path in found.values()} == {tmp_path / "mnist"}
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(VaexError, match=r"missing t10k-labels-idx1-ubyte\.gz"):
        find(originals, None)


def test_a_folder_without_the_files_is_refused_before_anything_is_written(
    made_up: tuple[Originals, Path], tmp_path: Path
) -> None:
    with pytest.raises(VaexError) as caught:
        prepare(made_up, tmp_path, tmp_path / "nowhere")
    for file in made_up[0].sha256:
        assert f"{file}.gz" in str(caught.value)
    assert str(tmp_path / "nowhere") in str(caught.value)
    assert "data.manual_dir=FOLDER" in str(caught.value)
    assert not (tmp_path / "tfds").exists()


@pytest.mark.parametrize("damage", ["flipped byte", "truncated", "not gzip"])
def test_a_file_that_is_not_the_original_is_named(damage: str, made_up: tuple[Originals, Path], tmp_path: Path) -> None:
    originals, folder = made_up
    shutil.copytree(folder, tmp_path / "files")
    broken = tmp_path / "files" / "t10k-images-idx3-ubyte.gz"
    whole = broken.read_bytes()
    content = bytearray(gzip.decompress(whole))
    content[1000] ^= 1
    damaged = {"flipped byte": gzip.compress(content), "truncated": whole[:-100], "not gzip": b"<html>"}
    broken.write_bytes(damaged[damage])
    with pytest.raises(VaexError) as caught:
        prepare(made_up, tmp_path, tmp_path / "files")
    assert str(broken) in str(caught.value)
    assert "fetch t10k-images-idx3-ubyte.gz again" in str(caught.value)
    if damage != "truncated":
        assert f"expected SHA-256 {originals.sha256['t10k-images-idx3-ubyte']}" in str(caught.value)
    assert not (tmp_path / "tfds").exists()


def test_a_broken_cache_is_named(made_up: tuple[Originals, Path], tmp_path: Path) -> None:
    prepare(made_up, tmp_path)
    path = tmp_path / "tfds" / "mnist" / MNIST.version / "vaex-test.npy"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(VaexError, match=r"broken vaex-\*\.npy.*delete it"):
        prepare(made_up, tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(made_up: tuple[Originals, Path], tmp_path: Path) -> None:
    (tmp_path / "tfds").write_text("a file, where the folder should be")
    with pytest.raises(VaexError, match=r"cannot prepare in .*tfds.*data\.data_dir=FOLDER"):
        prepare(made_up, tmp_path)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yields a folder that stands for the network: tensorflow-datasets downloads from it."""
    from tensorflow_datasets.image_classification import mnist

    folder = tmp_path / "network"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        monkeypatch.setattr(mnist.MNIST, "URL", f"http://127.0.0.1:{httpd.server_port}/")
        yield folder
        httpd.shutdown()
        thread.join()


def test_download(
    made_up: tuple[Originals, Path],
    images: dict[str, np.ndarray],
    tmp_path: Path,
    server: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for path in made_up[1].iterdir():
        shutil.copy(path, server)
    train, test = read(made_up[0], tmp_path, None)
    assert_same_images(train, images["train"])
    assert_same_images(test, images["t10k"])
    assert capfd.readouterr() == ("", "")


def test_what_the_network_brings_is_checked_too(made_up: tuple[Originals, Path], tmp_path: Path, server: Path) -> None:
    for path in made_up[1].iterdir():
        (server / path.name).write_bytes(gzip.compress(b"<html>Please sign in</html>"))
    with pytest.raises(VaexError, match="is not the original: expected SHA-256"):
        read(made_up[0], tmp_path, None)
    assert not (tmp_path / "tfds" / "mnist").exists()


@pytest.mark.parametrize("what", ["no server", "no file", "server error"])
def test_without_the_network_the_message_says_where_to_put_the_files(
    what: str, made_up: tuple[Originals, Path], tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorflow_datasets.image_classification import mnist

    if what == "no server":
        monkeypatch.setattr(mnist.MNIST, "URL", "http://127.0.0.1:9/")  # the discard port: nobody listens
    if what == "server error":
        monkeypatch.setattr(Quiet, "do_GET", lambda self: self.send_error(503))
    start = time.perf_counter()
    with pytest.raises(VaexError) as caught:
        read(made_up[0], tmp_path, None)
    assert time.perf_counter() - start < 60  # tensorflow-datasets alone would try for 200 s
    assert "cannot be downloaded from http://127.0.0.1" in str(caught.value)
    assert made_up[0].listed in str(caught.value)
    assert "type data.manual_dir=FOLDER" in str(caught.value)


def test_versions_are_those_of_the_installed_builders() -> None:
    from tensorflow_datasets.image_classification import mnist

    assert MNIST.version == str(mnist.MNIST.VERSION)
    assert FASHION_MNIST.version == str(mnist.FashionMNIST.VERSION)


@needs_originals
@pytest.mark.parametrize(("originals", "mean"), [(MNIST, 33.3184), (FASHION_MNIST, 72.9404)])
def test_the_real_originals_pass_and_have_their_known_mean(originals: Originals, mean: float) -> None:
    found = find(originals, REAL)
    assert found is not None
    arrays = {file: read_original(originals, file, path) for file, path in found.items()}
    assert arrays["train-images-idx3-ubyte"].shape == (60_000, 28, 28)
    assert arrays["t10k-images-idx3-ubyte"].shape == (10_000, 28, 28)
    assert arrays["train-images-idx3-ubyte"].mean() == pytest.approx(mean, abs=5e-5)  # as published, four decimals
    np.testing.assert_array_equal(np.bincount(arrays["t10k-labels-idx1-ubyte"], minlength=10).sum(), 10_000)


@needs_originals
def test_the_real_fashion_mnist_from_files_to_a_dataset(tmp_path: Path) -> None:
    data = FashionMnist(manual_dir=REAL, data_dir=str(tmp_path), validation_fraction=0.1).load(Bernoulli())
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (54_000, 6_000, 10_000)
    assert data.event_shape == (28, 28, 1)
    assert data.notes == ("fashion_mnist: 256 grey levels -> dynamic, for likelihood=bernoulli",)
    assert set(np.unique(data.test)) == set(np.unique(data.validation)) == {0, 255}
    found = find(FASHION_MNIST, REAL)
    assert found is not None
    expected = read_original(FASHION_MNIST, "train-images-idx3-ubyte", found["train-images-idx3-ubyte"])
    grey = FashionMnist(data_dir=str(tmp_path), binarize="none").read()
    assert_same_images(grey.train, expected)
    # Mean of the draws against that of the grey test images: 7.84e6 pixels, standard error below 0.5 / 2800.
    assert grey.test is not None
    assert data.test.mean() / 255 == pytest.approx(grey.test.mean() / 255, abs=1e-3)


def test_mnist_and_fashion_mnist_do_not_share_a_folder() -> None:
    assert Mnist().name != FashionMnist().name
