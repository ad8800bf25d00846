"""Tests of the user's own file: what is accepted, what is refused, and what the refusals say."""

from pathlib import Path

import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array
from vaex.data.base import Raw
from vaex.likelihoods import Bernoulli, Gaussian

TABLE = np.array([[1.5, -2.0, 3e5], [0.0, 7.25, -1e-3]])


def read(path: Path) -> Raw:
    """Returns what the file holds."""
    return Array(path=str(path)).read()


def refused(path: Path) -> str:
    """Returns the message with which the file is refused."""
    with pytest.raises(VaexError) as caught:
        read(path)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "int8", "bool", ">f4"])
def test_any_numbers_are_taken_with_their_values_unchanged(dtype: str, tmp_path: Path) -> None:
    given = np.array([[0, 1, 100], [3, 0, 7]]).astype(dtype)
    np.save(tmp_path / "x.npy", given)
    np.testing.assert_array_equal(read(tmp_path / "x.npy").train, given.astype(np.float64))
    data = Array(path=str(tmp_path / "x.npy"), test_fraction=0.5).load(Gaussian())
    assert data.train.dtype == data.test.dtype == np.float32
    np.testing.assert_array_equal(np.sort(np.vstack([data.train, data.test]), 0), np.sort(given, 0).astype(np.float64))


@pytest.mark.parametrize(
    ("shape", "event_shape"), [((6, 3), (3,)), ((6, 1), (1,)), ((6, 4, 5), (4, 5, 1)), ((6, 4, 5, 3), (4, 5, 3))]
)
def test_shapes(shape: tuple[int, ...], event_shape: tuple[int, ...], tmp_path: Path) -> None:
    given = np.arange(np.prod(shape)).reshape(shape)
    np.save(tmp_path / "x.npy", np.asfortranarray(given))
    data = Array(path=str(tmp_path / "x.npy")).load(Gaussian())
    assert data.event_shape == event_shape
    assert data.is_image == (len(event_shape) == 3)
    np.testing.assert_array_equal(np.sort(np.concatenate([data.train, data.test]).ravel()), np.arange(given.size))


def test_npz_brings_its_own_splits(tmp_path: Path) -> None:
    parts = {"train": np.zeros((5, 2)), "test": np.ones((3, 2)), "validation": np.full((2, 2), 2.0)}
    np.savez(tmp_path / "x.npz", **parts)
    data = Array(path=str(tmp_path / "x.npz")).load(Gaussian())
    for name, part in parts.items():
        np.testing.assert_array_equal(getattr(data, name), part)
    with pytest.raises(VaexError, match=r"data\.validation_fraction=0\.1: x\.npz has a validation split of its own"):
        Array(path=str(tmp_path / "x.npz"), validation_fraction=0.1).load(Gaussian())


def test_npz_with_train_alone_is_split(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=np.arange(20.0).reshape(10, 2))
    data = Array(path=str(tmp_path / "x.npz"), test_fraction=0.3, validation_fraction=0.1).load(Gaussian())
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 1, 3)


def test_npz_with_other_arrays_is_read_and_the_log_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=np.ones((5, 2)), labels=np.ones(5), validaton=np.ones((5, 2)))
    data = Array(path=str(tmp_path / "x.npz")).load(Gaussian())
    assert data.notes == ("x.npz: 'labels', 'validaton' left unused; did you mean 'validation'?",)


@pytest.mark.parametrize(
    ("header", "note"),
    [
        ("", ()),
        ("a,b,c\n", ("x.csv: header row skipped ('a', 'b', 'c')",)),
        ('"a, first",b,c\n', ("x.csv: header row skipped ('a, first', 'b', 'c')",)),
        (
            "0,1,2\n",
            ("x.csv: header row skipped ('0', '1', '2'); type data.header=false if it is an example",),
        ),  # as pandas writes columns without names
        ("\ufeffa,b,c\n\n", ("x.csv: header row skipped ('a', 'b', 'c')",)),  # as Excel begins a file
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_with_and_without_a_header(header: str, note: tuple[str, ...], end: str, tmp_path: Path) -> None:
    text = header + "1.5,-2, 3e5\n\n0,7.25,-1e-3\n"
    (tmp_path / "x.csv").write_bytes(text.replace("\n", end).encode())
    raw = read(tmp_path / "x.csv")
    np.testing.assert_array_equal(raw.train, TABLE)
    assert (*raw.notes, *raw.warnings) == note


def test_csv_of_two_columns_may_begin_with_zero_and_one(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("0,1\n1,0\n1,1\n")
    assert read(tmp_path / "x.csv").train.tolist() == [[0, 1], [1, 0], [1, 1]]


def test_csv_reads_back_what_numpy_wrote(tmp_path: Path) -> None:
    given = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    np.savetxt(tmp_path / "x.csv", given, delimiter=",", header="a,b,c,d,e,f,g", comments="")
    np.testing.assert_array_equal(read(tmp_path / "x.csv").train, given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"x.csv, row 3: expected 2 cells as in the first row, got 1"),
        ("1,2\n\n3,4\n5,6,7\n", "x.csv, row 4: expected 2 cells as in the first row, got 3"),
        ("a,b\n1,2\n3,four\n", "x.csv, row 3, column 2: expected a number, got 'four'"),
        ("1,2\n3,\n", "x.csv, row 2, column 2: expected a number, the cell is empty"),
        ("1,b\n3,4\n", "x.csv, row 1, column 2: expected a number, got 'b'"),
        ("1;2\n3;4\n", "x.csv, row 2, column 1: expected a number, got '3;4'"),
        ("a,b\n1_0,2\n", "x.csv, row 2, column 1: expected a number, got '1_0'"),
        ("a,b,c\n1,2\n3,4\n", "x.csv: the header row names 3 columns, the rows have 2"),
        (",a,b\n0,1,2\n1,3,4\n", "x.csv, row 1: the first column has no name"),
        (",0,1\n0,1,2\n1,3,4\n", "to_csv(..., index=False)"),
        ("a,b\n", "x.csv: expected rows of numbers, found none"),
        ("", "x.csv: expected rows of numbers, found none"),
        ("1,nan\n3,4\n", "1 of 4 is NaN or infinite, the first at row 0, column 1 (counted from 0): nan"),
    ],
)
def test_csv_with_a_mistake_is_refused_by_row(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text)
    assert message in refused(tmp_path / "x.csv")


def test_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe1\x002\x00")
    assert "expected text in UTF-8" in refused(tmp_path / "x.csv")


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "x.npy", TABLE)
    np.testing.assert_array_equal(Array(path="~/x.npy").read().train, TABLE)


def test_a_missing_file_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VaexError) as caught:
        Array(path="sub/x.npy").load(Gaussian())
    assert f"{tmp_path}/sub/x.npy does not exist" in str(caught.value)
    assert ".npy, .csv, or .npz with arrays train, test and validation" in str(caught.value)


def test_no_path_is_refused_with_the_line_to_type() -> None:
    for path in (None, ""):
        with pytest.raises(VaexError, match=r"type data=array data\.path=FILE"):
            Array(path=path).load(Gaussian())


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert "expected .npy, .csv, or .npz" in refused(tmp_path / "x.parquet")
    (tmp_path / "folder.npy").mkdir()
    assert "is a folder" in refused(tmp_path / "folder.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("keep", [0, 4, 100, -8])
def test_truncated_files_are_refused(suffix: str, keep: int, tmp_path: Path) -> None:
    whole, broken = tmp_path / f"whole{suffix}", tmp_path / f"x{suffix}"
    if suffix == ".npz":
        np.savez(whole, train=TABLE)
    else:
        np.save(whole, TABLE)
    broken.write_bytes(whole.read_bytes()[:keep])
    assert refused(broken)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(5.0), "got 5 numbers in one dimension; save x.reshape(-1, 1) for N examples of one number"),
        (np.float64(3), "got shape ()"),
        (np.zeros((2, 3, 4, 5, 6)), "got shape (2, 3, 4, 5, 6)"),
        (np.zeros((0, 3)), "expected at least one example of at least one number, got shape (0, 3)"),
        (np.zeros((3, 0)), "expected at least one example of at least one number, got shape (3, 0)"),
        (np.array([["a", "b"]]), "expected numbers, got strings"),
        (np.array([[b"a"]]), "expected numbers, got bytes"),
        (np.array([[1, None]]), "expected numbers, got Python objects; save x.astype(np.float32) instead"),
        (np.array([[1j]]), "expected numbers, got complex numbers"),
        (np.zeros((2, 2), [("a", float)]), "expected numbers, got records"),
        (np.array([["2020-01-01"]], "datetime64[D]"), "expected numbers, got datetime64[D]"),
        (np.array([[1, 2], [np.nan, np.inf]]), "2 of 4 are NaN or infinite, the first at row 1, column 0"),
        (np.array([[1.0, -np.inf]]), "1 of 2 is NaN or infinite, the first at row 0, column 1 (counted from 0): -inf"),
        (np.full((1, 2, 2), np.nan), "4 of 4 are NaN or infinite, the first at index (0, 0, 0)"),
        (np.array([[1.0, 2.0], [3.0, 1e39]]), "1 of 4 is too large for float32, the first at row 1, column 1"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_what_is_no_table_of_finite_numbers_is_refused(
    array: np.ndarray, message: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".npz":
        np.savez(path, train=array)
    else:
        np.save(path, array)
    assert message in refused(path)


def test_the_array_of_an_npz_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=TABLE, test=TABLE * np.nan)
    assert "x.npz, array 'test': expected finite numbers, but 6 of 6" in refused(tmp_path / "x.npz")


def test_npz_without_train_lists_what_it_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X_train=TABLE, y=TABLE)
    message = refused(tmp_path / "x.npz")
    assert "found 'X_train', 'y'" in message
    assert "np.savez('x.npz', train=x, test=y)" in message


def test_splits_of_other_shapes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=np.ones((5, 2)), test=np.ones((5, 3)))
    with pytest.raises(VaexError, match=r"the training split has \(2,\) and the test split \(3,\)"):
        Array(path=str(tmp_path / "x.npz")).load(Gaussian())


def test_one_example_cannot_be_split(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 3)))
    with pytest.raises(VaexError, match=r"x\.npy: expected at least one test example.*one example cannot be split"):
        Array(path=str(tmp_path / "x.npy")).load(Bernoulli())


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "x.npy", np.array([[Trap()]], dtype=object), allow_pickle=True)
    assert "Python objects" in refused(tmp_path / "x.npy")
    assert not (tmp_path / "sprung").exists()
