"""Tests of tables of text: every way in which people write them is read right, or refused with the line to type."""

from pathlib import Path

import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array
from vaex.data.base import Raw
from vaex.likelihoods import Gaussian

X = [[1.5, -2.0], [0.25, 7.0], [3.0, 4.0]]
ROWS = "1.5,-2\n0.25,7\n3,4\n"


def read(tmp_path: Path, text: str | bytes, suffix: str = ".csv", **dialect) -> Raw:
    """Returns what a file with this text holds."""
    path = tmp_path / f"x{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Array(path=str(path), **dialect).read()


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("1.5;-2\n0.25;7\n3;4\n", {"separator": "semicolon"}),
        ("1,5;-2\n0,25;7\n3;4\n", {"separator": ";", "decimal": "comma"}),
        ("a;b\n1,5;-2\n2,5e-1;7\n3;4\n", {"separator": ";", "decimal": ","}),
        ("sep=;\n1.5;-2\n0.25;7\n3;4\n", {}),
        ("\ufeffsep=;\r\na;b\r\n1,5;-2\r\n0,25;7\r\n3;4\r\n", {"decimal": "comma"}),
        ("1.5\t-2\n0.25\t7\n3\t4\n", {"separator": "tab"}),
        ("1.5\t-2\n0.25\t7\n3\t4\n", {"separator": "\\t"}),
        ("1.5   -2\n 0.25 7\n3 4\n", {"separator": "space"}),
        ("1.5|-2\n0.25|7\n3|4\n", {"separator": "|"}),
        ("1.5,-2,\n0.25,7,\n3,4,\n", {}),
        ("a,b,\n1.5,-2,\n0.25,7,\n3,4,\n", {}),
        ("a,b\n1.5,-2,\n0.25,7,\n3,4,\n", {}),
        ("a,b,\n1.5,-2\n0.25,7\n3,4\n", {}),
        ("# made by hand\n\n" + ROWS + "# the end\n", {}),
        ('"a\nof two lines",b\n' + ROWS, {}),
        ('"1.5", "-2"\n"0.25","7"\n3,4\n', {}),
        ("Größe,b\n".encode("latin-1") + ROWS.encode(), {}),
        ("11,12\n" + ROWS, {"header": True}),
        (ROWS, {"header": False}),
        ("id,a,b\nx1,1.5,-2\nx2,0.25,7\nx3,3,4\n", {"columns": "1:"}),
        ("id,a,b\n7,1.5,-2\n9,0.25,7\n11,3,4\n", {"columns": ("a", "b")}),
        ("b,a\n-2,1.5\n7,0.25\n4,3\n", {"columns": (1, 0)}),
        (",a,b\n0,1.5,-2\n1,0.25,7\n2,3,4\n", {"columns": ("a", -1)}),
        ("10,20,30\n1.5,-2,0\n.25,7,0\n3,4,0\n", {"header": True, "columns": (10, "20")}),
        ("n;a;b\nA;1,5;-2\nB.;0,25;7\nC;3;4\n", {"separator": ";", "decimal": ",", "columns": "1:"}),
    ],
    ids=repr,
)
def test_a_table_is_read_right(text, dialect, tmp_path):
    np.testing.assert_array_equal(read(tmp_path, text, **dialect).train, X)


def test_tabs_need_no_word_where_the_suffix_says_so(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, ROWS.replace(",", "\t"), ".tsv").train, X)
    one = read(tmp_path, "a\n1\n2\n3\n")
    assert (one.train.tolist(), one.warnings) == ([[1], [2], [3]], ())


def test_a_comment_above_the_rows_names_the_columns_as_numpy_writes_them(tmp_path):
    np.savetxt(tmp_path / "x.csv", X, delimiter=",", header="height,width")
    raw = Array(path=str(tmp_path / "x.csv"), columns=("width", "height")).read()
    assert raw.train.tolist() == [row[::-1] for row in X]
    assert raw.columns == ("width", "height")


@pytest.mark.parametrize(
    ("text", "dialect", "message"),
    [
        ("1;2\n3;4\n", {}, "row 2, column 1: expected a number, got '3;4'; type data.separator=semicolon"),
        (
            "a;b\n1,5;2\n2,5;3\n",
            {},
            "row 2: expected 1 cells as in the first row, got 2; type data.sep",
        ),
        ("1,5;2,5\n3,5;4,5\n", {}, "; type data.separator=semicolon data.decimal=comma"),
        ("a\tb\n1\t2\n", {}, "row 2, column 1: expected a number, got '1\\t2'; type data.separator=tab"),
        ("a b\n1 2\n", {}, "; type data.separator=space"),
        ("1|2\n3|4\n", {}, "; type data.separator='|'"),
        (
            "1,5;2\n3,5;4\n",
            {"separator": ";"},
            "column 1: expected a number, got '1,5'; type data.decimal=comma",
        ),
        (
            '"1,234.5",2\n3,4\n',
            {},
            "column 1: expected a number, got '1,234.5'; write numbers without",
        ),
        ("1.234,5;2\n3;4\n", {"separator": ";", "decimal": ","}, "row 1: expected decimal commas, got '1.234,5'"),
        ("a,b\n1,2\n3,\n", {}, "row 3, column 2: expected a number, the cell is empty; fill it in"),
        ("a,b\n1,2\n3,x\n", {}, "row 3, column 2: expected a number, got 'x'; leave the column out with data.columns"),
        ("s,1100,1102\nA,1,2\n", {}, "row 1, column 1: expected a number, got 's'; type data.header=true if"),
        ("a,b\n1,2\n3\n", {"columns": "a"}, "row 3: expected 2 cells as in the first row, got 1"),
        (",a\n0,1\n1,2\n", {}, "row 1: the first column has no name"),
        (",a\n0,1\n1,2\n", {}, "type data.columns=1: to leave it out"),
        ("a,b\n1,2\n", {"columns": "c"}, "data.columns: x.csv has no column 'c'; it has 2, 0 to 1, named a, b"),
        ("a,b\n1,2\n", {"columns": 2}, "data.columns: x.csv has no column 2; it has 2"),
        ("a,a\n1,2\n", {"columns": "a"}, "data.columns: 2 columns of x.csv are named 'a'; type their places: [0, 1]"),
        ("a,b\n1,2\n", {"columns": (0, "a")}, "each once, got one twice"),
        ("a,b\n1,2\n", {"columns": ()}, "each once, got none"),
        (ROWS, {"separator": "dot"}, "data.separator: expected auto, comma, semicolon, tab, space or one character"),
        (ROWS, {"decimal": "comma", "separator": ","}, "type data.separator=semicolon"),
        (ROWS, {"header": "yes"}, "data.header: expected one of auto, True, False; got 'yes'"),
        (ROWS, {"columns": (1.5,)}, "data.columns: expected names, places counted from 0 or ranges, got 1.5"),
    ],
    ids=repr,
)
def test_a_table_is_refused_with_the_row_and_the_line_to_type(text, dialect, message, tmp_path):
    with pytest.raises(VaexError) as caught:
        read(tmp_path, text, **dialect)
    assert message in str(caught.value)


RNG = np.random.default_rng(0)


def csv(rows: np.ndarray, first: str = "") -> str:
    """Returns the rows below a first one."""
    return first + "".join(",".join(f"{value:.6g}" for value in row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("first", "rows"),
    [
        (",".join(str(1100 + 2 * i) for i in range(20)), RNG.normal(0.5, 0.1, (30, 20))),  # wavelengths
        ("4000,3998.1,3995,3990", RNG.normal(0.5, 0.1, (30, 4))),
        ("1100,1102", RNG.normal(0.5, 0.1, (30, 2))),
        ("2021", RNG.normal(0.5, 0.1, (30, 1))),
        ("1,2,3,4,5,6", RNG.normal(3, 2, (30, 6))),  # within the range of the values
        ("0.1,0.2,0.3,0.4,0.5", RNG.uniform(0, 1, (30, 5))),
        ("400,401.5,404,408,415,430,460,500", RNG.uniform(0, 1000, (30, 8))),
        ("0,1,2,3,4,5", np.arange(6, 186).reshape(30, 6)),
    ],
)
def test_a_header_of_numbers_is_asked_about(first, rows, tmp_path):
    with pytest.raises(VaexError, match=r"x\.csv, row 1: .*data\.header=true.*or data\.header=false"):
        read(tmp_path, csv(rows, first + "\n"))
    as_header = read(tmp_path, csv(rows, first + "\n"), header=True)
    assert (len(as_header.train), as_header.columns) == (30, tuple(first.split(",")))
    assert len(read(tmp_path, csv(rows, first + "\n"), header=False).train) == 31


@pytest.mark.parametrize(
    "rows",
    [
        RNG.normal(size=(50, 1)),
        RNG.standard_cauchy((50, 2)),
        RNG.poisson(1.0, (50, 12)),
        np.sort(RNG.normal(size=(50, 9)), axis=1),
        np.arange(6, 126).reshape(20, 6),
        np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]),
        np.r_[np.zeros((1, 6)), np.ones((20, 6))],
    ],
)
def test_examples_are_not_taken_for_a_header(rows, tmp_path):
    raw = read(tmp_path, csv(rows))
    assert len(raw.train) == len(rows)
    assert not any("header" in line for line in (*raw.notes, *raw.warnings))


@pytest.mark.parametrize("name", ["label", "Class", "target", "y", "ID", "index", "Unnamed: 0", "sample_id"])
def test_a_label_is_named_in_a_warning_with_the_line_to_type(name, tmp_path):
    text = f"a,b,{name}\n1.5,2,1\n3,4,0\n5,6,1\n"
    (warning,) = read(tmp_path, text).warnings
    assert f"column 2 ({name!r}) looks like a label or an id" in warning
    assert "type data.columns=[0,1] to leave it out" in warning
    assert read(tmp_path, text, columns=(0, 1)).warnings == ()
    assert Array(path=str(tmp_path / "x.csv")).load(Gaussian()).warnings[0] == warning


def test_the_number_of_the_row_is_named_in_a_warning(tmp_path):
    rows = np.c_[np.arange(20), RNG.normal(size=(20, 15))]
    (warning,) = read(tmp_path, csv(rows)).warnings
    assert "column 0, the number of the row looks like a label or an id" in warning
    assert "type data.columns=1: to leave it out" in warning
    assert read(tmp_path, csv(rows), columns="1:").train.shape == (20, 15)


def test_a_table_has_a_dialect_and_an_array_has_columns(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(4, 3))
    assert Array(path=str(tmp_path / "x.npy"), columns=(2, 0)).read().train.tolist()[1] == [5, 3]
    with pytest.raises(VaexError, match=r"data\.header=True is for tables of text"):
        Array(path=str(tmp_path / "x.npy"), header=True).read()
    with pytest.raises(VaexError, match=r"x\.npy has no column 'a'; it has 3"):
        Array(path=str(tmp_path / "x.npy"), columns="a").read()
    np.save(tmp_path / "x.npy", np.zeros((4, 3, 3)))
    with pytest.raises(VaexError, match=r"data\.columns picks columns of N x D"):
        Array(path=str(tmp_path / "x.npy"), columns=0).read()
