"""Tests of the door to tensorflow-datasets: its own builders on made-up originals, and builders made up here."""

import contextlib
import gzip
import io
import json
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download import checksums
from tensorflow_datasets.core.features import image_feature
from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow as tf
from tensorflow_datasets.image_classification import mnist
from tensorflow_datasets.image_classification import omniglot as omniglot_module

from vaex._check import VaexError
from vaex.data import Tfds, builders, images, prepared
from vaex.data.without_tensorflow import without_tensorflow
from vaex.likelihoods import Bernoulli, Gaussian

Splits = dict[str, np.ndarray]
RNG = np.random.default_rng(0)


def grey_levels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the machine's own folders and proxies."""
    for name in ("VAEX_DATA_DIR", "TFDS_DATA_DIR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", 30)
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", 10)
    monkeypatch.setattr(omniglot_module, "_NUM_CLASSES", 6)
    monkeypatch.setattr(omniglot_module, "_NUM_ALPHABETS", 3)


def idx(values: np.ndarray) -> bytes:
    return gzip.compress(bytes(16 if values.ndim == 3 else 8) + values.tobytes())


def kmnist(folder: Path) -> Splits:
    made = {"train": grey_levels(30, 28, 28, 1), "test": grey_levels(10, 28, 28, 1)}
    for prefix, pixels in zip(("train", "t10k"), made.values(), strict=True):
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(pixels[..., 0]))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(len(pixels), dtype=np.uint8) % 10))
    return made


def emnist(folder: Path) -> Splits:
    made = {"train": grey_levels(30, 28, 28, 1), "test": grey_levels(10, 28, 28, 1)}
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for split, pixels in made.items():
            labels = np.arange(len(pixels), dtype=np.uint8)
            archive.writestr(f"gzip/emnist-balanced-{split}-images-idx3-ubyte.gz", idx(pixels[..., 0]))
            archive.writestr(f"gzip/emnist-balanced-{split}-labels-idx1-ubyte.gz", idx(labels))
    return made


def binarized_mnist(folder: Path) -> Splits:
    sizes = {"train": 5, "validation": 4, "test": 3}
    made = {split: RNG.integers(0, 2, (size, 28, 28, 1), dtype=np.uint8) for split, size in sizes.items()}
    for split, pixels in made.items():
        np.savetxt(folder / f"binarized_mnist_{split[:5]}.amat", pixels.reshape(len(pixels), -1), fmt="%d")
    return made


def omniglot(folder: Path) -> Splits:
    drawings = RNG.integers(0, 2, (2, 105, 105), dtype=np.uint8) * 255
    files = []
    for drawing in drawings:
        png = io.BytesIO()
        Image.fromarray(drawing).convert("1").save(png, "PNG")  # one bit a pixel, as the originals have
        files.append(png.getvalue())
    parts = {"background": range(4), "evaluation": range(4, 6)}
    parts |= {"background_small1": range(1), "background_small2": range(1)}
    for part, characters in parts.items():
        with zipfile.ZipFile(folder / f"images_{part}.zip", "w") as archive:
            for i in characters:
                path = f"images_{part}/A{i % 3}/character{i // 3 + 1:02d}/{i + 1:04d}_01.png"
                archive.writestr(path, files[i % 2])
    three = np.stack([drawings] * 3, -1)
    return {"train": three[[0, 1, 0, 1]], "test": three}


def cifar10(folder: Path) -> Splits:
    made = {"train": grey_levels(10, 32, 32, 3), "test": grey_levels(2, 32, 32, 3)}
    rows = [bytes([3]) + image.transpose(2, 0, 1).tobytes() for pixels in made.values() for image in pixels]
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    files = {name: b"".join(rows[2 * i : 2 * i + 2]) for i, name in enumerate(names)}
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, content in {"batches.meta.txt": "\n".join("abcdefghij").encode(), **files}.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made


def svhn_cropped(folder: Path) -> Splits:
    from scipy.io import savemat

    made = {"train": grey_levels(5, 32, 32, 3), "test": grey_levels(3, 32, 32, 3), "extra": grey_levels(2, 32, 32, 3)}
    for split, pixels in made.items():
        labels = np.arange(1, 1 + len(pixels))[:, None]
        savemat(folder / f"{split}_32x32.mat", {"X": pixels.transpose(1, 2, 3, 0), "y": labels})
    return {split: made[split] for split in ("train", "test")}


def celeb_a(folder: Path) -> Splits:
    from tensorflow_datasets.datasets.celeb_a import celeb_a_dataset_builder as module

    names = [f"{i:06d}.jpg" for i in range(1, 8)]
    decoded = []
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for name in names:
            jpeg = io.BytesIO()
            Image.fromarray(grey_levels(218, 178, 3)).save(jpeg, "JPEG")
            decoded.append(np.asarray(Image.open(jpeg)))
            archive.writestr(f"img_align_celeba/{name}", jpeg.getvalue())
    (folder / "list_eval_partition.txt").write_text("".join(f"{n} {min(2, i // 3)}\n" for i, n in enumerate(names)))
    tables = {"list_attr_celeba": module.ATTR_HEADINGS, "list_landmarks_align_celeba": module.LANDMARK_HEADINGS}
    for file, headings in tables.items():
        rows = "".join(f"{name} {' '.join('1' * len(headings))}\n" for name in names)
        (folder / f"{file}.txt").write_text(f"{len(names)}\n{' '.join(headings)}\n{rows}")
    (folder / "identity_CelebA.txt").write_text("".join(f"{name} 7\n" for name in names))
    return {"train": np.stack(decoded[:3]), "validation": np.stack(decoded[3:6]), "test": np.stack(decoded[6:])}


def dsprites(folder: Path) -> Splits:
    h5py = pytest.importorskip("h5py")
    made = RNG.integers(0, 2, (6, 64, 64, 1), dtype=np.uint8)
    with h5py.File(folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5", "w") as file:
        file["imgs"] = made[..., 0]
        file["latents/classes"], file["latents/values"] = np.zeros((6, 6), np.int64), np.zeros((6, 6))
    return {"train": made}


def shapes3d(folder: Path) -> Splits:
    h5py = pytest.importorskip("h5py")
    made = grey_levels(6, 64, 64, 3)
    with h5py.File(folder / "3dshapes.h5", "w") as file:
        file["images"], file["labels"] = made, np.zeros((6, 6))
    return {"train": made}


@pytest.fixture
def originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Splits, Path]]:
    """Writes made-up originals in their true form, which tensorflow-datasets takes for the true ones."""

    def write(name: str) -> tuple[Splits, Path]:
        plain = name.partition("/")[0]
        folder = tmp_path / "files" / plain
        folder.mkdir(parents=True)
        made = globals()[plain](folder)
        builder: Any = tfds.builder_cls(plain)
        known = {**checksums.get_all_url_infos(), **(builder.url_infos or {})}
        for url, info in known.items():
            if (folder / (info.filename or "none")).is_file():
                known[url] = checksums.compute_url_info(folder / info.filename)
        monkeypatch.setattr(checksums, "get_all_url_infos", lambda: dict(known))
        for url in builder.url_infos or {}:
            monkeypatch.setitem(builder.url_infos, url, known[url])
        if plain == "emnist":
            monkeypatch.setattr(builder.builder_configs["balanced"], "train_examples", 30)
            monkeypatch.setattr(builder.builder_configs["balanced"], "test_examples", 10)
        return made, folder

    return write


def assert_same_images(found: np.ndarray | None, expected: np.ndarray | None) -> None:
    """Asserts equality but for the order, which is tensorflow-datasets' own."""
    if expected is None or found is None:
        assert found is expected
        return
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    assert sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in expected)


NAMED = ["kmnist", "emnist/balanced", "binarized_mnist", "omniglot", "cifar10", "svhn_cropped", "celeb_a"]
NAMED += ["dsprites", "shapes3d"]


@pytest.mark.parametrize("name", NAMED)
def test_a_named_set_comes_back_exactly_without_tensorflow(
    name: str, originals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made, folder = originals(name)
    data = Tfds(name=name, data_dir=str(tmp_path / "tfds"), manual_dir=str(folder.parent))
    raw = data.read()
    assert_same_images(raw.train, made["train"])
    assert_same_images(raw.test, made.get("test"))
    assert_same_images(raw.validation, made.get("validation"))
    assert raw.levels == (2 if name in ("binarized_mnist", "dsprites") else 256)
    assert capfd.readouterr() == ("", "")
    assert find_spec("tensorflow") is not None or "_module" not in tf.__dict__  # the stand-in is gone
    assert not list((tmp_path / "tfds").glob(".vaex-*"))
    assert not [path for path in (tmp_path / "tfds").rglob("*") if "extracted" in path.name and any(path.iterdir())]
    # Later calls read the cache alone, in the same order.
    monkeypatch.setattr(prepared, "prepare", None)
    monkeypatch.setattr(prepared, "store", None)
    np.testing.assert_array_equal(data.read().train, raw.train)


class Toy(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A data set of what its class says."""

    VERSION = tfds.core.Version("1.0.0")
    FEATURES: dict[str, Any]
    MADE: dict[str, list[Any]]

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self.FEATURES))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(made) for split, made in self.MADE.items()}

    def _generate_examples(self, made: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(dict.fromkeys(self.FEATURES, example) for example in made)


def of_shape(*shape: int | None, **options: Any) -> dict[str, Any]:
    return {"image": tfds.features.Image(shape=shape, **options)}


RECTANGLES = grey_levels(7, 8, 12, 3)
GREY = np.stack([grey_levels(5, 8, 8)] * 3, -1)


class VaexRectangles(Toy):
    FEATURES, MADE = of_shape(8, 12, 3), {"train": list(RECTANGLES)}


class VaexGrey(Toy):
    FEATURES, MADE = of_shape(8, 8, 3), {"train": list(GREY[:3]), "test": list(GREY[3:])}


class VaexVarying(Toy):
    FEATURES, MADE = of_shape(None, None, 1), {"train": [grey_levels(4 + i, 9, 1) for i in range(4)]}


class VaexDeep(Toy):
    FEATURES, MADE = of_shape(4, 4, 1, dtype=np.uint16), {"train": [np.zeros((4, 4, 1), np.uint16)]}


class VaexText(Toy):
    FEATURES, MADE = {"text": tfds.features.Text(), "title": tfds.features.Text()}, {"train": ["a"]}


class VaexUntrained(Toy):
    FEATURES, MADE = of_shape(4, 4, 1), {"test": [grey_levels(4, 4, 1)]}


class VaexJpeg(Toy):
    FEATURES, MADE = of_shape(4, 4, 3, encoding_format="jpeg"), {"train": [grey_levels(4, 4, 3)]}


class VaexResized(Toy):
    FEATURES, MADE = of_shape(4, 4, 3), {"train": [grey_levels(4, 4, 3)]}

    def _generate_examples(self, made: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        yield 0, {"image": np.asarray(tf.image.resize(made[0], (4, 4)), np.uint8)}


TOYS = {cls.name: cls for cls in Toy.__subclasses__()}


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets tensorflow-datasets know the builders of this file."""
    own = tfds.builder_cls
    monkeypatch.setattr(tfds, "builder_cls", lambda name: TOYS.get(name) or own(name))


def toy(name: str, tmp_path: Path, **options: Any) -> Tfds:
    return Tfds(name=name, data_dir=str(tmp_path / "tfds"), **options)


def test_a_set_of_one_split_is_split_by_fraction(tmp_path: Path) -> None:
    data = toy("vaex_rectangles", tmp_path, test_fraction=2 / 7).load(Gaussian())
    assert (len(data.train), len(data.test), data.event_shape, data.levels) == (5, 2, (8, 12, 3), 256)
    assert_same_images(np.concatenate([data.train, data.test]), RECTANGLES)
    assert data.measure == "vaex_rectangles in [0, 1], Lebesgue measure"


def test_size_is_the_centre_square_averaged(tmp_path: Path) -> None:
    data = toy("vaex_rectangles", tmp_path, size=2)
    plain, small = toy("vaex_rectangles", tmp_path).read().train, data.read().train
    assert small.shape == (7, 2, 2, 3)
    expected = plain[:, :, 2:10].reshape(7, 2, 4, 2, 4, 3).mean((2, 4))
    # Pillow rounds after each of the two directions: half a level twice.
    np.testing.assert_allclose(small, expected, atol=1.01)
    assert data.load(Gaussian()).measure == "vaex_rectangles (size=2) in [0, 1], Lebesgue measure"


def test_grey_is_one_of_three_equal_channels(tmp_path: Path) -> None:
    data = toy("vaex_grey", tmp_path, grey=True).read()
    assert_same_images(data.train, GREY[:3, ..., :1])
    assert_same_images(data.test, GREY[3:, ..., :1])


def test_images_of_varying_size_need_a_size(tmp_path: Path) -> None:
    with pytest.raises(VaexError, match=r"expected images of one size, got \(None, None, 1\); type data\.size=64"):
        toy("vaex_varying", tmp_path).read()
    raw = toy("vaex_varying", tmp_path, size=4).read()
    assert raw.train.shape == (4, 4, 4, 1)
    shortest = VaexVarying.MADE["train"][0]  # 4 x 9: its centre square begins in column 2
    assert any((image == shortest[:, 2:6]).all() for image in raw.train)


def test_large_arrays_are_mapped_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = toy("vaex_rectangles", tmp_path).read().train
    assert not isinstance(read, np.memmap)
    monkeypatch.setattr(images, "LARGE", 1000)
    mapped = toy("vaex_rectangles", tmp_path).read().train
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, read)
    assert len(toy("vaex_rectangles", tmp_path).load(Gaussian()).train) == 6


def test_the_whole_is_never_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_BATCH", 2)
    assert_same_images(toy("vaex_rectangles", tmp_path).read().train, RECTANGLES)


def test_a_set_that_somebody_prepared_needs_no_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = toy("vaex_grey", tmp_path).read()
    folder = tmp_path / "tfds" / "vaex_grey"
    shutil.copytree(folder / "1.0.0", folder / "0.9.0")
    shutil.copytree(folder / "1.0.0", folder / "0.10.0")
    shutil.rmtree(folder / "1.0.0")
    for path in folder.rglob("vaex-*.npy"):
        path.unlink()
    monkeypatch.setattr(prepared, "prepare", None)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    np.testing.assert_array_equal(Tfds(name="vaex_grey").read().train, first.train)
    assert {path.parent.name for path in folder.rglob("vaex-*.npy")} == {"0.10.0"}  # the newest


def test_a_set_in_another_format_is_left_alone(tmp_path: Path) -> None:
    first = toy("vaex_grey", tmp_path).read()
    folder = tmp_path / "tfds" / "vaex_grey" / "1.0.0"
    for path in folder.glob("vaex-*.npy"):
        path.unlink()
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    np.testing.assert_array_equal(toy("vaex_grey", tmp_path).read().train, first.train)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"vaex-train.npy", "vaex-test.npy"}


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def shorten(path: Path) -> None:
    np.save(path, np.load(path)[:-1])


@pytest.mark.parametrize(
    ("pattern", "damage", "message"),
    [
        ("*-train.array_record*", remove, r"the train split in .*1\.0\.0 is incomplete or broken.*delete the folder"),
        ("*-test.array_record*", cut, r"the test split in .*1\.0\.0 is incomplete or broken.*delete the folder"),
        ("vaex-test.npy", cut, r"broken vaex-\*\.npy: vaex-test\.npy.*delete it"),
        ("vaex-train.npy", shorten, r"broken vaex-\*\.npy.*2 images, where the data set has 3.*delete it"),
        ("dataset_info.json", cut, r"dataset_info\.json cannot be read.*delete .*1\.0\.0"),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_an_incomplete_set_is_refused(
    pattern: str, damage: Any, message: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy("vaex_grey", tmp_path).read()
    folder = tmp_path / "tfds" / "vaex_grey" / "1.0.0"
    (file,) = folder.glob(pattern)
    if not file.name.endswith("npy"):
        for path in folder.glob("vaex-*.npy"):
            path.unlink()
    damage(file)
    monkeypatch.setattr(images, "LARGE", 0 if large else 2**30)
    with pytest.raises(VaexError, match=message) as caught:
        toy("vaex_grey", tmp_path).read()
    assert "\n" not in str(caught.value)
    assert not list(folder.glob(".vaex-*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vaex_text", r"a feature 'image' of H x W x C, but its features are text, title"),
        ("vaex_deep", "expected images of 8 bits, got uint16"),
        ("vaex_untrained", "expected a split 'train', found test"),
        ("vaex_resized", r"needs TensorFlow \(tf\.image\).*pip install 'vaex-jax\[tensorflow\]'"),
        ("vaex_jpeg", r"needs TensorFlow \(tf\.[a-zA-Z_.]+\)"),
        ("kmnst", r"data\.name: tensorflow-datasets has no data set 'kmnst'; did you mean 'kmnist'\?"),
        ("emnist", r"data\.name: expected one of emnist/byclass, .*got 'emnist'"),
        ("emnist/letter", r"got 'emnist/letter'; did you mean 'emnist/letters'\?"),
        ("kmnist/letters", "expected one of kmnist; got 'kmnist/letters'"),
        ("imagenet_r", "expected images of one size"),
        ("celeb_a_hq/64", r"cannot be downloaded: manual_dir should contain.*type data\.manual_dir=FOLDER"),
        (None, r"data=tfds expects the name of a data set.*data=tfds data\.name=kmnist"),
    ],
)
def test_what_cannot_be_prepared_is_refused(name: str | None, message: str, tmp_path: Path) -> None:
    if find_spec("tensorflow") is not None and "TensorFlow" in message:
        pytest.skip("TensorFlow is installed")
    with pytest.raises(VaexError, match=message):
        Tfds(name=name, data_dir=str(tmp_path / "tfds")).read()
    assert not list((tmp_path / "tfds").glob("[!d]*"))


@pytest.mark.parametrize(("name", "module"), [("dsprites", "h5py"), ("shapes3d", "h5py"), ("svhn_cropped", "scipy")])
def test_a_missing_package_is_named_before_anything_is_downloaded(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builders, "find_spec", lambda asked: None if asked == module else find_spec(asked))
    with pytest.raises(VaexError, match=f"{name}: .*needs {module}, which is not installed; type pip install {module}"):
        toy(name, tmp_path).read()


@pytest.mark.parametrize(
    "options",
    [{"name": "../mnist"}, {"name": "a/../b"}, {"name": ""}, {"name": "a/b/c"}, {"size": 0}],
)
def test_options_that_mean_nothing_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(VaexError, match=rf"data\.{next(iter(options))}"):
        Tfds(**options)


def test_a_folder_without_some_files_is_refused(originals: Any, tmp_path: Path) -> None:
    _, folder = originals("binarized_mnist")
    (folder / "binarized_mnist_valid.amat").unlink()
    with pytest.raises(VaexError, match=r"missing binarized_mnist_valid\.amat; type data\.manual_dir=FOLDER") as caught:
        toy("binarized_mnist", tmp_path, manual_dir=str(folder)).read()
    assert f"expected binarized_mnist_train.amat, binarized_mnist_valid.amat, {''}" in str(caught.value)


def test_a_file_that_is_not_the_original_is_named(originals: Any, tmp_path: Path) -> None:
    _, folder = originals("cifar10")
    file = folder / "cifar-10-binary.tar.gz"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(VaexError, match=r"is not the original of https.*SHA-256.*fetch cifar-10-binary\.tar\.gz again"):
        toy("cifar10", tmp_path, manual_dir=str(folder)).read()


def test_the_environment_names_a_folder_of_sub_folders(
    originals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, folder = originals("emnist/balanced")
    monkeypatch.setenv("VAEX_DATA_DIR", str(folder.parent))
    assert_same_images(toy("emnist/balanced", tmp_path).read().train, made["train"])


def test_without_the_network_the_message_says_where_to_put_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist.KMNIST, "URL", "http://127.0.0.1:9/")  # the discard port: nobody listens
    start = time.perf_counter()
    with pytest.raises(VaexError, match=r"kmnist: cannot be downloaded from http://127\.0\.0\.1:9/") as caught:
        toy("kmnist", tmp_path).read()
    assert time.perf_counter() - start < 20  # tensorflow-datasets alone would try for 200 s
    assert "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images" in str(caught.value)
    assert "type data.manual_dir=FOLDER" in str(caught.value)


def test_levels_of_two_reach_the_likelihood_as_zeros_and_ones(originals: Any, tmp_path: Path) -> None:
    made, folder = originals("binarized_mnist")
    data = toy("binarized_mnist", tmp_path, manual_dir=str(folder)).load(Bernoulli())
    assert data.levels == 2
    assert data.validation is not None
    for found, split in ((data.train, "train"), (data.validation, "validation"), (data.test, "test")):
        assert_same_images(np.asarray(data.preparation(found)).astype(np.uint8), made[split])


def test_the_stand_in_leaves_nothing_behind() -> None:
    encode = image_feature._ImageEncoder._encode_image
    with contextlib.suppress(KeyError), without_tensorflow():
        assert tf.compat.as_text(b"a") == "a"
        raise KeyError
    assert image_feature._ImageEncoder._encode_image is encode
    assert "_module" not in tf.__dict__ or find_spec("tensorflow") is not None


def test_the_prepared_set_is_tensorflow_datasets_own(originals: Any, tmp_path: Path) -> None:
    made, folder = originals("cifar10")
    toy("cifar10", tmp_path, manual_dir=str(folder)).read()
    source = tfds.data_source("cifar10", split="test", data_dir=tmp_path / "tfds", download=False)
    assert_same_images(np.stack([record["image"] for record in source]), made["test"])
    assert {record["label"] for record in source} == {3}
    info = json.loads((tmp_path / "tfds" / "cifar10" / "3.0.2" / "dataset_info.json").read_text())
    assert info["fileFormat"] == "array_record"
